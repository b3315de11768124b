"""`python -m bench.mended FOLDER`: what missing labels cost on real pictures, and what is gained once they are there.

FOLDER is a data set some of whose labels are missing, as BCCD (github.com/Shenggan/BCCD_Dataset). The starter is
trained on it. Then labels are corrected as *Label errors* suggests: a missing one is added wherever a prediction from
the score on shows one; first on the worst validation images, then on all validation and all training images, on which
the model is evaluated for it. At the end a second model is trained on the revision. With --pictures the worst images
are drawn into a folder with what is suggested, to be looked at: nothing here tells right suggestions from wrong ones.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import pyarrow as pa
import torch

from core import PROJECT
from core.config import STARTER, TrainConfig
from core.datasets.convert.to_coco import convert, detect_format
from core.datasets.pictures import read_picture
from core.datasets.split import read_split
from core.evaluation.draw import draw_analysis
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.label_errors import LabelError, LabelErrorKind, label_errors
from core.evaluation.findings.label_noise import LabelledEvaluation, in_words
from core.evaluation.findings.relabel import Label, different_images, labels_of, relabel
from core.evaluation.ordering import SortOrder, sorted_images
from core.evaluation.selection import Selection
from core.evaluation.table import read_table
from core.evaluation.threshold import image_rows
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.job import create_evaluations, follow_evaluation
from core.presets import PRESETS
from core.runs.corrections.corrected import corrected_table
from core.runs.corrections.journal import net_corrections
from core.runs.corrections.mend import Mender
from core.runs.corrections.revision import save_revision
from core.runs.drive import drive
from core.runs.schema import Run
from core.runs.store import RunStore

WORST = 10  # validation images that are corrected first
QUICK = {  # smaller images in larger steps, so that a training takes a minute or two
    "minutes": 0.0, "batch_size": 8, "shortest_edge": 192, "longest_edge": 256, "schedule": "cosine", "ema": 0.0,
    "class_targets": "own",
}  # fmt: skip


def trained(store: RunStore, data: Path, epochs: int) -> tuple[Run, pa.Table]:
    """Train the starter on a data set; return the run, and the detection table of its best model."""
    config = PRESETS["Own pictures"].apply(TrainConfig(str(data), str(PROJECT / STARTER)))
    torch.set_num_threads(config.threads or 2)
    run = drive(store, store.create({**config.to_dict(), **QUICK, "epochs": epochs}).id)
    return run, read_table(store.table_path(run.id, run.best_epoch or 0))


def evaluated_on_training(store: RunStore, run: Run, data: Path) -> pa.Table:
    """Return the detection table of a run's best model on the images that it was trained on."""
    (evaluation,) = create_evaluations(store, [EvaluationConfig((f"{run.id}:best",), str(data), "train")])
    for _ in follow_evaluation(store, evaluation.id):
        pass
    return read_table(store.table_path(evaluation.id, 0))


def missing(table: pa.Table, score: float) -> list[LabelError]:
    """Return every place where a label is missing, as the model has it."""
    return [one for one in label_errors(table, score, 10**6) if one.kind is LabelErrorKind.MISSING]


def add_labels(mender: Mender, errors: list[LabelError]) -> None:
    """Add a label at each of these places."""
    for error in errors:
        mender.mend(error)


def tell(name: str, table: pa.Table, mender: Mender) -> None:
    """Print what the corrections so far change of a model's evaluation."""
    corrections = mender.corrections()
    net, after = net_corrections(corrections), corrected_table(table, corrections)
    noise = LabelledEvaluation(table).label_noise(after)
    print(f"{name}: {in_words(noise, sum(map(len, net.values())), len(net))}")
    errors = ", ".join(f"{kind} {n} -> {noise.errors[1][kind]}" for kind, n in noise.errors[0].items())
    print(f"    errors from score 0.5: {errors}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--score", type=float, default=0.7)
    parser.add_argument("--pictures", metavar="DIR")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        store = RunStore(root)
        data = store.data_dir / "mended"
        if detect_format(options.folder):
            for _ in convert(options.folder, data):
                pass
        else:
            data.parent.mkdir(parents=True, exist_ok=True)
            data.symlink_to(Path(options.folder).resolve(), target_is_directory=True)
        first, table = trained(store, data, options.epochs)
        val = Mender(store, read_split(data, "val"))
        names = {image["id"]: image["file_name"] for image in val.split.images}
        worst = sorted_images(table, Selection(0.5), SortOrder.WORST, False, names)[:WORST]
        suggested = missing(table, options.score)
        if options.pictures:
            draw(val, table, worst, options.score, Path(options.pictures))
        add_labels(val, [one for one in suggested if one.image_id in worst])
        tell(f"the {WORST} worst validation images", table, val)
        add_labels(val, [one for one in suggested if one.image_id not in worst])
        tell("all validation images", table, val)
        train = Mender(store, read_split(data, "train"))
        on_training = evaluated_on_training(store, first, data)
        add_labels(train, missing(on_training, options.score))
        tell("all training images", on_training, train)
        revision, _ = save_revision(store, str(data))
        _, second = trained(store, revision, options.epochs)
        compare(table, second, options.score)
        store.close()


def compare(first: pa.Table, second: pa.Table, score: float) -> None:
    """Print AP and AR of both models on the labels as they were, and of each where the other one has added labels.

    first, second: evaluated on the labels as they were, and on those that the first has added to. Where a model has
    added labels itself its boxes are right by definition.
    """
    different = different_images(first, second)
    before = relabel(second, labels_of(first, different))  # the second on the labels as they were
    suggested = missing(before, score)
    names = {
        "labels as they were": (first, before),
        "where the first has added labels": (relabel(first, labels_of(second, different)), second),
        "where the second has": (with_labels(first, suggested), with_labels(before, suggested)),
    }
    for name, tables in names.items():
        one, two = (coco_figures(table) for table in tables)
        ap, ar = (f"{100 * (getattr(one, k) or 0):.1f} -> {100 * (getattr(two, k) or 0):.1f}" for k in ("AP", "AR100"))
        print(f"{name}: trained before and on corrected labels AP {ap}, AR {ar}")


def with_labels(table: pa.Table, errors: list[LabelError]) -> pa.Table:
    """Return the table matched with a label more at each of these places."""
    labels = labels_of(table, {error.image_id for error in errors})
    for number, error in enumerate(errors):
        labels[error.image_id][-1 - number] = Label(error.predicted, error.box)
    return relabel(table, labels)


def draw(mender: Mender, table: pa.Table, images: list[int], score: float, folder: Path) -> None:
    """Draw the images with their labels and the predictions from the score on, each into a file."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, image_id in enumerate(images, start=1):
        image = mender.split.image_by_id[image_id]
        path, size = mender.split.image_path(image), (int(image["width"]), int(image["height"]))
        draw_analysis(read_picture(path, size), image_rows(table, image_id, score)).save(folder / f"{place:02d}.png")


if __name__ == "__main__":
    main()

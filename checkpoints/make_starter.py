"""Make a starter model: `python -m checkpoints.make_starter detr` (or `multi-scale`) draws its scenes and trains it.

Hours on two CPU cores, less with a GPU; what is done is kept in `checkpoints/starter-work/`, and the same command goes
on from there. A recipe is a model to start from and rounds. Each round is `core.training.train.train`, like any run, on
scenes of the `day` look, from the best checkpoint of the round before. The last one's best by AP becomes the starter,
with its figures on fresh scenes by day and at dusk beside it.

The multi-scale model, a small RT-DETRv2, starts from random weights. A small DETR learns very slowly from these, for
two reasons. Its backbone's norms are frozen; and a query's place enters the decoder through attention weights only,
never through values, so the decoder can say where a box is only after the image features themselves do. So two stages
come before its rounds (`warm_up.py`):

1. Warm-up. Backbone (with trainable norms) and encoder learn a dense task: every cell of the feature map says the class
   of the object on it and that object's box in *absolute* coordinates, through DETR's own two heads.
2. Decoder. Its attention starts as copying: the queries' places form a grid, each query attends around its place, and
   values pass through unchanged, so that the heads at once say what the cells there say.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from tqdm import tqdm

from checkpoints.warm_up import CORES, DEVICE, READERS, SIZE, start_decoder, warm_up
from core.boxes import Detections
from core.config import RANDOM_MULTI_SCALE, TrainConfig
from core.datasets.demo import DEMO_CLASSES, draw_dataset
from core.datasets.part import filter_to_classes
from core.datasets.split import read_split
from core.detr.detect import detect
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.model import load_model, save_model
from core.detr.sources.image_processor import PROCESSOR
from core.disk import atomic_folder, old_path
from core.evaluation.coco_eval import evaluate
from core.presets import PRESETS
from core.training.events import Evaluated
from core.training.train import train

HERE = Path(__file__).resolve().parent
WORK = HERE / "starter-work"
HELD_OUT = 500  # scenes that choose the best epoch, and as many others for the card's figures of each look
TEST_SEED = 8  # of the scenes that the card's figures come from: never learned from, never chosen by
WARM_UP_STEPS = 3000


@dataclass(frozen=True)
class Round:
    """One training: on how many day scenes of which seed (it orders them, too), and how."""

    seed: int
    images: int
    epochs: int
    batch_size: int
    lr: float


@dataclass(frozen=True)
class Recipe:
    """How one starter is made.

    folder  its place beside this file
    preset  the settings of its rounds, but for those that a round states
    backbone  the backbone's rate as a share of the others'
    start  makes or names the model that the first round starts from
    """

    folder: str
    preset: str
    backbone: float
    start: Callable[[Round], str]
    rounds: tuple[Round, ...]

    @property
    def starter(self) -> Path:
        """Return the folder of the finished model."""
        return HERE / self.folder


def draw(look: str, train_images: int, val_images: int, seed: int) -> Path:
    """Draw a demo data set for the starter; one that is there is kept."""
    folder = WORK / f"{look}-{train_images}-seed{seed}"
    with tqdm(desc=f"Drawing {look} scenes", unit="image", mininterval=5) as bar:
        for done, bar.total in draw_dataset(folder, look, train_images, val_images, seed, processes=CORES):
            bar.update(done - bar.n)
    return folder


def day_scenes(one: Round) -> Path:
    return draw("day", one.images, HELD_OUT, one.seed)


def one_round(one: Round, recipe: Recipe, model: str, folder: Path) -> Path:
    """Train in `folder` as any run does, or resume there; returns the best checkpoint by AP."""
    config = replace(
        PRESETS[recipe.preset].apply(TrainConfig(data=str(day_scenes(one)), model=model)),
        epochs=one.epochs, batch_size=one.batch_size, lr=one.lr, lr_backbone=one.lr * recipe.backbone, lr_head=one.lr,
        warmup_steps=200, schedule="cosine", clip=1.0, ema=0.0, class_targets="own", seed=one.seed, workers=READERS,
        start_size=1.0,
    )  # fmt: skip
    resume = any((path / "config.json").is_file() for path in (folder / "last", old_path(folder / "last")))
    with tqdm(desc=f"Training in {folder.name}", unit="step", mininterval=30) as bar:
        for progress in train(config, folder, resume):
            bar.total = progress.steps or None
            bar.update(progress.step - bar.n)
            if isinstance(progress, Evaluated):
                bar.write(f"{folder.name}, epoch {progress.epoch}: AP {100 * progress.figures.AP:.1f}")
    return folder / "best"


def measure(checkpoint: Path, folder: Path) -> dict:
    """Return COCO's figures of a checkpoint on a data set's validation images."""
    split = read_split(folder, "val")
    label_map = split.label_map(DEMO_CLASSES)
    data = DetectionDataset(filter_to_classes(split, label_map.names, None), label_map, SIZE[1], SIZE[0])
    model, _ = load_model(str(checkpoint), label_map)
    detections = Detections.concat(detect(model.to(DEVICE), loader(data, 16), DEVICE))
    return evaluate(data.split.to_dict(), detections, label_map).to_dict()


def warm_start(first: Round) -> str:
    """Return the checkpoint that the DETR's first round starts from, made if it is not there."""
    warm = WORK / "warm"
    if not warm.exists():
        model, label_map = warm_up(day_scenes(first), WARM_UP_STEPS, first.batch_size, 1e-3, first.seed)
        start_decoder(model)
        with atomic_folder(warm) as partial:
            save_model(model, label_map, partial)
    return str(warm)


RECIPES = {
    "detr": Recipe(
        "starter",
        "Built-in demo",
        1 / 3,
        warm_start,
        (
            Round(seed=7, images=12000, epochs=6, batch_size=16, lr=3e-4),
            Round(seed=9, images=16000, epochs=6, batch_size=16, lr=3e-4),
            Round(seed=10, images=16000, epochs=6, batch_size=16, lr=3e-4),
            Round(seed=7, images=48000, epochs=4, batch_size=64, lr=4e-4),  # the first round's scenes and 36,000 more
        ),
    ),
    "multi-scale": Recipe(
        "starter-multi-scale",
        "From nothing",
        1.0,
        lambda first: RANDOM_MULTI_SCALE,
        (
            Round(seed=7, images=24000, epochs=4, batch_size=8, lr=5e-4),
            Round(seed=9, images=24000, epochs=2, batch_size=8, lr=4e-4),
        ),
    ),
}


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 leaves torch's choice")
    parser.add_argument("--go-on", action="store_true", help="one round more, from the starter that is there")
    group = parser.add_argument_group("the round of --go-on")
    more = Round(seed=11, images=48000, epochs=4, batch_size=64, lr=4e-4)
    for name, default in asdict(more).items():
        group.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help="(default: %(default)s)"
        )
    options = parser.parse_args(arguments)
    if options.seed == TEST_SEED:
        parser.error(f"seed {TEST_SEED} makes the scenes of the card's figures: take another one")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse_options(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    recipe = RECIPES[options.recipe]
    starter = recipe.starter
    if options.go_on:
        more = Round(*(getattr(options, f.name) for f in fields(Round)))
        best = one_round(more, recipe, str(starter), WORK / f"{options.recipe}-seed{more.seed}-{more.images}")
        rounds = [*json.loads((starter / "figures.json").read_text())["rounds"], asdict(more)]
    else:
        best, rounds = Path(recipe.start(recipe.rounds[0])), [asdict(one) for one in recipe.rounds]
        for number, one in enumerate(recipe.rounds, 1):
            best = one_round(one, recipe, str(best), WORK / f"{options.recipe}-round{number}")
    # scenes that neither taught the model nor chose the best epoch
    figures = {look: measure(best, draw(look, 1, HELD_OUT, TEST_SEED)) for look in ("day", "dusk")}
    starter.mkdir(exist_ok=True)
    for name in ("config.json", "model.safetensors", "label_map.json", PROCESSOR):
        shutil.copy(best / name, starter / name)
    (starter / "figures.json").write_text(json.dumps({"rounds": rounds, "figures": figures}, indent=1) + "\n")
    print({look: round(100 * f["AP"], 1) for look, f in figures.items()})


if __name__ == "__main__":
    main()

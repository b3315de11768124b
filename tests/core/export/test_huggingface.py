"""A run's model as a folder for Hugging Face: it opens there and here with the same boxes, and its card is true."""

import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard, ModelCardData, metadata_load
from markdown_it import MarkdownIt
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForObjectDetection
from transformers.utils import logging

from core import ModelError, RunError
from core.config import TrainConfig
from core.datasets.split import read_split
from core.detr.detect import detect
from core.detr.model import load_model, save_model
from core.detr.model_folder import read_label_map
from core.detr.small import small_detr
from core.export.huggingface.markdown import table, text
from core.export.huggingface.metadata import base_model
from core.export.model_formats import MODEL_FORMATS, ModelOptions, write_model
from core.export.saved_model import saved_model
from core.inference.model_cache import ModelCache
from core.keep_result import KeepResult
from core.labels import LabelMap
from core.training.checkpoint_folder import EPOCH_FILE
from tests.core.coco_cases import gt_of
from tests.hostile_text import texts

HUGGING_FACE = MODEL_FORMATS["huggingface"]
EDGES = {"shortest_edge": 48, "longest_edge": 64}
README = MarkdownIt("gfm-like", {"linkify": False})


@pytest.fixture
def trained(finished, store):
    """A run whose best checkpoint (epoch 2) is a real one, with random weights; of `last` only its folder is there."""
    config = TrainConfig.from_dict(finished.config | EDGES)
    store.update(finished.id, config=config.to_dict(), best_epoch=2)
    shutil.rmtree(store.checkpoint(finished.id, "last"))
    leave_model(store, store.get(finished.id), "best", 2)
    return store.get(finished.id)


def leave_model(store, run, name: str, epoch: int | None) -> Path:
    folder = store.checkpoint(run.id, name)
    folder.mkdir(parents=True)
    labels = LabelMap.from_dict(run.label_map)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        save_model(small_detr(labels).eval(), labels, folder, TrainConfig.from_dict(run.config))
    (folder / EPOCH_FILE).write_text(json.dumps({"epoch": epoch}))
    (folder / "trainer.pt").write_bytes(b"the state of a training")
    return folder


def export(store, run, out: Path, epoch=None, **options):
    work = KeepResult(
        write_model(saved_model(store, run, epoch), HUGGING_FACE, out, ModelOptions(**{"pictures": 0, **options}))
    )
    return work.result if list(work) else None


def card_of(store, run, out: Path, **options) -> str:
    export(store, run, out, **options)
    return (out / "README.md").read_text(encoding="utf-8")


# The folder


def test_the_folder_holds_the_model_and_nothing_of_its_training(store, trained, tmp_path):
    written = export(store, trained, tmp_path / "out", pictures=2)
    files = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert files == ["README.md", "config.json", "label_map.json", "model.safetensors", "pictures/1.jpg",
                     "pictures/2.jpg", "preprocessor_config.json"]  # fmt: skip
    assert written.sentence.startswith("7 files, ") and written.path == tmp_path / "out"


def test_nothing_in_it_tells_where_it_was_made(store, trained, tmp_path):
    export(store, trained, tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.*"):
        assert str(tmp_path).encode() not in path.read_bytes() and b"/home" not in path.read_bytes()


def test_lab_to_hugging_face_to_lab_gives_equal_boxes(store, trained, tmp_path):
    export(store, trained, tmp_path / "out")
    split = read_split(trained.config["data"], "val")
    image = split.images[0]
    path, size = split.image_path(image), (image["width"], image["height"])
    models = ModelCache(store)
    ours, theirs = models.get(trained.id), models.open(str(tmp_path / "out"))
    before, after = (
        next(iter(detect(one.model, [one.batch(path, size)], one.device, precision=one.precision)))
        for one in (ours, theirs)
    )
    assert np.array_equal(before.boxes, after.boxes) and np.array_equal(before.score, after.score)
    assert theirs.label_map == ours.label_map == read_label_map(tmp_path / "out") and len(before.boxes) == 30
    assert not load_model(str(tmp_path / "out"), ours.label_map)[1].fresh  # a training goes on with all classes
    processor = AutoImageProcessor.from_pretrained(tmp_path / "out")
    logging.disable_progress_bar()
    model = AutoModelForObjectDetection.from_pretrained(tmp_path / "out")
    with torch.no_grad():
        answer = model(**processor(images=Image.open(path).convert("RGB"), return_tensors="pt"))
    (found,) = processor.post_process_object_detection(answer, 0.0, [size[::-1]])
    assert np.abs(found["boxes"].numpy() - before.boxes).max() < 1e-3


def test_a_checkpoint_of_an_earlier_version_gets_what_transformers_needs(store, trained, tmp_path):
    folder = store.checkpoint(trained.id, "best")
    wanted = json.loads((folder / "preprocessor_config.json").read_text())
    for name in ("preprocessor_config.json", EPOCH_FILE):
        (folder / name).unlink()
    assert ModelCache(store).get(trained.id)
    export(store, trained, tmp_path / "out")
    assert json.loads((tmp_path / "out/preprocessor_config.json").read_text()) == wanted


def test_a_zip_holds_one_folder(store, trained, tmp_path):
    written = export(store, trained, tmp_path / "street.zip")
    with zipfile.ZipFile(written.path) as archive:
        assert archive.testzip() is None and written.files == len(archive.namelist()) == 5
        assert {name.split("/")[0] for name in archive.namelist()} == {"street"}


def test_a_folder_that_holds_something_is_not_touched(store, trained, tmp_path):
    (tmp_path / "out").mkdir()
    export(store, trained, tmp_path / "out")
    before = (tmp_path / "out/README.md").stat().st_mtime_ns
    with pytest.raises(RunError, match="is there already: choose another folder"):
        export(store, trained, tmp_path / "out")
    assert (tmp_path / "out/README.md").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_an_export_that_is_stopped_leaves_nothing(store, trained, tmp_path, name):
    steps = write_model(saved_model(store, trained), HUGGING_FACE, tmp_path / "to" / name, ModelOptions())
    next(steps)
    steps.close()
    assert not list((tmp_path / "to").iterdir())


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_where_nothing_can_be_written_is_one_sentence(store, trained, tmp_path, name):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match=r"file/out.* cannot be written: "):
        export(store, trained, tmp_path / "file" / name)


# Which model


def test_of_the_kept_epochs_one_may_be_named(store, trained):
    leave_model(store, trained, "last", 1)
    assert (saved_model(store, trained).name, saved_model(store, trained, 1).name) == ("best", "last")
    assert saved_model(store, trained, 1).evaluation.epoch == 1
    with pytest.raises(ModelError, match=r"epoch 7 of .* is not kept: take one of best \(epoch 2\) and last"):
        saved_model(store, trained, 7)


def test_a_run_without_a_checkpoint_has_no_model(store, finished):
    shutil.rmtree(store.checkpoint(finished.id, "last"))
    with pytest.raises(ModelError, match="has no checkpoint"):
        saved_model(store, finished)


def test_a_checkpoint_in_the_midst_of_an_epoch_is_said_not_to_be_evaluated(store, trained, tmp_path):
    shutil.rmtree(store.checkpoint(trained.id, "best"))
    leave_model(store, trained, "last", None)
    store.update(trained.id, epoch=1, best_epoch=None)
    card = card_of(store, store.get(trained.id), tmp_path / "out")
    assert "This checkpoint was not evaluated" in card and "model-index" not in card and "## Errors" not in card


# The card


def test_the_metadata_is_what_the_hub_reads(store, trained, tmp_path):
    card_of(store, trained, tmp_path / "out")
    values = metadata_load(tmp_path / "out/README.md")
    data = ModelCardData(**values)  # raises if the figures are not as the hub has them
    assert (data.library_name, data.pipeline_tag) == ("transformers", "object-detection")
    assert data.base_model is None and data.license is None and "detr" in data.tags
    figures = store.evaluations(trained.id)[-1].figures
    stated = {result.metric_name: result.metric_value for result in data.eval_results}
    assert stated["AP at IoU 0.50 to 0.95"] == pytest.approx(figures["AP"], abs=1e-4)
    assert data.model_name == trained.name and {result.dataset_name for result in data.eval_results} == {"street"}
    assert ModelCard.load(tmp_path / "out/README.md").data.to_dict() == data.to_dict()


@pytest.mark.parametrize(
    ("spec", "base", "licence"),
    [
        ("facebook/detr-resnet-50", "facebook/detr-resnet-50", "apache-2.0"),
        ("checkpoints/facebook/detr-resnet-50", "facebook/detr-resnet-50", "apache-2.0"),
        ("somebody/their-detr", "somebody/their-detr", None), ("checkpoints/starter", None, None),
        ("random", None, None), ("/data/models/secret", None, None),
    ],
)  # fmt: skip
def test_a_published_base_model_is_named_with_its_license(store, trained, tmp_path, spec, base, licence):
    assert base_model(spec) == base
    store.update(trained.id, config=trained.config | {"model": spec})
    card = card_of(store, store.get(trained.id), tmp_path / "out")
    values = metadata_load(tmp_path / "out/README.md")
    assert (values.get("base_model"), values.get("license")) == (base, licence)
    assert ("No licence is stated" in card) == (licence is None) and "/data/models" not in card


def test_the_card_says_what_was_trained_and_how_good_it_is(store, trained, tmp_path):
    card = card_of(store, trained, tmp_path / "out")
    split = read_split(trained.config["data"], "val")
    assert f"{len(split.images)} images for validation" in card and "3 images for training" in card
    assert "| Shortest edge, pixels | 48 | 800 |" in card and "2 of 2 epochs; this is the checkpoint “best”" in card
    assert "| metric, % | value | 95 % interval | before training | change | its interval |" in card
    titles = re.findall(r"^## (.*)", card, re.MULTILINE)
    assert titles == ["Use", "Data", "Training", "Figures", "Errors", "Limits"]
    assert "| Missed | No prediction found this object" in card and "| small |" in card and "30 images" in card
    assert 'pipeline("object-detection", model="path/to/this/folder")' in card


def test_the_snippet_names_the_model_on_the_hub(store, trained, tmp_path):
    assert 'model="maria/street"' in card_of(store, trained, tmp_path / "out", name="maria/street")


def test_data_that_is_gone_is_said_to_be(store, trained, tmp_path):
    shutil.rmtree(trained.config["data"])
    card = card_of(store, trained, tmp_path / "out", pictures=3)
    assert "could not be read any more" in card and "## Pictures" not in card and "## Figures" in card


def rendered(card: str):
    """The card's tokens of Markdown, without its metadata."""
    return [child for token in README.parse(card.split("---\n", 2)[2]) for child in (token, *(token.children or ()))]


def test_foreign_text_is_text_in_the_card(store, trained, tmp_path):
    names = [
        *texts(1),
        "a | b",
        "line\nbreak",
        "--- x",
        "1. one",
        "{{ jinja }}",
        "'quoted' \"twice\": - #no",
        "\u202eevil",
    ]
    usual = {token.type for token in rendered(card_of(store, trained, tmp_path / "usual"))}
    labels = LabelMap(tuple(names), tuple(range(1, len(names) + 1)))
    data = tmp_path / "data" / "<b>set</b> | *x*"
    for part in ("train", "val"):
        gt = gt_of((1, 1, (0, 0, 9, 9)))
        gt["categories"] = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
        (data / "annotations").mkdir(parents=True, exist_ok=True)
        (data / part).mkdir()
        (data / "annotations" / f"instances_{part}.json").write_text(json.dumps(gt))
    store.update(trained.id, name=names[1], label_map=labels.to_dict(), config=trained.config | {"data": str(data)})
    folder = store.checkpoint(trained.id, "best")
    save_model(small_detr(labels), labels, folder, TrainConfig.from_dict(trained.config))
    for name in names[1:3]:
        store.update(trained.id, name=name)
        card = card_of(store, store.get(trained.id), tmp_path / f"out{names.index(name)}")
        tokens = rendered(card)
        assert {token.type for token in tokens} <= usual
        shown = "".join(token.content for token in tokens if token.type in ("text", "text_special"))
        assert all(len(line.replace("\\|", "").split("|")) > 3 for line in card.splitlines() if line.startswith("|"))
        assert all(one in shown for one in names if one.isprintable())
        values = metadata_load(tmp_path / f"out{names.index(name)}/README.md")
        assert values["model-index"][0]["name"] == name and ModelCardData(**values)


@pytest.mark.parametrize(
    "name", ["a: b", "- x", "---", "#", "'", '"', "{a}", "!!python/object:x", "null", "1e3", "é\U0001f697"]
)
def test_a_name_is_itself_in_the_metadata(store, trained, tmp_path, name):
    store.update(trained.id, name=name)
    card = card_of(store, store.get(trained.id), tmp_path / "out")
    head = card.split("---\n", 2)[1] if name != "---" else card[4 : card.index("\n---\n\n# ")]
    assert yaml.safe_load(head)["model-index"][0]["name"] == name


def test_a_table_has_as_many_cells_in_each_row():
    lines = table(["a", "b", "c"], [[text("x | y"), "1", "2"]]).splitlines()
    assert lines == ["| a | b | c |", "| :-- | --: | --: |", "| x \\| y | 1 | 2 |"]

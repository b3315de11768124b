"""The command `export`: which images go out, and what is said of it."""

import json
import os
import zipfile

import pytest
from PIL import Image

from core.cli.main import main
from core.config import TrainConfig
from core.datasets.split import read_split
from core.detr.model import save_model
from core.detr.small import small_detr
from core.evaluation.findings.label_errors import LabelErrorKind
from core.evaluation.selection import Selection, select_images
from core.evaluation.table import read_table
from core.export.bundle import Bundle, bundle_title
from core.export.writers import ExportFormat, write_export
from core.labels import LabelMap
from core.runs.evaluated.imports import import_results
from core.runs.marks import Mark, Marks
from core.runs.store import RunStore
from tests.core.cli.running import last_line, run
from tests.core.coco_cases import gt_of, result
from tests.core.export.huggingface_hub_server import TOKEN, HubThatTakes

CAR, DOG, SMALL = (40, 20, 50, 40), (100, 20, 60, 60), (150, 5, 9, 9)
GT = gt_of((1, 1, CAR), (2, 2, DOG), (3, 1, SMALL), images=4)
FOUND = [result(1, 1, CAR, 0.9), result(2, 1, DOG, 0.8), result(4, 2, CAR, 0.6)]  # right, wrong class, background


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """An imported run with four pictures, and its store."""
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    folder = tmp_path / "set"
    folder.mkdir()
    for image in GT["images"]:
        Image.new("RGB", (200, 100)).save(folder / image["file_name"])
    (folder / "gt.json").write_text(json.dumps(GT))
    (folder / "dt.json").write_text(json.dumps(FOUND))
    store = RunStore(tmp_path)
    yield store, import_results(store, folder / "gt.json", folder / "dt.json", name="YOLO")
    store.close()


@pytest.fixture
def export(imported, tmp_path, capsys):
    """Exports to out.zip, or where it is told; what the command says, and the ids of the images that went out."""

    def run_it(*arguments, out="out.zip"):
        status, said, errors = run(capsys, "export", "last", "--out", tmp_path / "to" / out, *arguments)
        assert status == 0, errors
        if out.endswith(".json"):
            return said, [image["id"] for image in json.loads((tmp_path / "to" / out).read_text())["images"]]
        with zipfile.ZipFile(tmp_path / "to" / out) as archive:
            return said, [image["id"] for image in json.loads(archive.read("labels.json"))["images"]]

    return run_it


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ([], [1, 2, 3, 4]), (["--images", 3, 1], [1, 3]), (["--images", 3, "--images", 4], [3, 4]),
        (["--class", "car"], [1, 2, 3]), (["--class", "car", "--class", "dog", "--score", 0.61], [1, 2, 3]),
        (["--error", "missed"], [3]), (["--error", "missed", "--score", 0.95], [1, 2, 3]),
        (["--size", "small"], [3]), (["--error", "background", "--class", "dog"], [4]),
        (["--class", "car", "--images", 2, 4], [2]),
    ],
)  # fmt: skip
def test_options_choose_images_as_the_filters_of_the_page_do(export, arguments, ids):
    assert export(*arguments)[1] == ids


@pytest.mark.parametrize(
    ("arguments", "ids"), [([], [2, 4]), (["--class", "dog", "--error", "background"], [4]), (["--images", 2, 3], [2])]
)
def test_only_marked_images_go_out(export, imported, arguments, ids):
    store, made = imported
    Marks(store).add_all(
        made.id,
        [Mark(LabelErrorKind.IMAGE, 4), Mark(LabelErrorKind.IMAGE, 2), Mark(LabelErrorKind.WRONG, 1, "dog", CAR, 1)],
    )
    assert export("--marked", *arguments)[1] == ids


def test_what_it_writes_is_said(export, tmp_path):
    said, _ = export()
    assert said == f"{tmp_path / 'to/out.zip'}: 4 images, 1 kB\n"
    (tmp_path / "set/2.jpg").unlink()
    said, ids = export("--as", "fiftyone")
    assert ids == [1, 3, 4] and "3 images, " in said and "; 1 left out: left_out.txt inside says why\n" in said


def test_a_json_has_its_predictions_beside_it(export, tmp_path):
    assert export("--score", 0.7, out="out.json")[1] == [1, 2, 3, 4]
    assert set(os.listdir(tmp_path / "to")) == {"out.json", "out-predictions.json"}
    found = json.loads((tmp_path / "to/out-predictions.json").read_text())
    assert [(row["image_id"], row["error"]) for row in found] == [(1, None), (2, "classification")]


@pytest.mark.parametrize("kind", list(ExportFormat))
def test_a_training_exports_its_best_model_as_the_page_does(finished, store, tmp_path, capsys, kind):
    Marks(store).add(
        finished.id, Mark(LabelErrorKind.IMAGE, read_split(finished.config["data"], "val").images[0]["id"])
    )
    status, _, errors = run(capsys, "export", "last", "--as", kind, "--class", "car", "--out", tmp_path / "out.zip")
    assert status == 0, errors
    best = store.evaluations(finished.id)[-1]
    table, split = read_table(best.table), read_split(finished.config["data"], "val")
    ids = select_images(table, Selection(0.5, ("car",)))
    marks = tuple(Marks(store).all(finished.id))
    for _ in write_export(
        Bundle(split, table, tuple(ids), 0.5, marks, bundle_title(finished, best)), kind, tmp_path / "b.zip"
    ):
        pass
    ours, theirs = (zipfile.ZipFile(tmp_path / name) for name in ("out.zip", "b.zip"))
    with ours, theirs:
        assert ours.namelist() == theirs.namelist() and len(ids) < 30
        assert all(ours.read(name) == theirs.read(name) for name in ours.namelist())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "x.tar"], "as coco it needs the ending .zip or .json"),
        (["--out", "x.json", "--as", "png"], "as png it needs the ending .zip."),
        (
            ["--out", "x.zip", "--as", "voc"],
            "no format 'voc': choose from coco, png, fiftyone, huggingface, onnx.",
        ),
        (["--out", "x.zip", "--score", "nan"], "--score is nan"),
        (["--out", "x.zip", "--class", "bus"], "There is no class 'bus': choose from car, dog."),
        (["--out", "x.zip", "--images", "9"], "There is no image 9 among the 4 that were evaluated."),
        (["--out", "x.zip", "--error", "odd"], "There is no error type 'odd'"),
        (["--out", "x.zip", "--size", "huge"], "There is no size 'huge'"),
        (["--out", "x.zip", "--marked"], "No image of this run is marked"),
        (["--out", "x.zip", "--error", "both"], "No image has what the options ask for"),
        (["--out", "x.zip", "--epoch", "7"], "Epoch 7 of "),
        ([], "Give --out: FILE.zip, or FILE.json"),
        (["--out", "x.zip", "--push", "a/b"], "--push uploads a model, not images as coco: give --as huggingface."),
        (["--as", "huggingface"], "There is no run that has a model; the newest, "),
        (["--as", "huggingface", "--pictures", "-1"], "--pictures is -1: give 0 or more."),
        (["--as", "huggingface", "--score", "2"], "--score is 2"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(imported, capsys, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    status, out, err = run(capsys, "export", "last", *arguments)
    assert (status, out) == (1, "") and said in err and last_line(err).startswith("error: ")
    assert sorted(os.listdir(tmp_path)) == before


def test_it_explains_itself(capsys):
    with pytest.raises(SystemExit) as end:
        main(["export", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert end.value.code == 0 and all(kind in said for kind in ExportFormat)


@pytest.fixture
def trained(finished, store):
    """A run of the store whose best checkpoint is a real one."""
    labels, folder = LabelMap.from_dict(finished.label_map), store.checkpoint(finished.id, "best")
    folder.mkdir(parents=True)
    save_model(small_detr(labels), labels, folder, TrainConfig.from_dict(finished.config))
    store.update(finished.id, best_epoch=2)
    return store.get(finished.id)


def test_a_model_goes_out_as_a_folder_that_is_named(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    status, said, err = run(capsys, "export", trained.id, "--as", "huggingface", "--pictures", 1)
    folder = f"{trained.id}-huggingface"
    assert status == 0 and said.startswith(f"{folder}: the model best of {trained.id}, 6 files, 7")
    assert err.splitlines() == ["Copying the model …", "Drawing 1 picture …", "Writing the model card …"]
    assert (tmp_path / folder / "pictures/1.jpg").is_file()
    status, _, err = run(capsys, "export", trained.id, "--as", "huggingface")
    assert status == 1 and f"{folder} is there already" in last_line(err)


@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
def test_a_model_is_uploaded_only_where_that_is_asked_for(trained, tmp_path, monkeypatch, capsys):
    hub = HubThatTakes()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    before = sorted(os.listdir(tmp_path))
    asked = ("export", trained.id, "--as", "huggingface", "--pictures", 0, "--push")
    status, said, err = run(capsys, *asked, "maria/street", "--private")
    hub.close()
    assert (status, said) == (0, f"{hub.address}/maria/street: the model best of {trained.id}\n"), err
    repository = hub.repositories["maria/street"]
    assert repository["private"] and b'model="maria/street"' in repository["files"]["README.md"]
    assert "Uploading" in err and TOKEN not in err and sorted(os.listdir(tmp_path)) == before
    for name, words in (("street", "give OWNER/NAME"), ("maria/street", "cannot be reached")):
        status, _, err = run(capsys, *asked, name)
        assert status == 1 and words in last_line(err)
    status, _, err = run(capsys, *asked, "maria/street", "--out", "x.zip")
    assert status == 1 and "--push uploads a folder" in last_line(err)

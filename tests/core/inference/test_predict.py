"""A model on pictures of one's own: the boxes are the evaluation's, and a broken file never hides the good ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from core import PROJECT, DataError, ModelError
from core.boxes import Detections
from core.cli.main import main
from core.config import TrainConfig
from core.datasets.demo import draw_dataset
from core.datasets.split import read_split
from core.detr.detect import detect
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.model_folder import read_label_map
from core.evaluation.tide import detection_table
from core.inference.model_cache import ModelCache
from core.inference.own_pictures import prepare_picture
from core.inference.predict import answer_request, device_name, predict
from core.runs.store import RunStore

STARTER = str(PROJECT / "checkpoints/starter")
CORNERS = ("x1", "y1", "x2", "y2")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return ModelCache(RunStore(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="module")
def starter(models):
    return models.open(STARTER)


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    """Eight validation images of the size that the starter knows."""
    folder = tmp_path_factory.mktemp("day") / "street"
    for _ in draw_dataset(folder, "day", train=1, val=8, seed=11):
        pass
    return read_split(folder, "val")


def test_a_validation_image_has_the_detections_of_the_detection_table(day, starter, tmp_path):
    data = DetectionDataset(day, starter.label_map, starter.shortest_edge, starter.longest_edge)
    found = Detections.concat(detect(starter.model, loader(data, 3), torch.device("cpu")))
    table = detection_table(day.to_dict(), found, starter.label_map).to_pylist()
    for image in day.images:
        rows = {row["query"]: row for row in table if row["image_id"] == image["id"] and row["kind"] == "detection"}
        own = prepare_picture(day.image_path(image), tmp_path / "made.png")
        said = predict(starter, own, image["id"]).detections
        assert set(said.query.tolist()) == set(rows) and len(rows) == 30
        for query, label, score, box in zip(said.query.tolist(), said.label, said.score, said.boxes, strict=True):
            row = rows[query]
            assert starter.label_map.names[label] == row["class_name"]
            assert score == pytest.approx(row["score"], abs=1e-3)
            assert np.abs(box - [row[corner] for corner in CORNERS]).max() < 1e-3 * max(own.size)


def test_the_starter_sees_pictures_in_the_size_that_it_was_trained_with(starter):
    assert (starter.shortest_edge, starter.longest_edge) == (192, 256)


def test_a_turned_photograph_has_the_boxes_of_the_upright_one(day, starter, tmp_path):
    upright_picture = Image.open(day.image_path(day.images[0]))
    data = Image.Exif()
    data[0x0112] = 6  # the stored rows are turned back by a quarter
    upright_picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=data)
    upright_picture.save(tmp_path / "plain.png")
    one, other = (
        predict(starter, prepare_picture(tmp_path / name, tmp_path / f"{name}.made")).detections
        for name in ("plain.png", "turned.png")
    )
    assert np.array_equal(one.score, other.score) and np.array_equal(one.boxes, other.boxes)


def test_times_are_the_models_own_and_all_of_it(day, starter, tmp_path):
    found = predict(starter, prepare_picture(day.image_path(day.images[0]), tmp_path / "made.png"))
    assert 0 < found.model_seconds < found.whole_seconds


def asked(models, path, size=(256, 192), **more):
    picture = {"path": str(path), "width": size[0], "height": size[1]}
    return answer_request(
        json.loads(json.dumps({"ask": "predict", "model": STARTER, "picture": picture, **more})), models
    )


def test_the_answer_to_the_app_is_plain_json(models, day):
    image = day.images[0]
    said = asked(models, day.image_path(image), (image["width"], image["height"]))
    assert said["names"][0] == "person" and len(said["category_ids"]) == 10
    assert said["device"] == device_name(models.open(STARTER).device)
    assert len(said["prediction"]["score"]) == 30 and json.loads(json.dumps(said)) == said


def test_a_picture_that_is_gone_is_refused_in_a_sentence(models, tmp_path):
    said = asked(models, tmp_path / "gone.png")
    assert "is missing" in said["refused"] and "prediction" not in said and said["device"]


def test_without_a_model_there_is_no_answer(models, day):
    with pytest.raises(ModelError, match="There is no model in the folder"):
        asked(models, day.image_path(day.images[0]), model="./nothing/here")


# The command line


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments):
    status = main(["predict", *map(str, arguments)])
    return status, *capsys.readouterr()


def test_pictures_are_drawn_and_written_as_json(root, day, capsys):
    first, second = (day.image_path(image) for image in day.images[:2])
    status, out, _ = run(capsys, STARTER, first, second)
    assert status == 0 and out.splitlines()[-1].startswith("predictions: ")
    coco = json.loads((root / "predictions/predictions.json").read_text())
    assert [i["file_name"] for i in coco["images"]] == [str(first), str(second)]
    assert coco["annotations"] and min(a["score"] for a in coco["annotations"]) >= 0.5
    assert coco["info"]["model"] == STARTER
    for path in (first, second):
        with Image.open(root / f"predictions/{path.stem}.png") as drawn:
            assert drawn.size[0] == 640


def test_a_broken_file_is_told_and_the_good_ones_are_there(root, day, capsys):
    good = day.image_path(day.images[0])
    (root / "pictures").mkdir()
    shutil.copy(good, root / "pictures/b.jpg")
    (root / "pictures/a.jpg").write_bytes(good.read_bytes()[:500])
    status, out, err = run(capsys, STARTER, "pictures", "none.png", "--out", "out", "--score", "0.3")
    assert status == 1 and "on 1 pictures, from score 0.3" in out
    assert "error: pictures/a.jpg cannot be read" in err and "error: none.png is not there" in err
    assert sorted(p.name for p in (root / "out").iterdir()) == ["b.png", "predictions.json"]


def test_json_is_printed_alone_and_nothing_is_written(root, day, capsys):
    status, out, _ = run(capsys, STARTER, day.image_path(day.images[0]), "--json", "--score", "0.9")
    coco = json.loads(out)
    assert status == 0 and all(a["score"] >= 0.9 for a in coco["annotations"])
    assert not (root / "predictions").exists()


def test_a_runs_models_go_by_their_names(root, day, capsys):
    store = RunStore(root)
    store.create(TrainConfig(data="x").to_dict(), "older")
    made = store.create(TrainConfig(data="x", shortest_edge=192, longest_edge=256).to_dict(), "newer")
    shutil.copytree(STARTER, store.checkpoint(made.id, "best"))
    path = day.image_path(day.images[0])
    printed = [run(capsys, *model, path, "--json")[1] for model in (("best",), ("best", "--run", made.id), (STARTER,))]
    boxes = [json.loads(one)["annotations"] for one in printed]
    assert boxes[0] == boxes[1] == boxes[2] and boxes[0]
    assert json.loads(printed[0])["info"]["model"] == f"best of {made.id}"


def test_the_baseline_goes_by_both_its_names(root, day, capsys):
    config = TrainConfig(data="x", model=STARTER, shortest_edge=192, longest_edge=256)
    made = RunStore(root).create(config.to_dict())
    RunStore(root).update(made.id, label_map=read_label_map(Path(STARTER)).to_dict())
    path = day.image_path(day.images[0])
    answers = {name: json.loads(run(capsys, name, path, "--json")[1]) for name in ("baseline", "untouched", STARTER)}
    assert answers["baseline"]["annotations"] == answers["untouched"]["annotations"] == answers[STARTER]["annotations"]
    assert answers["baseline"]["annotations"] and answers["baseline"]["info"]["model"] == f"baseline of {made.id}"


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("best", "a.png"), "There is no run yet"),
        (("./nothing/here", "a.png"), "There is no model in the folder ./nothing/here"),
        ((STARTER, "a.png", "--score", "2"), "--score is 2: give a number from 0 to 1"),
        ((STARTER, "."), "There is no picture in the folder"),
        ((STARTER, "a.png"), "a.png is not there: check its path"),
        ((STARTER, "a.png", "b.png"), "None of the 2 pictures is there, as a.png: check their paths"),
        ((STARTER, STARTER + "/config.json", "--out", STARTER + "/config.json"), "config.json is no folder, so"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_model_is_loaded(root, capsys, monkeypatch, arguments, sentence):
    monkeypatch.setattr("core.inference.model_cache.load_model", lambda *_: pytest.fail("loaded"))
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (1, "") and sentence in err and "Traceback" not in err


def test_a_folder_that_cannot_be_written_is_said(root, day, capsys):
    (root / "file").write_text("")
    status, _, err = run(capsys, STARTER, day.image_path(day.images[0]), "--out", "file")
    assert status == 1 and "cannot be written" in err


def test_a_picture_that_cannot_be_read_any_more_is_a_data_error(starter, tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    own = prepare_picture(tmp_path / "a.png", tmp_path / "made.png")
    own.path.unlink()
    with pytest.raises(DataError, match="missing"):
        predict(starter, own)

"""An ONNX file is a model like any other: evaluated as a run, asked for pictures, and comparable with a training."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from core import ModelError
from core.datasets.part import filter_to_classes
from core.datasets.split import read_split
from core.detr.detect import detect
from core.detr.input.loader import loader
from core.evaluation.findings.changes import require_same_ground_truth
from core.evaluation.table import read_table, table_metadata, write_table
from core.evaluation.tide import detection_table
from core.inference.evaluation.config import EvaluationConfig
from core.inference.model_cache import ModelCache, load_onnx
from core.inference.own_pictures import OwnPicture
from core.inference.predict import answer_request, predict
from core.runs.evaluated.images import data_of, evaluated_images, onnx_file_of
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.inference.evaluation.evaluations import evaluated_run
from tests.core.inference.onnx.tiny import describe, tiny_onnx


@pytest.fixture
def evaluated(tmp_path, street):
    """A store, an ONNX file, and the run of its evaluation on a copy of the drawn street."""
    shutil.copytree(street, tmp_path / "data")
    store, file = RunStore(tmp_path), tiny_onnx(tmp_path / "model")
    yield store, file, evaluated_run(store, EvaluationConfig((str(file),), str(tmp_path / "data")))
    store.close()


def test_it_is_an_evaluated_run_of_the_files_boxes(evaluated, tmp_path):
    store, file, run = evaluated
    assert run.is_imported and run.name == "model.onnx on data val" and onnx_file_of(run) == file
    assert run.status is Status.FINISHED and run.label == "Evaluated", run.message
    assert data_of(run) == str(tmp_path / "data")
    assert len(evaluated_images(run).images) == 6
    (evaluation,) = store.evaluations(run.id)
    table, loaded = read_table(evaluation.table), load_onnx(file)
    assert table_metadata(table).classes == ("person", "car") and table_metadata(table).input.stride == 16
    split = filter_to_classes(read_split(tmp_path / "data", "val"), ["person", "car"], None)
    data = loaded.dataset(split, loaded.label_map)
    by_hand = list(detect(loaded.model, loader(data, 2), torch.device("cpu")))
    boxes = np.concatenate([one.boxes for one in by_hand])
    kept = table.filter(np.array([kind == "detection" for kind in table["kind"].to_pylist()]))
    corners = np.stack([kept[side].to_numpy() for side in ("x1", "y1", "x2", "y2")], axis=1)
    assert np.allclose(np.sort(corners, axis=0), np.sort(boxes, axis=0), atol=1e-3)


def test_it_can_be_compared_with_a_training_of_the_same_classes(evaluated, tmp_path):
    store, _, run = evaluated
    split = filter_to_classes(read_split(tmp_path / "data", "val"), ["person", "car"], None)
    trained = detection_table(split.to_dict(), [], split.label_map())
    write_table(trained, tmp_path / "trained.parquet")
    require_same_ground_truth(read_table(tmp_path / "trained.parquet"), read_table(store.table_path(run.id, 0)))


def test_a_picture_is_predicted_by_file_and_by_run_alike(evaluated, tmp_path):
    store, file, run = evaluated
    models, image = ModelCache(store), tmp_path / "own.png"
    Image.new("RGB", (90, 60), "teal").save(image)
    by_file, by_run = models.open(str(file)), models.get(run.id)
    assert by_file is by_run
    picture = OwnPicture("own.png", image, (90, 60))
    assert len(predict(by_file, picture).detections) == 6
    request = {"model": str(file), "run": None, "picture": {"path": str(image), "width": 90, "height": 60}}
    answer = answer_request(request, models)
    assert (
        answer["names"] == ["person", "car"] and answer["device"] == "CPU" and len(answer["prediction"]["score"]) == 6
    )
    with pytest.raises(ModelError, match="gives boxes, but not why"):
        _ = by_run.detector


def test_a_file_that_changed_is_read_again(evaluated):
    store, file, _ = evaluated
    models = ModelCache(store)
    before = models.open(str(file))
    describe(file.parent, names=["person", "dog"])
    assert models.open(str(file)) is not before and models.open(str(file)).label_map.names == ("person", "dog")


def test_a_picture_that_cannot_be_read_is_left_out_and_noted(street, tmp_path):
    shutil.copytree(street, tmp_path / "data")
    split = read_split(tmp_path / "data", "val")
    split.image_path(split.images[0]).write_bytes(b"no picture")
    store, file = RunStore(tmp_path), str(tiny_onnx(tmp_path / "model"))
    run = evaluated_run(store, EvaluationConfig((file,), str(tmp_path / "data")), "Mine")
    *_, unread = run.config["imported"]["notes"]
    assert run.name == "Mine" and "cannot be read" in unread
    table = read_table(store.table_path(run.id, 0))
    assert split.images[0]["id"] not in table_metadata(table).image_ids
    for image in split.images:
        split.image_path(image).write_bytes(b"no picture")
    run = evaluated_run(store, EvaluationConfig((file,), str(tmp_path / "data")))
    assert run.status is Status.FAILED and run.message.startswith("No picture of")
    store.close()


def test_what_is_missing_is_told(street, tmp_path):
    store, file = RunStore(tmp_path), tiny_onnx(tmp_path / "model")
    with pytest.raises(ModelError, match="is not there"):
        evaluated_run(store, EvaluationConfig((str(tmp_path / "none.onnx"),), str(street)))
    assert store.runs() == []
    describe(file.parent, names=["person", "unicorn"])
    run = evaluated_run(store, EvaluationConfig((str(file),), str(street)))
    assert run.config["imported"]["notes"][-1] == "The data set has no class unicorn: such boxes do not count."
    describe(file.parent, names=["dragon", "unicorn"])
    run = evaluated_run(store, EvaluationConfig((str(file),), str(street)))
    assert run.message.startswith("The model's classes (dragon, unicorn) are none of The part val of")
    store.close()

"""A model leaves as measured files and comes back: what is evaluated of them has the checkpoint's boxes."""

import numpy as np
import pytest
import torch

from core import ModelError
from core.boxes import Detections
from core.datasets.part import filter_to_classes
from core.datasets.split import read_split
from core.detr.detect import detect
from core.detr.input.loader import loader
from core.evaluation.table import read_table
from core.export.onnx import variants
from core.export.onnx.measurements import Row, cells, fall, read_measurements, table_lines
from core.export.onnx.write import OnnxOptions, _judged, write_onnx
from core.inference.evaluation.config import EvaluationConfig
from core.inference.model_cache import LoadedModel
from core.inference.onnx.description import read_description
from core.runs.store import RunStore
from tests.core.export.onnx.test_graph import LABELS, small_model
from tests.core.inference.evaluation.evaluations import evaluated_run

PYTORCH = Row("PyTorch", "", 100, 0.5, 0.2)


def test_a_variant_is_kept_up_to_the_stated_fall():
    at, over = Row("int8", "model_int8.onnx", 25, 0.25, 0.1), Row("int8", "model_int8.onnx", 25, 0.24, 0.1)
    assert fall(PYTORCH, at) == 0.25 and _judged(at, PYTORCH, 0.25) == at
    assert _judged(over, PYTORCH, 0.25).refused == "AP falls by 26.00 points, more than 25"
    without = Row("int8", "model_int8.onnx", 25, None, 0.1)
    assert fall(PYTORCH, without) is None and _judged(without, PYTORCH, 0.0) == without


def test_a_variant_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    for variant in variants.VARIANTS:
        with pytest.raises(Exception, match="It cannot be made: ") as error:
            variants.write_variant(variant, tmp_path / "model.onnx", [], tmp_path / variant.file_name)
        assert "\n" not in str(error.value)


@pytest.mark.ci  # traces a model
def test_a_graph_that_holds_for_its_examples_size_alone_is_refused(street, tmp_path):
    """Its encoder's positions are those of one size; on squares all pictures have it."""
    loaded = LoadedModel(small_model("rt_detr_v2"), LABELS, 128, 160, False, "fp32", torch.device("cpu"))
    with pytest.raises(ModelError, match=r"for one size of pictures alone: train it on squares\.$"):
        list(write_onnx(loaded, street, tmp_path))


@pytest.mark.ci  # traces a model, and computes it in four ways
def test_what_leaves_comes_back_with_the_same_boxes(street, tmp_path):
    model = small_model("detr")
    loaded = LoadedModel(model, LABELS, 64, 96, False, "fp32", torch.device("cpu"))
    split = filter_to_classes(read_split(street, "val"), list(LABELS.names), None)
    data = loaded.dataset(split, LABELS)
    before = Detections.concat(detect(model, loader(data, 2), torch.device("cpu")))
    folder = tmp_path / "out"
    folder.mkdir()
    words = list(write_onnx(loaded, street, folder, 3, OnnxOptions(images=4)))
    assert words[0] == "Writing the graph as ONNX" and words[-1] == "Measuring: 4 of 4 images"
    measurements = read_measurements(folder)
    assert measurements.epoch == 3 and (measurements.images, measurements.of_images) == (4, 6)
    assert [row.label for row in measurements.rows] == ["PyTorch", "ONNX", "fp16", "int8", "int8, products only"]
    assert measurements.rows[1].difference < 1e-3 and all(row.seconds > 0 for row in measurements.rows)
    kept = {row.file for row in measurements.rows if row.file and not row.refused}
    assert kept == {path.name for path in folder.glob("*.onnx")} >= {"model.onnx"}
    assert len(table_lines(measurements)) == len(cells(measurements)) + 2
    assert read_description(folder / "model.onnx").preprocessing.mean == (0.485, 0.456, 0.406)
    store = RunStore(tmp_path)
    run = evaluated_run(store, EvaluationConfig((str(folder / "model.onnx"),), str(street)))
    table = read_table(store.table_path(run.id, 0)).to_pylist()
    rows = {(row["image_id"], row["query"]): row for row in table if row["kind"] == "detection"}
    assert len(rows) == len(before)
    for image, query, score, box in zip(before.image_id, before.query, before.score, before.boxes, strict=True):
        row = rows[int(image), int(query)]
        assert np.allclose([row[side] for side in ("x1", "y1", "x2", "y2")], box, atol=96e-3)
        assert row["score"] == pytest.approx(score, abs=1e-3)
    store.close()

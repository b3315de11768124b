"""A model evaluated on images: as it was trained the figures of its training; and on other data and other inputs."""

import json
import shutil

import numpy as np
import pytest

from core import RunError
from core.datasets.split import read_split
from core.evaluation.alike.states import read_states
from core.evaluation.table import read_table, table_metadata
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.models import open_model
from core.inference.evaluation.names import full_names, short_name
from core.inference.evaluation.tried import AS_TRAINED, suggested_inputs, tried_inputs
from core.runs.evaluated.images import evaluated_images
from core.runs.provenance.current import EvaluatedData
from core.runs.provenance.data import kept_fingerprint
from core.runs.schema import Status
from tests.core.coco_cases import judge
from tests.core.inference.asked import trained
from tests.core.inference.evaluation.evaluations import evaluated_run


@pytest.fixture(scope="module")
def own(tmp_path_factory, street):
    """A store with a trained run, on a copy of the street that has a part for testing: half of the training images."""
    root = tmp_path_factory.mktemp("own")
    shutil.copytree(street, root / "data/street")
    annotations = root / "data/street/annotations"
    train = json.loads((annotations / "instances_train.json").read_text())
    ids = {image["id"] for image in train["images"][:6]}
    test = {
        **train, "images": [i for i in train["images"] if i["id"] in ids],
        "annotations": [a for a in train["annotations"] if a["image_id"] in ids],
    }  # fmt: skip
    (annotations / "instances_test.json").write_text(json.dumps(test))
    (root / "data/street/test").symlink_to(root / "data/street/train")
    store, run = trained(root, root / "data/street")
    yield store, run, str(root / "data/street")
    store.close()


def finished(store, *model, data, **settings):
    run = evaluated_run(store, EvaluationConfig(full_names(store, model), data, device="cpu", **settings))
    assert run.status is Status.FINISHED, run.message
    (evaluation,) = store.evaluations(run.id)
    return run, evaluation.figures, read_table(evaluation.table)


@pytest.mark.parametrize("model", ["best", "last", "untouched"])
def test_as_it_was_trained_it_has_the_figures_and_boxes_of_its_training(own, model):
    store, run, data = own
    epoch = {"untouched": 0, "best": run.best_epoch, "last": 2}[model]
    before = next(e for e in store.evaluations(run.id) if e.epoch == epoch)
    _, figures, table = finished(store, f"{run.id}:{model}", data=data)
    for name, value in before.figures.items():
        assert figures[name] == pytest.approx(value, abs=1e-4), name
    rows, expected = table.to_pylist(), read_table(before.table).to_pylist()
    assert len(rows) == len(expected) and table_metadata(table).input == table_metadata(read_table(before.table)).input
    for name in ("x1", "y1", "x2", "y2", "score"):
        ours, theirs = ([row[name] or 0 for row in some] for some in (rows, expected))
        np.testing.assert_allclose(np.sort(ours), np.sort(theirs), atol=1e-2)


def test_it_keeps_the_states_that_its_training_kept_but_none_of_tiles(own):
    store, run, data = own
    before = next(e for e in store.evaluations(run.id) if e.epoch == 2)
    again, _, _ = finished(store, f"{run.id}:last", data=data)
    one, other = read_states(before.table), read_states(store.evaluations(again.id)[0].table)
    assert (
        len(one) > 20
        and one.query.tolist() == other.query.tolist()
        and one.image_id.tolist() == other.image_id.tolist()
    )
    part, whole = (states.values.astype(np.float32) @ states.values[0].astype(np.float32) for states in (one, other))
    np.testing.assert_allclose(part, whole, atol=0.02)
    tiled, _, _ = finished(store, f"{run.id}:last", data=data, tiles=2)
    assert read_states(store.evaluations(tiled.id)[0].table) is None


@pytest.mark.parametrize(("part", "images"), [("val", 6), ("train", 6), ("test", 6)])
def test_every_part_has_its_own_images(own, part, images):
    """Of the twelve training images those for testing are in no training."""
    store, run, data = own
    done, _, table = finished(store, run.id, data=data, part=part)
    ids = table_metadata(table).image_ids
    assert ids == tuple(sorted(read_split(data, part).image_by_id)) and len(ids) == images
    assert set(evaluated_images(done).image_by_id) == set(ids)
    assert done.name == f"{run.name}, best on street {part}"
    fingerprint = kept_fingerprint(store, done.id, table_metadata(table).data)
    assert not EvaluatedData(fingerprint, evaluated_images(done)).changes().words


def test_one_coco_file_with_its_pictures_is_data_enough(own, tmp_path):
    store, run, data = own
    shutil.copy(f"{data}/annotations/instances_val.json", tmp_path / "some.json")
    done, figures, _ = finished(store, run.id, data=str(tmp_path / "some.json"), images=f"{data}/val")
    assert figures == finished(store, run.id, data=data)[1]
    assert len(evaluated_images(done).images) == 6 and all(
        evaluated_images(done).image_path(image).is_file() for image in evaluated_images(done).images
    )
    alone = evaluated_run(store, EvaluationConfig(full_names(store, [run.id]), str(tmp_path / "some.json")))
    assert alone.status is Status.FAILED and alone.message.startswith("No folder near")


def test_larger_pictures_and_tiles_are_other_inputs_with_figures_that_pycocotools_has_too(own):
    store, run, data = own
    names = full_names(store, [run.id])
    for settings in ({}, {"size": 120}, {"tiles": 2}, {"size": 64, "tiles": 3, "workers": 2, "batch_size": 4}):
        done, figures, table = finished(store, run.id, data=data, **settings)
        seen = table_metadata(table).input
        assert seen.tiles == settings.get("tiles", 1) and seen.shortest_edge == settings.get("size", 80)
        detections = [row for row in table.to_pylist() if row["kind"] == "detection"]
        ids = dict(zip(table_metadata(table).classes, table_metadata(table).category_ids, strict=True))
        results = [
            {"image_id": r["image_id"], "category_id": ids[r["class_name"]], "score": r["score"],
             "bbox": [r["x1"], r["y1"], r["x2"] - r["x1"], r["y2"] - r["y1"]]} for r in detections
        ]  # fmt: skip
        truth = read_split(data, "val").to_dict()
        truth = {
            **truth, "categories": [c for c in truth["categories"] if c["id"] in ids.values()],
            "annotations": [a for a in truth["annotations"] if a["category_id"] in ids.values()],
        }  # fmt: skip
        assert judge(truth, results).stats[0] == pytest.approx(figures["AP"], abs=1e-6)
        assert done.images_per_second > 0
    tried = tried_inputs(store, EvaluationConfig(names, data))
    assert set(tried) == {AS_TRAINED, "120 px", "2 × 2 tiles", "64 px, 3 × 3 tiles"}
    assert all(one.milliseconds > 0 for _, one in tried.values())
    assert suggested_inputs(80)[1:4] == ["48", "64", "106"]


def test_the_average_of_one_model_with_itself_is_that_model_and_of_two_their_mean(own):
    store, run, data = own
    alone = finished(store, f"{run.id}:last", data=data)[1]
    assert finished(store, f"{run.id}:last", f"{run.id}:last", data=data)[1] == alone
    names = full_names(store, [f"{run.id}:untouched", f"{run.id}:last"])
    mean = open_model(store, EvaluationConfig(names, data, device="cpu")).detector.state_dict()
    parts = [open_model(store, EvaluationConfig((name,), data, device="cpu")).detector.state_dict() for name in names]
    for name, tensor in mean.items():
        if tensor.is_floating_point():
            np.testing.assert_allclose(tensor, (parts[0][name] + parts[1][name]) / 2, atol=1e-6)
    done, *_ = finished(store, *names, data=data)
    assert done.name == "average of 2 models on street val"


def test_models_that_do_not_fit_together_are_refused(own, street, tmp_path):
    store, run, data = own
    failed = evaluated_run(store, EvaluationConfig((f"{run.id}:last", "checkpoints/starter"), data, device="cpu"))
    assert failed.status is Status.FAILED and "cannot be averaged" in failed.message


# Names


def test_a_run_is_named_in_full_and_a_hub_name_stays(own, tmp_path):
    store, run, _ = own
    for text in (run.id, f"{run.id}:best", run.id[:-1]):
        assert full_names(store, [text]) == (f"{run.id}:best",)
    assert full_names(store, [f"{run.id}:baseline"]) == (f"{run.id}:untouched",)
    assert full_names(store, ["facebook/detr-resnet-50"]) == ("facebook/detr-resnet-50",)
    assert full_names(store, [str(tmp_path)]) == (str(tmp_path.resolve()),)
    with pytest.raises(RunError, match="no run"):
        full_names(store, ["20200101-000000-abcd:best"])
    assert short_name(store, "20200101-000000-abcd:best") == "20200101-000000-abcd, best"
    assert short_name(store, "facebook/detr-resnet-50") == "facebook/detr-resnet-50"


def test_an_evaluation_stands_for_the_models_that_it_evaluated(own):
    store, run, data = own
    names = full_names(store, [f"{run.id}:untouched", f"{run.id}:last"])
    done, *_ = finished(store, *names, data=data)
    assert full_names(store, [done.id]) == names

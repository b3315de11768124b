"""The worker process: the table's own boxes, one answer a line, and a sentence for whatever goes wrong."""

import json
import os
import shutil
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
import torch

from core import LabError, ModelError, RunError
from core.datasets.split import read_split
from core.detr.explain import explain
from core.detr.small import small_detr
from core.engine.process_id import this_process
from core.evaluation.table import read_table
from core.inference import worker
from core.inference.model_cache import ModelCache
from core.runs.evaluated.imports import import_results
from core.runs.models import checkpoint_of
from core.runs.queue import RunQueue
from core.runs.store import RunStore
from tests.core.detr.released import TEN, released
from tests.core.inference.asked import trained
from tests.core.piped import run_piped


@pytest.fixture(scope="module")
def asked(tmp_path_factory, street):
    store, run = trained(tmp_path_factory.mktemp("asked"), street)
    yield store, run
    store.close()


@pytest.fixture(scope="module")
def models(asked):
    return ModelCache(asked[0])


@pytest.fixture
def own(asked, tmp_path):
    """A copy of the store whose files may be broken."""
    shutil.copytree(asked[0].root, tmp_path, dirs_exist_ok=True)
    store = type(asked[0])(tmp_path)
    yield store
    store.close()


def image_of(run, image_id=None):
    split = read_split(run.config["data"], "val")
    image = split.image_by_id[image_id] if image_id is not None else split.images[0]
    return {"path": str(split.image_path(image)), "width": image["width"], "height": image["height"]}


def ask(models, **request):
    return worker.answer_line(json.dumps(request), models)


@pytest.mark.parametrize("model", ["untouched", "best", "last"])
def test_the_explained_box_is_the_detection_tables(asked, models, model):
    """The evaluation went through the images four at a time, these come alone."""
    store, run = asked
    evaluations = {"untouched": 0, "best": run.best_epoch, "last": 2}
    evaluation = next(e for e in store.evaluations(run.id) if e.epoch == evaluations[model])
    rows = [row for row in read_table(evaluation.table).to_pylist() if row["kind"] == "detection"]
    assert len(rows) == 6 * 30
    about = {"ask": "why", "run": run.id, "model": model}
    for row in rows[::7]:
        found = ask(models, **about, image=image_of(run, row["image_id"]), query=row["query"])
        last = found["layers"][-1]
        assert last["class"] == row["class_name"]
        assert last["score"] == pytest.approx(row["score"], abs=1e-4)
        np.testing.assert_allclose(last["box"], [row[side] for side in ("x1", "y1", "x2", "y2")], atol=1e-2)


def test_an_answer_says_what_was_found_in_a_form_that_json_can_hold(asked, models):
    _, run = asked
    request = {"ask": "why", "run": run.id, "model": "last", "image": image_of(run), "query": 4}
    said = json.loads(json.dumps(ask(models, **request)))
    loaded = models.get(run.id, "last")
    why = explain(loaded.model, loaded.batch(Path(request["image"]["path"]), (96, 72)), 4)
    assert said["classes"] == ["person", "car", "no object"] and said["softmax"]
    np.testing.assert_allclose(said["probabilities"], why.probabilities, atol=1e-5)
    assert [layer["class"] for layer in said["layers"]] == [said["classes"][i] for i in why.labels]
    maps = said["maps"]
    for packed, expected in zip([*maps["decoder"], maps["encoder"]], [*why.decoder, why.encoder], strict=True):
        values = np.frombuffer(b64decode(packed["data"]), np.uint8).reshape(maps["h"], maps["w"]) / 255 * packed["max"]
        np.testing.assert_allclose(values, expected, atol=packed["max"] / 500)
    assert maps["cover"] == pytest.approx(why.cover)


def test_of_a_missed_object_the_nearest_queries_can_be_asked_in_turn(asked, models):
    _, run = asked
    about = {"ask": "why", "run": run.id, "model": "best", "image": image_of(run)}
    near = ask(models, **about, gt={"box": [10, 10, 40, 50], "class": "car"})["near"]
    assert len(near) == 3 and near[0]["iou"] >= near[1]["iou"] >= near[2]["iou"]
    for one in near:
        found = ask(models, **about, query=one["query"])
        assert found["layers"][-1]["box"] == pytest.approx(one["box"], abs=1e-2)
        assert found["probabilities"][1] == pytest.approx(one["score"], abs=1e-4)
        assert found["probabilities"][2] == pytest.approx(one["no_object"], abs=1e-4)


def test_families_whose_classes_are_sigmoids_have_no_no_object(asked, tmp_path, monkeypatch):
    store, run = asked
    models = ModelCache(store)
    loaded = models.open(str(released("conditional_detr", tmp_path)))
    monkeypatch.setattr(models, "get", lambda *_: loaded)
    about = {"ask": "why", "run": run.id, "model": "best", "image": image_of(run)}
    found = ask(models, **about, query=1)
    assert found["classes"] == list(TEN.names) and not found["softmax"] and len(found["probabilities"]) == 10
    assert ask(models, **about, gt={"box": [1, 1, 9, 9], "class": "dog"})["near"][0]["no_object"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"query": 30}, "no query 30: the model has 30"),
        ({"run": "nosuchrun"}, "There is no run 'nosuchrun'"),
        ({"model": "newest"}, "best, last, untouched, not 'newest'"),
        ({"image": {"path": "/nowhere/x.jpg", "width": 9, "height": 9}}, "x.jpg is missing"),
        ({"gt": {"box": [1, 1, 9, 9], "class": "zebra"}}, "does not know the class 'zebra'"),
        ({"ask": "what"}, "could not answer"),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_said_in_a_sentence(asked, models, change, words):
    _, run = asked
    request = {"ask": "why", "run": run.id, "model": "best", "image": image_of(run), "query": 1, **change}
    said = ask(models, **request)
    assert list(said) == ["error"] and words in said["error"] and "\n" not in said["error"]


def test_a_picture_of_another_size_than_the_data_set_says_is_refused(asked, models):
    _, run = asked
    image = {**image_of(run), "width": 50}
    assert "its JSON 50 × 72" in ask(models, ask="why", run=run.id, model="best", image=image, query=1)["error"]


def test_no_line_is_left_without_an_answer(models):
    for line in ("", "no json", "[]", "{}", '{"ask": null}'):
        assert list(worker.answer_line(line, models)) == ["error"]


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has it")
def test_a_device_is_said_to_be_there_or_not(models):
    assert ask(models, ask="device", device="cpu", processes=1) == {"refused": ""}
    assert "mps is not available" in ask(models, ask="device", device="mps", processes=1)["refused"]


def test_without_room_on_the_gpu_the_models_are_let_go(asked, monkeypatch):
    models = ModelCache(asked[0])
    models.get(asked[1].id, "best")

    def fail(request, models):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setitem(worker.HANDLERS, "why", fail)
    assert "no room" in ask(models, ask="why")["error"]
    assert not models._loaded


def test_the_last_two_models_stay_loaded(asked):
    models = ModelCache(asked[0])
    best, last = (models.get(asked[1].id, name) for name in ("best", "last"))
    assert models.get(asked[1].id, "best") is best
    models.get(asked[1].id, "untouched")
    assert models.get(asked[1].id, "best") is best
    assert models.get(asked[1].id, "last") is not last


def test_a_checkpoint_that_training_has_written_again_is_loaded_again(own, asked):
    models = ModelCache(own)
    before = models.get(asked[1].id, "last")
    own_best, own_last = (own.checkpoint(asked[1].id, name) for name in ("best", "last"))
    shutil.rmtree(own_last)
    shutil.copytree(own_best, own_last, copy_function=shutil.copyfile)
    after = models.get(asked[1].id, "last")
    assert after is not before
    best = models.get(asked[1].id, "best").model.state_dict()
    assert all(torch.equal(value, best[name]) for name, value in after.model.state_dict().items())


def test_a_checkpoint_that_is_gone_or_broken_is_said(own, asked):
    models = ModelCache(own)
    weights = own.checkpoint(asked[1].id, "last") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be read"):
        models.get(asked[1].id, "last")
    (own.checkpoint(asked[1].id, "best") / "label_map.json").unlink()
    with pytest.raises(ModelError, match=r"holds no label_map\.json"):
        models.get(asked[1].id, "best")
    shutil.rmtree(own.checkpoint(asked[1].id, "best"))
    with pytest.raises(ModelError, match="is gone"):
        models.get(asked[1].id, "best")


def test_where_best_and_last_are_one_the_kept_one_answers(own, asked):
    run_id = asked[1].id
    shutil.rmtree(own.checkpoint(run_id, "best"))
    own.add_evaluation(run_id, 2, 6, {"AP": 0.9}, is_best=True, has_table=True)
    assert own.get(run_id).best_epoch == 2
    assert checkpoint_of(own, own.get(run_id), "best").name == "last"


def test_an_imported_run_has_no_model(own, street, tmp_path):
    split = read_split(street, "val")
    image, category = split.images[0]["id"], split.categories[0]["id"]
    (tmp_path / "dt.json").write_text(
        json.dumps([{"image_id": image, "category_id": category, "bbox": [1, 1, 9, 9], "score": 0.5}])
    )
    run = import_results(own, split.json_path, tmp_path / "dt.json")
    with pytest.raises(RunError, match="was imported"):
        ModelCache(own).get(run.id, "best")


def test_a_folder_of_a_run_is_opened_as_the_runs_own(asked, models):
    store, run = asked
    opened = models.open(str(store.checkpoint(run.id, "best")))
    assert opened is models.get(run.id, "best")
    assert (opened.shortest_edge, opened.longest_edge) == (80, 110) and opened.label_map.names == ("person", "car")


def test_a_published_model_is_opened_with_all_classes_that_it_knows(models, tmp_path):
    folder = released("detr", tmp_path)
    opened = models.open(str(folder))
    assert opened.label_map == TEN and (opened.shortest_edge, opened.longest_edge) == (800, 1333)
    (folder / "preprocessor_config.json").write_text('{"size": {"shortest_edge": 480, "longest_edge": 640}}')
    opened = ModelCache(models.store).open(str(folder))
    assert (opened.shortest_edge, opened.longest_edge) == (480, 640)


def test_a_model_without_names_and_a_folder_without_a_model_are_refused(models, tmp_path):
    model = small_detr(TEN)
    model.inner.config.id2label = {i: f"LABEL_{i}" for i in range(10)}
    model.save_pretrained(tmp_path / "nameless")
    for folder in (tmp_path / "nameless", tmp_path):
        with pytest.raises(LabError):
            models.open(str(folder))


def test_the_process_answers_line_by_line_whatever_is_printed_and_ends_with_its_requests(asked, start_warm):
    store, run = asked
    script = (
        "import core.inference.worker as worker, os\n"
        "def noise(request, models):\n"
        "    print('noise'); os.write(1, b'more noise\\n'); return {'heard': request['n']}\n"
        "worker.HANDLERS['noise'] = noise\n"
        "worker.main()\n"
    )
    lines = [json.dumps({"ask": "noise", "n": n}) for n in (1, 2)]
    lines.append(json.dumps({"ask": "why", "run": run.id, "model": "best", "image": image_of(run), "query": 2}))
    lines.append(json.dumps({"ask": "warm", "run": run.id, "model": "last"}))
    done = run_piped(start_warm, "-c", script, requests="\n".join(lines), DETR_LAB_ROOT=str(store.root))
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert said[:2] == [{"heard": 1}, {"heard": 2}] and said[2]["query"] == 2 and said[3] == {}
    assert done.stderr.count("noise") == 4


def test_an_answer_takes_one_thread_beside_a_training_or_on_busy_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    store = RunStore(tmp_path)
    queue, load = RunQueue(store), (0.5, 0.0, 0.0)
    monkeypatch.setattr(os, "getloadavg", lambda: load)
    assert worker.threads_for(queue) == worker.THREADS
    load = (9.0, 0.0, 0.0)
    assert worker.threads_for(queue) == 1
    load = (0.5, 0.0, 0.0)
    store.create({}, process=this_process())
    assert worker.threads_for(queue) == 1
    store.close()

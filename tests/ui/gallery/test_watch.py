"""ui/gallery/watch.py and its route: the watched images at every epoch, and what to do where there is none."""

import json
import shutil

import numpy as np
import orjson
import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation.table import read_table, table_metadata
from core.runs.evaluated.imports import import_results
from core.runs.schema import Status
from core.runs.watched import MOST, MOST_FRAMES, frames, part_of, watched_images, watched_of
from tests.core.coco_cases import gt_of, result
from tests.core.runs.watching import record_epochs, record_run
from ui.gallery import component as gallery
from ui.gallery import watch
from ui.gallery.columns import columns_of


@pytest.fixture
def run(store):
    """A recorded run of three epochs on 30 validation images."""
    return record_run(store, store.data_dir / "street")


def script():
    import streamlit as st

    from core.evaluation.selection import Selection
    from ui.gallery.watch import show_watch
    from ui.server import cache, services

    run = services.store().runs()[0]
    table = cache.table_of([e for e in services.store().evaluations(run.id) if e.table][-1])
    classes = st.session_state.get("chosen", ())
    show_watch(run, table, cache.validation_images(run), Selection(0.4, classes=classes))


def shown(app) -> dict:
    (component,) = app.get("bidi_component")
    return json.loads(json.loads(component.proto.json)[0]["page"])


def opened():
    return checked(AppTest.from_function(script, default_timeout=30).run())


def checked(app):
    assert not app.exception, app.exception
    return app


def as_json(columns: dict) -> dict:
    """Columns as they arrive in the browser."""
    return orjson.loads(orjson.dumps(columns, option=orjson.OPT_SERIALIZE_NUMPY, default=np.ndarray.tolist))


# The view


def test_all_epochs_come_on_one_page_each_with_its_boxes_and_figures(run, store):
    data = shown(opened())
    found = frames(store, run.id)
    watched = watched_of(found)
    assert (data["layout"], data["page"], data["pages"], data["total"], data["score"]) == ("frames", 1, 1, MOST, 0.4)
    assert tuple(image["id"] for image in data["images"]) == tuple(map(str, watched))
    assert [model["label"] for model in data["models"]] == ["baseline", "epoch 1", "epoch 2", "epoch 3"]
    assert data["frames"] == [frame.to_dict() for frame in found]
    assert [frame["loss_ce"] for frame in data["frames"]] == [5.0, 4.0, 3.0, 2.0]
    for frame, model in zip(found, data["models"], strict=True):
        columns = columns_of(read_table(frame.path), watched, data["classes"])
        assert model["truths"] == as_json(columns["truths"])
        assert model["predictions"] == as_json(columns["predictions"])
        assert sum(model["predictions"]["n"]) > 0


def test_only_models_that_are_kept_can_be_asked_why(run):
    whys = [model["why"] for model in shown(opened())["models"]]
    assert whys == [f"/api/why/{run.id}/untouched", None, None, f"/api/why/{run.id}/best"]


def test_the_explanation_says_what_is_seen(run):
    (text,) = (caption.value for caption in opened().caption)
    assert text.startswith("The same 24 validation images after each of 4 evaluations, from baseline to")
    assert "kept" not in text and "spread" not in text


def test_the_pages_filter_dims_what_it_does_not_ask_for(run, store):
    app = AppTest.from_function(script, default_timeout=30)
    name = min(store.get(run.id).label_map["names"])
    app.session_state["chosen"] = (name,)
    data = shown(checked(app.run()))
    assert [data["classes"][i] for i in data["filter"]["classes"]] == [name]
    assert len(data["images"]) == MOST


def test_a_run_from_before_shows_the_models_whose_tables_are_kept(run, store):
    shutil.rmtree(store.watched_path(run.id, 0).parent)
    app = opened()
    data = shown(app)
    assert [model["label"] for model in data["models"]] == ["baseline", "epoch 3"]
    whole = read_table(store.table_path(run.id, 3))
    ids = watched_images(whole)
    assert tuple(image["id"] for image in data["images"]) == tuple(map(str, ids))
    assert data["models"][1]["predictions"] == as_json(
        columns_of(part_of(whole, ids), ids, data["classes"])["predictions"]
    )
    assert "only the boxes of the baseline, the best and the last model are kept" in app.caption[0].value


def test_a_damaged_epoch_is_left_out_with_a_sentence(run, store):
    store.watched_path(run.id, 1).write_bytes(b"no table")
    app = opened()
    assert [model["label"] for model in shown(app)["models"]] == ["baseline", "epoch 2", "epoch 3"]
    assert app.warning[0].value == "Left out, since their boxes are damaged or gone: epoch 1."


def test_when_no_epoch_can_be_read_there_is_the_sentence_alone(run, store):
    for path in store.watched_path(run.id, 0).parent.iterdir():
        path.write_bytes(b"no table")
    app = opened()
    assert "baseline, epoch 1, epoch 2, epoch 3" in app.warning[0].value
    assert not app.get("bidi_component") and not app.caption


def test_images_that_left_the_data_set_are_not_asked_for(run, store):
    path = store.data_dir / "street/annotations/instances_val.json"
    data = json.loads(path.read_text())
    gone = set(watched_of(frames(store, run.id))[:20])
    data["images"] = [image for image in data["images"] if image["id"] not in gone]
    data["annotations"] = [a for a in data["annotations"] if a["image_id"] not in gone]
    path.write_text(json.dumps(data))
    assert len(shown(opened())["images"]) == 4
    data["images"], data["annotations"] = [image for image in data["images"] if image["id"] < 0], []
    data["images"].append({"id": 1, "file_name": "1.jpg", "width": 9, "height": 9})
    path.write_text(json.dumps(data))
    assert "None of the watched images" in opened().info[0].value


@pytest.mark.parametrize(
    ("status", "sentence"), [(Status.FINISHED, "train again with more epochs"), (Status.RUNNING, "begins by itself")]
)
def test_a_run_that_was_evaluated_once_says_what_to_do(store, status, sentence):
    run = record_run(store, store.data_dir / "street", done=0)
    store.update(run.id, status=status)
    app = opened()
    assert sentence in app.info[0].value and not app.get("bidi_component")


def test_imported_results_say_what_to_do(store, tmp_path):
    (tmp_path / "gt.json").write_text(json.dumps(gt_of((1, 1, (0, 0, 10, 10)))))
    (tmp_path / "dt.json").write_text(json.dumps([result(1, 1, (0, 0, 10, 9), 0.7)]))
    import_results(store, tmp_path / "gt.json", tmp_path / "dt.json")
    assert "Imported results are of one model only" in opened().info[0].value


def test_of_a_live_run_a_new_epoch_joins_and_a_step_changes_nothing(run, store):
    store.rewind(run.id, 30)
    store.update(run.id, status=Status.RUNNING)
    app = opened()
    assert len(shown(app)["models"]) == 3
    before = watch._state(run.id)
    store.record(run.id, 21, {"train/loss": 1.0}, {"step": 21})
    assert watch._state(run.id) == before
    record_epochs(store, run.id, [3], epochs=3)
    assert watch._state(run.id) != before
    data = shown(checked(app.run()))
    assert [frame["epoch"] for frame in data["frames"]] == [0, 1, 2, 3] and data["frames"][3]["loss_ce"] == 2.0
    now = watch._state(run.id)
    store.update(run.id, status=Status.FINISHED)
    assert watch._state(run.id) != now


def test_a_long_run_shows_epochs_spread_over_it(store):
    run = record_run(store, store.data_dir / "street", epochs=1)
    for epoch in range(2, 60):
        shutil.copy(store.watched_path(run.id, 1), store.watched_path(run.id, epoch))
        store.add_evaluation(run.id, epoch, 10 * epoch, {"AP": 0.1})
    app = opened()
    epochs = [frame["epoch"] for frame in shown(app)["frames"]]
    assert len(epochs) <= MOST_FRAMES and epochs[0] == 0 and epochs[-1] == 59
    assert "spread over the 60" in app.caption[0].value


# The route


def test_one_images_boxes_come_at_every_kept_epoch_in_the_gallerys_form(client, run, store):
    watched = watched_of(frames(store, run.id))
    for image_id in table_metadata(read_table(store.table_path(run.id, 0))).image_ids:
        answer = client.get(f"/api/boxes/{run.id}/{image_id}").json()
        epochs = [0, 1, 2, 3] if image_id in watched else [0, 3]
        assert [frame["epoch"] for frame in answer["frames"]] == epochs
        assert [m["label"] for m in answer["models"]] == [f"epoch {e}" if e else "baseline" for e in epochs]
        whole = read_table(store.table_path(run.id, 3))
        columns = columns_of(whole, [image_id], gallery.class_names(whole))
        last = answer["models"][-1]
        assert {part: last[part] for part in columns} == {part: as_json(columns[part]) for part in columns}


def test_a_score_leaves_out_what_is_below_it(client, run, store):
    image_id = watched_of(frames(store, run.id))[0]
    few, all_of_it = (client.get(f"/api/boxes/{run.id}/{image_id}{q}").json()["models"][-1] for q in ("?score=0.6", ""))
    scores = all_of_it["predictions"]["score"]
    assert few["predictions"]["score"] == [s for s in scores if np.float32(s) >= np.float32(0.6)]
    assert few["truths"] == all_of_it["truths"]


def test_what_cannot_be_read_is_left_out(client, run, store):
    image_id = watched_of(frames(store, run.id))[0]
    store.watched_path(run.id, 2).write_bytes(b"no table")
    answer = client.get(f"/api/boxes/{run.id}/{image_id}").json()
    assert [frame["epoch"] for frame in answer["frames"]] == [0, 1, 3]


@pytest.mark.parametrize("path", ["{}/999999", "{}/4?score=x", "20261123-000000-dead/4", "..%2f..%2fetc/4", "{}/-4"])
def test_what_is_not_there_has_no_boxes(client, run, path):
    answer = client.get("/api/boxes/" + path.format(run.id))
    assert answer.status_code == 404 and "Traceback" not in answer.text


@pytest.mark.parametrize("image_id", [999999, -1])
def test_an_image_that_no_evaluation_knows_is_refused_in_a_sentence(client, run, image_id):
    answer = client.get(f"/api/boxes/{run.id}/{image_id}")
    assert answer.status_code == 404
    assert answer.json()["error"] == f"No evaluation of the run {run.id} that can be read has an image {image_id}."


def test_an_answer_is_json_never_kept_and_of_this_machine_only(client, run):
    answer = client.get(f"/api/boxes/{run.id}/4")
    assert answer.headers["content-type"] == "application/json" and answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers
    assert client.get(f"/api/boxes/{run.id}/4", headers={"host": "evil.example"}).status_code == 400

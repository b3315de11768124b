"""Why this box, over HTTP: the real process answers, the second time the disk; what is not there gets a sentence."""

import json
import os
from base64 import b64decode
from collections import deque
from types import SimpleNamespace

import psutil
import pyarrow as pa
import pytest

from core.datasets.split import read_split
from core.evaluation.table import read_table, write_table
from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.job import create_evaluations, follow_evaluation
from core.runs.bin import Bin
from core.runs.evaluated.imports import import_results
from tests.core.inference.asked import trained
from tests.core.runs.waiting import until
from tests.ui.http_client import routes_client
from ui.gallery import why_route
from ui.server import cache, services
from ui.server import model_worker as server_worker
from ui.server.guard import TOKEN_HEADER, token
from ui.server.model_worker import model_worker


@pytest.fixture(scope="module")
def root(tmp_path_factory, street, start_warm):
    """The folder of a store with a trained run; the app, and so the process that answers, see it."""
    folder = tmp_path_factory.mktemp("asked")
    store, _ = trained(folder, street)
    store.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETR_LAB_ROOT", str(folder))
        patch.setattr(server_worker, "engine", lambda: SimpleNamespace(start=start_warm))
        yield folder
        model_worker().stop()
        services.store().close()


@pytest.fixture
def run(root):
    return services.store().runs()[-1]


@pytest.fixture
def client(root):
    with routes_client() as client:
        client.headers[TOKEN_HEADER] = token()
        yield client


@pytest.fixture
def val(run):
    return read_split(run.config["data"], "val")


@pytest.fixture
def fresh(run):
    """Without answers from before."""
    forget(run)
    yield
    forget(run)


def forget(run):
    for file in folder_of(run).glob("*"):
        file.unlink()


def folder_of(run):
    return services.store().folder(run.id) / "why"


def no_process(*_):
    raise AssertionError("the process was asked")


def rows_of(run, model):
    number = {"untouched": 0, "best": run.best_epoch, "last": 2}[model]
    (evaluation,) = (e for e in services.store().evaluations(run.id) if e.epoch == number)
    return evaluation, read_table(evaluation.table).to_pylist()


@pytest.mark.parametrize("model", ["untouched", "best", "last"])
def test_the_answer_is_about_the_box_on_the_picture(client, run, val, model, fresh):
    _, rows = rows_of(run, model)
    row = next(row for row in rows if row["kind"] == "detection")
    answer = client.post(f"/api/why/{run.id}/{model}/{row['image_id']}?query={row['query']}")
    said = answer.json()
    assert answer.status_code == 200 and said["note"] is None
    assert said["layers"][-1]["score"] == pytest.approx(row["score"], abs=1e-4)
    assert said["layers"][-1]["box"] == pytest.approx([row[side] for side in ("x1", "y1", "x2", "y2")], abs=1e-2)
    maps = said["maps"]
    assert all(len(b64decode(m["data"])) == maps["w"] * maps["h"] for m in (*maps["decoder"], maps["encoder"]))
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


def test_an_answer_is_kept_and_equals_a_fresh_one(client, run, val, fresh, monkeypatch):
    known = {c["id"] for c in val.categories if c["name"] in run.label_map["names"]}
    image_id, gt = next((a["image_id"], a["id"]) for a in val.annotations if a["category_id"] in known)
    address = f"/api/why/{run.id}/best/{image_id}"
    first = {query: client.post(f"{address}?{query}").json() for query in ("query=3", "query=4", f"gt={gt}")}
    assert len(first[f"gt={gt}"]["near"]) == 3
    monkeypatch.setattr(model_worker(), "ask", no_process)
    assert {query: client.post(f"{address}?{query}").json() for query in first} == first
    monkeypatch.undo()
    forget(run)
    assert {query: client.post(f"{address}?{query}").json() for query in first} == first


def test_what_it_rests_on_makes_an_answer_a_new_one(client, run, val, fresh):
    """The checkpoint and the picture; other models keep theirs."""
    image = val.images[1]
    address = f"/api/why/{run.id}/{{}}/{image['id']}?query=2"
    weights = services.store().checkpoint(run.id, "last") / "model.safetensors"
    for model in ("last", "untouched"):
        client.post(address.format(model))
    kept = set(folder_of(run).iterdir())
    for changed, more in ((weights, 1), (val.image_path(image), 2)):
        os.utime(changed, ns=(1, changed.stat().st_mtime_ns + 10**9))
        for model in ("last", "untouched"):
            assert client.post(address.format(model)).status_code == 200
        now = set(folder_of(run).iterdir())
        assert len(now) == len(kept) + more and kept < now
        kept = now


def test_a_checkpoint_of_another_step_than_the_evaluation_is_noted(client, run, val, fresh, monkeypatch):
    evaluation, rows = rows_of(run, "last")
    image_id = val.images[0]["id"]
    for row in rows:
        if row["kind"] == "detection":
            row["score"] = 0.99
    table = pa.Table.from_pylist(rows, schema=read_table(evaluation.table).schema)
    monkeypatch.setattr(cache, "table_of", lambda _: table)
    note = client.post(f"/api/why/{run.id}/last/{image_id}?query=1").json()["note"]
    assert "where 0.99" in note and "saved at another step" in note


def test_a_process_that_was_killed_is_asked_again_with_the_next_question(client, run, val, fresh):
    address = f"/api/why/{run.id}/best/{val.images[2]['id']}?query="
    assert client.post(address + "1").status_code == 200
    psutil.Process(model_worker().pid).kill()
    until(lambda: model_worker().pid is None)
    assert client.post(address + "2").json()["query"] == 2


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("20261123-000000-dead/best/{image}?query=1", "There is no run"),
        ("{run}/newest/{image}?query=1", "no evaluated model 'newest'; it has: best, last, untouched"),
        ("{run}/best/999?query=1", "no image 999"),
        ("{run}/best/1?query=1", "no image 1."),  # of the training images
        ("{run}/best/{image}", "Ask about one box"),
        ("{run}/best/{image}?query=1&gt=1", "Ask about one box"),
        ("{run}/best/{image}?query=x", "query is 'x', but must be a number"),
        ("{run}/best/{image}?query=1e3", "must be a number"),
        ("{run}/best/{image}?query=99999999999999999999999", "must be a number"),
        ("{run}/best/{image}?query=-1", "no query -1: the model has 30"),
        ("{run}/best/{image}?query=30", "no query 30: the model has 30"),
        ("{run}/best/{image}?gt=123456", "has no annotation 123456"),
    ],
)
def test_what_is_not_there_is_said_in_a_sentence(client, run, val, path, words):
    if path.startswith("{run}/best/1?"):
        assert 1 not in val.image_by_id
    answer = client.post(f"/api/why/{path}".format(run=run.id, image=val.images[0]["id"]))
    assert answer.status_code in (404, 503) and words in answer.json()["error"]
    assert answer.headers["cache-control"] == "no-store" and list(answer.json()) == ["error"]


@pytest.mark.parametrize("path", ["{run}/best/..%2f..%2fetc?query=1", "..%2f/best/4?query=1", "{run}/../4?query=1"])
def test_only_ids_come_in(client, run, path):
    assert client.post(f"/api/why/{path}".format(run=run.id)).status_code in (404, 405)  # no such route


def test_an_object_of_a_class_that_the_model_was_not_given_cannot_have_been_found(client, run, val):
    known = {c["id"] for c in val.categories if c["name"] in run.label_map["names"]}
    image_id, gt = next((a["image_id"], a["id"]) for a in val.annotations if a["category_id"] not in known)
    answer = client.post(f"/api/why/{run.id}/best/{image_id}?gt={gt}")
    assert answer.status_code == 503 and "does not know the class" in answer.json()["error"]


def test_a_checkpoint_that_is_gone_or_damaged_is_said_and_nothing_is_kept(client, run, val, fresh):
    address = f"/api/why/{run.id}/last/{val.images[0]['id']}?query=7"
    folder = services.store().checkpoint(run.id, "last")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in client.post(address).json()["error"]
    folder.rename(folder.with_name("elsewhere"))
    assert "is gone" in client.post(address).json()["error"]
    folder.with_name("elsewhere").rename(folder)
    weights.write_bytes(whole)
    assert not list(folder_of(run).glob("*"))
    assert client.post(address).json()["query"] == 7


def test_of_an_imported_run_no_model_can_be_asked(client, val, tmp_path):
    rows = [{"image_id": val.images[0]["id"], "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.5}]
    (tmp_path / "dt.json").write_text(json.dumps(rows))
    imported = import_results(services.store(), val.json_path, tmp_path / "dt.json")
    answer = client.post(f"/api/why/{imported.id}/best/{val.images[0]['id']}?query=0")
    assert answer.status_code == 404 and "was imported" in answer.json()["error"]
    Bin(services.store()).delete(imported.id)


def test_a_run_that_was_not_evaluated_says_so(client, run, val):
    other = services.store().create(run.config)
    answer = client.post(f"/api/why/{other.id}/best/{val.images[0]['id']}?query=0")
    assert "it has: none yet" in answer.json()["error"]
    services.store().update(other.id, status="stopped")
    Bin(services.store()).delete(other.id)


def test_only_the_newest_answers_are_kept(client, run, val, fresh, monkeypatch):
    monkeypatch.setattr(why_route, "KEPT", 3)
    for query in range(6):
        client.post(f"/api/why/{run.id}/best/{val.images[0]['id']}?query={query}")
    assert len(list(folder_of(run).iterdir())) == 3
    monkeypatch.setattr(model_worker(), "ask", no_process)
    assert client.post(f"/api/why/{run.id}/best/{val.images[0]['id']}?query=5").json()["query"] == 5


def test_a_full_disk_keeps_no_answer_but_gives_it(client, run, val, fresh, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.disk.os.replace", full)
    assert client.post(f"/api/why/{run.id}/best/{val.images[0]['id']}?query=8").json()["query"] == 8
    assert not list(folder_of(run).glob("*.json"))


def test_other_host_names_are_refused(client, run):
    for path in ("warm", f"{run.id}/best/4?query=1"):
        assert client.post(f"/api/why/{path}", headers={"host": "evil.example"}).status_code == 400


def test_a_deleted_run_takes_its_answers_along(client, root, run, val, tmp_path):
    store = services.store()
    other = store.create(run.config)
    store.update(other.id, status="finished", label_map=run.label_map)
    _, _rows = rows_of(run, "untouched")
    write_table(read_table(rows_of(run, "untouched")[0].table), store.table_path(other.id, 0))
    store.add_evaluation(other.id, 0, 0, {"AP": 0.0}, has_table=True)
    assert client.post(f"/api/why/{other.id}/untouched/{val.images[0]['id']}?query=1").status_code == 200
    assert list(folder_of(other).iterdir())
    Bin(store).delete(other.id)
    assert not folder_of(other).exists()


def test_warming_up_answers_at_once_and_has_the_model_loaded(client, run):
    model_worker().stop()
    assert client.post("/api/why/warm").json() == {}
    assert until(lambda: model_worker().pid)
    assert client.post(f"/api/why/warm?run={run.id}&model=best").json() == {}


@pytest.mark.parametrize("sent", ["", "x", "of another start", "ü", None])
def test_without_this_servers_token_no_process_is_started_or_asked(client, run, val, monkeypatch, sent):
    model_worker().stop()
    monkeypatch.setattr(model_worker(), "ask", no_process)
    monkeypatch.setattr(model_worker(), "warm", no_process)
    del client.headers[TOKEN_HEADER]
    headers = {} if sent is None else {TOKEN_HEADER: sent.encode()}
    for path in ("warm", f"warm?run={run.id}&model=best", f"{run.id}/best/{val.images[0]['id']}?query=1"):
        answer = client.post(f"/api/why/{path}", headers=headers)
        assert answer.status_code == 403 and "reload the page" in answer.json()["error"], path
    assert model_worker().pid is None


def test_following_a_link_asks_nothing(client, run, val):
    for path in ("warm", f"{run.id}/best/{val.images[0]['id']}?query=1"):
        assert client.get(f"/api/why/{path}").status_code == 404


def test_each_start_of_the_server_has_another_token():
    before = token()
    assert len(before) > 40 and token() == before
    token.clear()
    assert token() != before


@pytest.mark.parametrize("settings", [{}, {"size": 96}, {"tiles": 2}])
def test_an_evaluated_model_answers_about_its_own_boxes_but_not_of_tiles(client, run, settings):
    store, config = services.store(), EvaluationConfig((f"{run.id}:best",), run.config["data"], **settings)
    (of_job,) = create_evaluations(store, [config])
    deque(follow_evaluation(store, of_job.id), maxlen=0)
    (evaluation,) = store.evaluations(of_job.id)
    row = next(row for row in read_table(evaluation.table).to_pylist() if row["kind"] == "detection")
    answer = client.post(f"/api/why/{of_job.id}/untouched/{row['image_id']}?query={row['query']}").json()
    if "tiles" in settings:
        assert "Boxes of tiles" in answer["error"]
    else:
        assert answer["note"] is None and answer["layers"][-1]["score"] == pytest.approx(row["score"], abs=1e-4)
    Bin(store).delete(of_job.id)

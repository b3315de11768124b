"""Correcting labels over HTTP: what each request does to the journal, and the boxes that come back."""

import json

import pytest

from core.datasets.split import read_split
from core.evaluation.table import read_table
from core.runs.corrections.journal import Journal
from core.runs.evaluated.imports import import_results
from tests.core.coco_cases import gt_of, result
from tests.invented import draw_street, invented_run
from tests.ui.http_client import routes_client
from ui.server import services
from ui.server.guard import TOKEN_HEADER, token

BOX = (10, 10, 40, 40)
DOG_ON_CAR = result(1, 2, BOX, 0.9)
ALONE = result(1, 1, (100, 10, 40, 40), 0.8)


@pytest.fixture
def run(store, tmp_path):
    """An imported run: a car on image 1, taken for a dog, and a car beside it that nobody labelled."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "gt.json").write_text(json.dumps(gt_of((1, 1, BOX), (2, 1, BOX), images=2)))
    (folder / "dt.json").write_text(json.dumps([DOG_ON_CAR, ALONE, result(2, 1, BOX, 0.7)]))
    return import_results(store, folder / "gt.json", folder / "dt.json")


@pytest.fixture
def client(store):
    with routes_client() as client:
        client.headers[TOKEN_HEADER] = token()
        yield client


@pytest.fixture
def ask(client, run):
    def ask(image=1, **what):
        return client.post(f"/api/labels/{run.id}/untouched/{image}", params=what)

    return ask


def done(answer) -> dict:
    assert answer.status_code == 200, answer.text
    return answer.json()


def of_journal(store, run) -> list:
    return Journal(store, run.config["imported"]["gt"].removeprefix(f"{store.root}/")).all()


def test_looking_changes_nothing(ask, store, run):
    answer = done(ask(do="look"))
    assert (answer["undo"], answer["redo"], answer["id"]) == (0, 0, None)
    assert answer["model"]["truths"]["n"] == [1] and answer["model"]["predictions"]["n"] == [2]
    assert of_journal(store, run) == []


def test_a_prediction_is_accepted_as_what_it_means(ask, store, run):
    answer = done(ask(do="accept", query="0"))
    assert answer["model"]["predictions"]["error"][0] is None and answer["id"] == "1"  # the label is a dog now
    answer = done(ask(do="accept", query="1"))
    assert answer["model"]["truths"]["n"] == [2] and answer["id"] == "3" and answer["undo"] == 2
    assert [one.kind.value for one in of_journal(store, run)] == ["accepted", "accepted"]


def test_a_prediction_can_become_a_label_beside_the_one_it_contradicts(ask):
    answer = done(ask(do="accept", query="0", own="1"))
    assert answer["model"]["truths"]["id"] == ["1", "3"]


def test_labels_are_drawn_changed_deleted_and_all_of_it_undone_and_redone(ask):
    drawn = done(ask(do="draw", **{"class": "dog"}, box="1.5,2,30,40"))["id"]
    done(ask(do="change", id=drawn, **{"class": "car"}))
    done(ask(do="change", id=drawn, box="0,0,60,60"))
    done(ask(do="change", id=drawn, crowd="1"))
    answer = done(ask(do="delete", id="1"))
    truths = answer["model"]["truths"]
    assert (truths["id"], truths["x2"], truths["crowd"], truths["class"]) == ([drawn], [60.0], [True], [0])
    for left in (4, 3, 2, 1, 0, 0):
        answer = done(ask(do="undo"))
        assert answer["undo"] == left and answer["redo"] == 5 - left
    assert answer["model"]["truths"]["id"] == ["1"] and answer["id"] is None
    for _ in range(5):
        answer = done(ask(do="redo"))
    assert answer["model"]["truths"] == truths and answer["redo"] == 0


@pytest.mark.parametrize(("what", "words"), [
    ({}, "Nothing that can be done"), ({"do": "burn"}, "Nothing that can be done"),
    ({"do": "accept"}, "no such prediction"), ({"do": "accept", "query": "7"}, "no such prediction"),
    ({"do": "draw", "class": "bird", "box": "1,1,9,9"}, "no class 'bird'"),
    ({"do": "draw", "class": "car", "box": "1,1,9"}, "four sides"),
    ({"do": "draw", "class": "car", "box": "1,1,9,nan"}, "must be a number"),
    ({"do": "draw", "class": "car", "box": "1,1,1.2,9"}, "smaller than a pixel"),
    ({"do": "delete", "id": "2"}, "no label 2"), ({"do": "delete"}, "No label is named"),
    ({"do": "change", "id": "1", "class": "car"}, "like that already"),
    ({"do": "change", "id": "1", "crowd": "0"}, "like that already"),
])  # fmt: skip
def test_what_cannot_be_done_gets_a_sentence_and_changes_nothing(ask, store, run, what, words):
    answer = ask(**what)
    assert answer.status_code == 400 and words in answer.json()["error"]
    assert of_journal(store, run) == []


def test_only_the_apps_own_pages_may_correct(client, ask, store, run):
    client.headers[TOKEN_HEADER] = "another"
    assert ask(do="delete", id="1").status_code == 403
    assert client.post(f"/api/labels/{run.id}/untouched").status_code == 403
    assert client.get(f"/api/labels/{run.id}/untouched/1", params={"do": "look"}).status_code in (404, 405)
    assert of_journal(store, run) == []


@pytest.mark.parametrize("place", ["none/untouched/1", "{}/best/1", "{}/untouched/9", "none/untouched", "{}/best"])
def test_what_is_not_there_is_refused(client, run, place):
    answer = client.post(f"/api/labels/{place.format(run.id)}", params={"do": "delete", "id": "1"})
    assert answer.status_code == 400 and answer.json()["error"]


def test_the_figures_say_what_all_corrections_change(client, ask, run):
    url = f"/api/labels/{run.id}/untouched"
    assert done(client.post(url)) == {"labels": 0, "images": 0}
    done(ask(do="accept", query="0"))
    done(ask(do="accept", query="1"))
    figures = done(client.post(url, params={"score": "0.5"}))
    assert (figures["labels"], figures["images"]) == (2, 1) and figures["after"] > figures["before"]
    assert figures["errors"] == [2, 0]
    assert client.post(url, params={"score": "high"}).status_code == 400
    done(ask(do="undo"))
    done(ask(do="undo"))
    assert done(client.post(url)) == {"labels": 0, "images": 0}


def test_the_boxes_of_a_training_are_those_of_its_table(store, client):
    street = draw_street(store.root, val=4)
    run = invented_run(store, street, (0.2, 0.7))
    image = read_split(street, "val").images[0]
    answer = done(client.post(f"/api/labels/{run.id}/best/{image['id']}", params={"do": "look"}))
    table = read_table(services.store().table_path(run.id, 1)).to_pylist()
    truths = [row for row in table if row["image_id"] == image["id"] and row["kind"] == "ground_truth"]
    assert answer["model"]["truths"]["id"] == [str(row["gt_id"]) for row in truths]
    assert client.post(f"/api/labels/{run.id}/last/{image['id']}", params={"do": "look"}).status_code == 400

import pytest

from core.runs.bin import Bin
from core.runs.schema import Status


def test_a_curve_comes_whole_and_then_only_what_is_new(client, finished, store):
    first = client.get(f"/api/curves/{finished.id}?tag=train/loss").json()
    assert first["steps"] == list(range(1, 21)) and first["values"] == pytest.approx(
        [4 - 0.1 * s for s in range(1, 21)]
    )
    assert (first["per_epoch"], first["live"], first["minutes"], first["clock"]) == (10, False, None, "")
    store.record(finished.id, 21, {"train/loss": float("nan"), "train/lr": 1.0})
    store.update(finished.id, status=Status.RUNNING)
    then = client.get(f"/api/curves/{finished.id}?tag=train/loss&after={first['last']}").json()
    assert (then["steps"], then["values"], then["live"]) == ([21], [None], True)
    assert client.get(f"/api/curves/{finished.id}?tag=train/loss&after={then['last']}").json()["steps"] == []


def test_the_minutes_come_where_they_are_asked_for_and_say_how_they_are_known(client, finished, store):
    def ask():
        return client.get(f"/api/curves/{finished.id}?tag=val/AP&clock=1").json()

    known = ask()
    assert known["clock"] == "recorded" and known["minutes"][0] == 0 and len(known["minutes"]) == 3
    with store.database.write() as db:
        db.execute("delete from times")
    assert ask()["clock"] == "estimated"
    with store.database.write() as db:
        db.execute("delete from evaluations")
    assert (ask()["clock"], ask()["minutes"]) == ("unknown", [None] * 3)


def test_what_is_not_there_is_refused_or_empty(client, finished, store):
    assert client.get(f"/api/curves/{finished.id}?tag=<b>").json()["steps"] == []
    assert client.get(f"/api/curves/{finished.id}?tag=train/loss&after=x").status_code == 404
    assert client.get("/api/curves/none?tag=train/loss").status_code == 404
    Bin(store).delete(finished.id)
    assert client.get(f"/api/curves/{finished.id}?tag=train/loss").status_code == 404

import math

import pytest

from core.runs.schema import Status
from core.training.remark import Remark
from ui.server import services


def test_metrics_come_by_tag_and_then_only_the_new_ones(client, finished, store):
    first = client.get(f"/api/metrics/{finished.id}").json()
    assert first["rows"]["train/loss_ce"] == [list(range(1, 21)), pytest.approx([4.0 - 0.1 * s for s in range(1, 21)])]
    assert first["rows"]["val/AP"][0] == [0, 10, 20]
    store.record(finished.id, 21, {"train/loss_ce": 1.5, "train/lr": 0.1})
    then = client.get(f"/api/metrics/{finished.id}?after={first['last']}").json()
    assert then["rows"] == {"train/loss_ce": [[21], [1.5]]}
    assert client.get(f"/api/metrics/{finished.id}?after={then['last']}").json()["rows"] == {}


def test_the_runs_state_comes_along(client, finished):
    state = client.get(f"/api/metrics/{finished.id}").json()["run"]
    assert (state["status"], state["label"], state["live"]) == ("finished", "Finished", False)
    assert (state["epoch"], state["steps"], state["best_epoch"]) == (2, 20, 2)
    assert state["baseline_ap"] < state["ap"]


def test_each_group_of_curves_comes_alone_and_only_its_new_rows(client, finished, store):
    tags = {
        "losses": "train/loss", "layers": "train/loss_bbox/layer6", "matching": "val/class_error",
        "rates": "train/lr_head",
        "machine": "train/gpu_busy", "classes": "val/AP/car",
    }  # fmt: skip
    store.record(finished.id, 21, dict.fromkeys(tags.values(), 0.5))
    first = {group: client.get(f"/api/metrics/{finished.id}?group={group}").json() for group in tags}
    store.record(finished.id, 22, dict.fromkeys(tags.values(), 0.25))
    for group, tag in tags.items():
        assert first[group]["rows"][tag][0][-1] == 21
        assert set(first[group]["rows"]) & set(tags.values()) == {tag}
        then = client.get(f"/api/metrics/{finished.id}?group={group}&after={first[group]['last']}").json()
        assert then["rows"] == {tag: [[22], [0.25]]}


def test_an_unknown_group_is_refused(client, finished):
    assert client.get(f"/api/metrics/{finished.id}?group=all").status_code == 404


def test_before_the_classes_are_known_there_are_no_curves_of_them(client, store):
    run = store.create({"data": "x"})
    assert client.get(f"/api/metrics/{run.id}?group=classes").json()["rows"] == {}


def test_values_are_sent_as_precisely_as_they_can_be_seen(client, finished, store):
    store.record(finished.id, 21, {"train/loss": 1.23456789, "train/loss_ce": 9.87654321e-7})
    rows = client.get(f"/api/metrics/{finished.id}").json()["rows"]
    assert (rows["train/loss"][1][-1], rows["train/loss_ce"][1][-1]) == (1.2346, 9.8765e-7)


def remark(level, step=5, rule="a rule"):
    return Remark(
        rule=rule, level=level, title="A title", cause="A cause.", evidence="Evidence.", advice="Advice.", step=step
    )


def test_remarks_come_in_order_and_only_when_they_are_new(client, run_maker, store):
    run = run_maker(evaluated=False, remarks=[remark("info", 1), remark("warning", 9), remark("critical", 7)])
    said = client.get(f"/api/metrics/{run.id}").json()["remarks"]
    assert [r["level"] for r in said["list"]] == ["critical", "warning", "info"]
    assert said["list"][0]["advice"] == "Advice."
    assert "remarks" not in client.get(f"/api/metrics/{run.id}?remarks={said['mark']}").json()
    store.update(run.id, remarks=[remark("critical", 8).to_dict()])
    news = client.get(f"/api/metrics/{run.id}?remarks={said['mark']}").json()["remarks"]
    assert [r["step"] for r in news["list"]] == [8] and news["mark"] != said["mark"]


def test_a_run_without_remarks_says_so_once(client, finished):
    said = client.get(f"/api/metrics/{finished.id}").json()["remarks"]
    assert said["list"] == []
    assert "remarks" not in client.get(f"/api/metrics/{finished.id}?remarks={said['mark']}").json()


def test_the_pages_version_changes_with_what_the_page_shows(client, finished, store, leave):
    def version():
        answer = client.get(f"/api/metrics/{finished.id}").json()["version"]
        assert answer == services.page_version(store.get(finished.id))
        return answer

    seen = [version()]
    store.record(finished.id, 21, {"train/loss": 1.0}, {"message": "Evaluating image 3 of 30"})
    assert version() == seen[-1]
    leave(finished, checks=[("Disk", True, "71 GiB free.")])
    seen.append(version())
    leave(finished, operators=[("aten::add", 5, 1.0, 0.0)])
    seen.append(version())
    waiting = store.create({"data": "x"})
    seen.append(version())
    store.create({"data": "x"})
    seen.append(version())
    services.jobs().move(waiting.id, 1)
    seen.append(version())
    store.update(finished.id, status=Status.FAILED)
    seen.append(version())
    assert len(set(seen)) == len(seen)


def test_a_queued_run_says_its_place(client, store):
    first, second = (store.create({"data": "x"}) for _ in range(2))
    said = [client.get(f"/api/metrics/{run.id}").json()["run"]["message"] for run in (first, second)]
    assert said == ["Next in the queue", "Number 2 in the queue"]


def test_a_loss_that_is_not_a_number_is_still_json(client, finished, store):
    store.record(finished.id, 21, {"train/loss": math.nan, "train/loss_ce": math.inf})
    rows = client.get(f"/api/metrics/{finished.id}").json()["rows"]
    assert rows["train/loss"][1][-1] is None and rows["train/loss_ce"][1][-1] is None


@pytest.mark.parametrize("after", ["x", "", "1e9", "9" * 30])
def test_a_row_number_that_is_none_is_refused(client, finished, after):
    assert client.get(f"/api/metrics/{finished.id}?after={after}").status_code == 404

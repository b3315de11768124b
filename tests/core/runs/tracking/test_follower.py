"""A run's record comes to a tracker whole and once, whatever becomes of the tracker, its process or the training."""

import json
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from core import RunError
from core.engine.process_id import process_of, this_process
from core.runs.bin import Bin
from core.runs.schema import Status
from core.runs.tracking.cursor import Cursor
from core.runs.tracking.status import states
from core.trackers import kinds
from core.training.remark import Level, Remark
from tests.core.runs.tracking import made_trackers
from tests.core.runs.tracking.made_trackers import follower
from tests.core.runs.waiting import until
from tests.made_runs import make_run


@pytest.fixture
def run(store, street):
    (store.data_dir).mkdir(parents=True)
    (store.data_dir / "street").symlink_to(street)
    run = make_run(store)
    store.update(run.id, ended=time.time())
    return store.get(run.id)


def told(store, run, name="kept"):
    lines = (store.tracking_folder(run.id) / name / "told.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def cursor(store, run, name="kept"):
    return Cursor.read(store.tracking_folder(run.id) / f"{name}.json")


def logged(store, run, name="kept"):
    """How often each (tag, step) came."""
    lines = [line for line in told(store, run, name) if line[0] == "log"]
    return Counter((tag, step) for _, step, metrics in lines for tag in metrics)


def recorded(store, run):
    rows, _ = store.metrics_after(run.id)
    return Counter((tag, step) for _, tag, step, _ in rows)


def in_process(store, run, name):
    command = [sys.executable, made_trackers.__file__, store.root, run.id, name]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_a_finished_run_is_sent_whole(store, run):
    assert follower(store.root, run.id, "kept").follow().closed == run.ended
    lines = told(store, run)
    assert logged(store, run) == recorded(store, run)
    assert [line[1] for line in lines if line[0] == "log"][:3] == [1, 2, 3]
    assert [line[1] for line in lines if line[0] == "evaluated"] == [0, 1, 2]
    sizes = {line[1]: line[2] for line in lines if line[0] == "evaluated"}
    assert len(sizes[2]) == 4 and not sizes[0] and not sizes[1]  # pictures of the last one alone
    kind, status, figures, checkpoint = lines[-1]
    assert (kind, status) == ("close", "finished")
    assert figures["best/AP"] == run.best_ap and figures["baseline/AP"] == run.baseline_ap
    assert figures["best/epoch"] == 2 and checkpoint == str(store.checkpoint(run.id, "last"))


def test_a_second_time_sends_nothing(store, run):
    follower(store.root, run.id, "kept").follow()
    before = told(store, run)
    assert follower(store.root, run.id, "kept").follow().sent == sum(recorded(store, run).values())
    assert told(store, run) == before


def test_a_run_that_goes_on_is_sent_on(store, run):
    """Steps that a resumed training repeats are not sent again, new ones are, under the same run there."""
    follower(store.root, run.id, "kept").follow()
    store.rewind(run.id, 18)
    for step in range(18, 23):
        store.record(run.id, step, {"train/loss": 1.0})
    store.update(run.id, status=Status.STOPPED, ended=run.ended + 9)
    follower(store.root, run.id, "kept").follow()
    assert max(logged(store, run).values()) == 1
    assert [step for tag, step in logged(store, run) if tag == "train/loss"] == list(range(1, 23))
    assert [line[1] for line in told(store, run) if line[0] == "open"] == ["", f"there-{run.id}"]
    assert [line[1] for line in told(store, run) if line[0] == "close"] == ["finished", "stopped"]


def test_a_run_is_followed_while_it_trains(store, run):
    store.update(run.id, status=Status.RUNNING, pid=this_process()[0], pid_started=this_process()[1], ended=None)
    work = threading.Thread(target=follower(store.root, run.id, "kept").follow)
    work.start()
    until(lambda: cursor(store, run).row and cursor(store, run).epochs)
    critical = Remark(
        rule="nan", level=Level.CRITICAL, title="t", cause="c", evidence="e", advice="a", step=20
    ).to_dict()  # fmt: skip
    store.record(run.id, 21, {"train/loss": 0.5}, {"remarks": [critical]})
    until(lambda: cursor(store, run).remarks)
    assert ["log", 21, {"train/loss": 0.5}] in told(store, run)
    assert not [line for line in told(store, run) if line[0] == "close"]
    store.update(run.id, status=Status.FAILED, ended=5.0)
    work.join(20)
    assert told(store, run)[-1][:2] == ["close", "failed"]
    assert [line for line in told(store, run) if line[0] == "remarked"] == [["remarked", "nan"]]


def test_a_training_that_was_killed_is_closed_and_told(store, run):
    process = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
    store.update(run.id, status=Status.RUNNING, pid=process.pid, pid_started=process_of(process.pid)[1], ended=None)
    process.kill()
    process.wait()
    follower(store.root, run.id, "kept").follow()
    assert store.get(run.id).status is Status.INTERRUPTED
    assert told(store, run)[-1][:2] == ["close", "interrupted"]


def test_a_process_that_was_killed_goes_on_and_one_that_hangs_is_begun_anew(store, run):
    """Nothing is sent twice, nothing is left out."""
    assert in_process(store, run, "troubled").returncode == -9
    torn = cursor(store, run, "troubled")
    assert torn.is_open and torn.sending and not torn.row
    assert in_process(store, run, "troubled").returncode == 0
    assert logged(store, run, "troubled") == recorded(store, run)
    lines = [line[0] for line in told(store, run, "troubled")]
    assert lines.count("open") == 3 and lines[-1] == "close"  # killed, hanging, and the one that came to the end
    assert cursor(store, run, "troubled").problem == ""


def test_a_tracker_that_raises_is_tried_some_times_and_then_said(store, run, monkeypatch):
    def again(command):
        raise InterruptedError

    monkeypatch.setattr("core.runs.tracking.follower.restart", again)
    monkeypatch.setitem(kinds.BY_KEY, "raises", made_trackers.kind_of("raises"))
    with pytest.raises(InterruptedError):
        follower(store.root, run.id, "raises").follow()
    with pytest.raises(RunError, match=r"no answer from https://…@tracker.test/api.* What is missing there is sent by"):
        follower(store.root, run.id, "raises").follow()
    kept = cursor(store, run, "raises")
    assert kept.failures == 2 and kept.is_open and not kept.closed
    assert kept.problem == "Raises could not be told (ValueError: no answer from https://…@tracker.test/api)."
    assert logged(store, run, "raises") == recorded(store, run)  # once, at the first try
    written = "".join(path.read_text() for path in store.tracking_folder(run.id).glob("raises.*"))
    assert "ValueError" in written and "geheim" not in written
    (state,) = states(store, run)
    assert state.is_problem and f"python -m core track {run.id} --to raises" in state.sentence


def test_of_two_only_one_sends(store, run, monkeypatch):
    monkeypatch.setattr("core.runs.tracking.follower.WAIT_SECONDS", 0.1)
    store.update(run.id, status=Status.RUNNING, pid=this_process()[0], pid_started=this_process()[1], ended=None)
    threads = [threading.Thread(target=follower(store.root, run.id, "kept").follow, args=(True,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: cursor(store, run).row)
    with pytest.raises(RunError, match="Another process sends the run"):
        follower(store.root, run.id, "kept").follow()
    store.update(run.id, status=Status.FINISHED, ended=5.0)
    for thread in threads:
        thread.join(20)
    assert logged(store, run) == recorded(store, run)
    assert [line[0] for line in told(store, run)].count("open") == 1


def test_a_deleted_run_ends_it_and_stays_away(store, run):
    store.update(run.id, status=Status.RUNNING, pid=this_process()[0], pid_started=this_process()[1], ended=None)
    results = []
    work = threading.Thread(target=lambda: results.append(follower(store.root, run.id, "kept").follow()))
    work.start()
    until(lambda: cursor(store, run).row)
    store.update(run.id, status=Status.STOPPED, ended=None)
    Bin(store).delete(run.id)
    work.join(20)
    assert len(results) == 1


def test_a_damaged_cursor_is_said(store, run):
    path = store.tracking_folder(run.id) / "kept.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"row": "seven"}')
    with pytest.raises(RunError, match="delete it, and the run is sent anew"):
        Cursor.read(path)

"""core/cli/chosen_run.py: "last" is the newest run that has something for the command, and it is said which."""

import pytest

from core import LabError, RunError
from core.cli.chosen_run import (
    ANY,
    ENDED,
    EVALUATED,
    HAS_MODEL,
    JUDGED,
    LIVE,
    RECORDED,
    RESUMABLE,
    TRAINED,
    chosen_run,
)
from core.runs.schema import Status
from tests.core.runs.fake_training import leave_checkpoint

FIGURES = {"AP": 0.5}


@pytest.fixture
def store(fake_store):
    return fake_store


def made(store, status, name=None, *, evaluated=False, checkpoint=False, recorded=False):
    run = store.create({}, name)
    if evaluated:
        store.add_evaluation(run.id, 0, 0, FIGURES)
    if recorded:
        store.record(run.id, 1, {"train/loss": 1.0})
    if checkpoint:
        leave_checkpoint(store.checkpoint(run.id, "last"))
    store.update(run.id, status=status, message="The model x is missing." if status is Status.FAILED else None)
    return run.id


@pytest.fixture
def runs(store):
    """A run of each kind, the oldest first: the newest has failed before it began."""
    return {
        "done": made(store, Status.FINISHED, "good one", evaluated=True, recorded=True),
        "broken": made(store, Status.FAILED, recorded=True, checkpoint=True),
        "stopped": made(store, Status.STOPPED),
        "live": made(store, Status.RUNNING),
        "failed": made(store, Status.FAILED),
    }


@pytest.mark.parametrize(("purpose", "which"), [
    (EVALUATED, "done"), (RECORDED, "broken"), (RESUMABLE, "stopped"), (LIVE, "live"), (ENDED, "failed"),
    (ANY, "failed"),
])  # fmt: skip
def test_last_is_the_newest_with_something_for_the_command_and_it_is_said_which(store, runs, capsys, purpose, which):
    assert chosen_run(store, "last", purpose).id == runs[which]
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"last: the run {runs[which]}") and ("newer" in err) == (which != "failed")
    assert ("(good one)" in err) == (which == "done")


def test_a_failed_run_with_a_checkpoint_can_be_resumed_and_one_without_is_not_the_last(store, capsys):
    broken = made(store, Status.FAILED, checkpoint=True)
    made(store, Status.FAILED)
    assert chosen_run(store, "last", RESUMABLE).id == broken


def test_results_and_evaluations_are_no_training_and_results_no_model(store):
    trained = made(store, Status.FINISHED, evaluated=True, checkpoint=True)
    others = []
    imported = {"imported": {"gt": "x", "images": None}}
    for config in ({**imported, "evaluation": {}}, imported):
        run = store.create(config)
        store.add_evaluation(run.id, 0, 0, FIGURES)
        store.update(run.id, status=Status.FINISHED, label_map={"names": ["car"], "category_ids": [1]})
        others.append(run.id)
    newest = {EVALUATED: others[1], JUDGED: others[0], TRAINED: trained, HAS_MODEL: trained}
    assert {purpose: chosen_run(store, "last", purpose).id for purpose in newest} == newest


def test_a_run_that_is_named_is_that_one_whatever_it_has_and_nothing_is_said(store, runs, capsys):
    assert chosen_run(store, runs["failed"], EVALUATED).id == runs["failed"]
    assert capsys.readouterr() == ("", "")


def test_without_such_a_run_the_newest_is_named_with_its_reason(store):
    with pytest.raises(RunError, match="There is no run yet"):
        chosen_run(store, "last", EVALUATED)
    failed = made(store, Status.FAILED)
    with pytest.raises(LabError, match=rf"no run that is evaluated; the newest, {failed}, is failed \(The model x is "):
        chosen_run(store, "last", EVALUATED)

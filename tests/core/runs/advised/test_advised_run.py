"""What the doctor advises of a run, as another run: its settings, its words, and when it is refused."""

from dataclasses import replace

import pytest

from core import PROJECT, RunError
from core.config import STARTER, TrainConfig
from core.presets import PRESETS
from core.runs.advised.advised_run import advised_run, differences
from core.runs.manager import JobManager
from core.runs.schema import Status
from core.runs.store import RunStore
from core.training.remark import Level, Remark

REMARK = Remark(
    rule="learning_rate_too_high", level=Level.CRITICAL, title="The learning rate is too high", cause="It is.",
    evidence="9 was 5.", advice="Start again.", step=7, changes={"lr": 5e-5, "warmup_steps": 100},
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path)
    yield store
    store.close()


def told(store, street, changes=REMARK.changes, **settings):
    """A run of which the doctor says what REMARK says, with these changes."""
    config = PRESETS["Built-in demo"].apply(TrainConfig(data=str(street), model=str(PROJECT / STARTER)))
    run = store.create(replace(config, **settings).to_dict(), "demo", process=(1, 1.0))
    store.update(run.id, status=Status.FINISHED, remarks=[replace(REMARK, changes=changes).to_dict()])
    return store.get(run.id)


def test_the_run_differs_by_what_was_advised_and_says_so(store, street):
    run = told(store, street)
    advised = advised_run(store, run.id, REMARK.rule)
    assert advised.config == replace(TrainConfig.from_dict(run.config), lr=5e-5, warmup_steps=100)
    assert advised.name == "lr 5e-05, warmup_steps 100 · demo"
    assert advised.notes == (
        f"As the doctor advised of the run {run.id} (The learning rate is too high): “Learning rate” (lr) from 2e-05 "
        "to 5e-05; “Warm-up steps” (warmup_steps) from 0 to 100."
    )


def test_it_is_queued_with_its_name_and_notes(store, street):
    advised = advised_run(store, told(store, street).id, REMARK.rule)
    manager = JobManager(store, command=lambda run_id: ["true"])
    try:
        run = manager.submit(advised.config, advised.name, advised.notes)
        assert (run.name, run.notes) == (advised.name, advised.notes)
    finally:
        manager.shutdown()


@pytest.mark.parametrize(
    ("changes", "settings", "words"),
    [
        ({}, {}, "is about no setting"),
        ({"lr": 7.0}, {}, "lr is 7.0, but must lie between"),
        ({"unheard_of": 1}, {}, "Unknown setting"),
        ({"shortest_edge": 800, "longest_edge": 1333}, {}, "objects have a size that it does not know"),
        ({"augment": "flip, scale and crop"}, {}, "cost a small model 20 AP"),
    ],
)
def test_what_cannot_be_followed_or_would_spoil_the_model_is_refused(store, street, changes, settings, words):
    run = told(store, street, changes, **settings)
    with pytest.raises(RunError, match=words):
        advised_run(store, run.id, REMARK.rule)


def test_what_spoiled_the_run_before_is_no_reason_to_refuse(store, street):
    run = told(store, street, {"lr": 2e-4}, shortest_edge=800, longest_edge=1333)
    assert advised_run(store, run.id, REMARK.rule).config.shortest_edge == 800


def test_the_same_is_not_queued_twice(store, street):
    run = told(store, street)
    waiting = store.create(advised_run(store, run.id, REMARK.rule).config.to_dict())
    with pytest.raises(RunError, match=f"The run {waiting.id} has these settings, and waits or trains already"):
        advised_run(store, run.id, REMARK.rule)


def test_a_remark_that_is_gone_and_a_run_that_was_not_trained_are_refused(store, street):
    run = told(store, street)
    with pytest.raises(RunError, match="no longer says that"):
        advised_run(store, run.id, "plateau")
    store.update(run.id, config={"imported": {"gt": "a", "dt": "b", "images": "c"}})
    with pytest.raises(RunError, match="about no setting"):
        advised_run(store, run.id, REMARK.rule)


def test_the_settings_of_a_newer_version_are_refused(store, street):
    run = told(store, street)
    store.update(run.id, config={**run.config, "unheard_of": 1})
    with pytest.raises(RunError, match="cannot be taken: Unknown setting 'unheard_of'"):
        advised_run(store, run.id, REMARK.rule)


def test_without_a_difference_there_are_no_words():
    assert differences(TrainConfig(), TrainConfig()) == ""

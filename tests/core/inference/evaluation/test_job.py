"""An evaluation as a job: in the queue, stopped, killed and begun anew, and beside trainings in every list."""

import threading

import pytest

from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.job import Done, create_evaluations, follow_evaluation
from core.runs.manager import JobManager, close_dead_runs
from core.runs.queue import RunQueue, queue_differences
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.inference.onnx.tiny import tiny_onnx
from tests.core.runs.waiting import over


@pytest.fixture
def store(tmp_path):
    with_runs = RunStore(tmp_path)
    yield with_runs
    with_runs.close()


@pytest.fixture
def config(tmp_path, street):
    return EvaluationConfig((str(tiny_onnx(tmp_path / "model")),), str(street))


def test_it_says_how_far_it_is_and_ends_with_one_evaluation(store, config):
    (run,) = create_evaluations(store, [config], "Mine")
    steps = list(follow_evaluation(store, run.id))
    assert steps[0] == Done(0, 0) and steps[1] == Done(0, 6)
    run = store.get(run.id)
    assert (run.status, run.name, run.label) == (Status.FINISHED, "Mine", "Evaluated")
    assert len(store.evaluations(run.id)) == 1 and run.seconds_left is None and run.steps == 0


def test_stopped_it_leaves_nothing_and_begins_anew_when_resumed(store, config):
    (run,) = create_evaluations(store, [config])
    stop = threading.Event()
    stop.set()
    list(follow_evaluation(store, run.id, stop))
    stopped = store.get(run.id)
    assert stopped.status is Status.STOPPED and stopped.message == "Stopped before its first image."
    assert not store.evaluations(run.id)
    RunQueue(store).requeue(run.id)
    list(follow_evaluation(store, run.id))
    assert store.get(run.id).status is Status.FINISHED


def test_one_whose_process_died_is_kept_to_be_begun_anew(store, config):
    (run,) = create_evaluations(store, [config], process=(999_999_999, 1.0))
    close_dead_runs(store)
    assert store.get(run.id).status is Status.INTERRUPTED
    assert RunQueue(store).requeue(run.id).status is Status.QUEUED


def test_the_queue_tells_it_from_a_training(store, config):
    runs = create_evaluations(store, [config, EvaluationConfig(config.model, config.data, tiles=2)])
    words = queue_differences(runs)
    assert words[runs[0].id] == "evaluation: street · model.onnx, tiles 1"
    assert words[runs[1].id] == "evaluation: street · model.onnx, tiles 2"
    assert runs[1].name == "model.onnx on street val, 2 × 2 tiles"


@pytest.mark.ci
def test_the_manager_carries_it_out_in_a_child_and_an_error_is_its_status(store, config, tmp_path):
    manager = JobManager(store)
    try:
        gone = tiny_onnx(tmp_path / "gone")
        good, bad = create_evaluations(store, [config, EvaluationConfig((str(gone),), config.data)])
        gone.unlink()
        over(store, bad.id)
    finally:
        manager.shutdown()
    assert store.get(good.id).status is Status.FINISHED, store.get(good.id).message
    assert store.get(bad.id).status is Status.FAILED and "is not there" in store.get(bad.id).message

"""A run's decoder states are kept as long as its tables are, and where there are none it is said why and what to do."""

import pytest

from core import RunError
from core.datasets.split import read_split
from core.evaluation.alike.path import states_path
from core.evaluation.alike.states import read_states
from core.runs.evaluated.states import states_of
from core.runs.recorder import Recorder
from tests.core.runs.watching import record_epochs, record_run
from tests.invented import invented, invented_run, invented_states


def files(store, run):
    return sorted(path.name for path in (store.folder(run.id) / "tables").iterdir())


def test_states_stay_beside_the_tables_of_the_baseline_the_best_and_the_last(store, street):
    run = invented_run(store, street, (0.2, 0.3, 0.4, 0.5, 0.6, 0.6))
    kept = [f"epoch_000{epoch}" for epoch in (0, 3, 5)]
    assert files(store, run) == sorted(name + end for name in kept for end in (".parquet", ".states.parquet"))
    for evaluation in store.evaluations(run.id):
        if evaluation.table:
            assert len(states_of(run, evaluation)) > 20


def test_what_a_killed_training_wrote_and_did_not_record_goes_and_the_rest_stays(store, street):
    run = invented_run(store, street, (0.2, 0.5))
    before = files(store, run)
    for name in ("epoch_0007.parquet", "epoch_0007.states.parquet"):
        (store.folder(run.id) / "tables" / name).write_text("not recorded")
    with Recorder(store, run.id):
        pass
    assert files(store, run) == before


def test_an_epoch_that_is_evaluated_again_without_states_has_none(store, street):
    run = invented_run(store, street, (0.2, 0.5))
    split = read_split(street, "val")
    record_epochs(store, run.id, [1], 1, lambda *_, epoch: invented(split, 0.5))
    evaluation = store.evaluations(run.id)[1]
    assert evaluation.table.is_file() and read_states(evaluation.table) is None
    record_epochs(store, run.id, [1], 1, lambda *_, epoch: invented(split, 0.5), invented_states)
    assert read_states(evaluation.table)


def test_of_an_older_run_it_is_said_to_evaluate_again(store, street):
    run = record_run(store, street, epochs=1)
    with pytest.raises(RunError, match="evaluate it again: Results, Evaluate a model"):
        states_of(run, store.evaluations(run.id)[-1])


@pytest.mark.parametrize(("config", "says"), [
    ({"imported": {"gt": "a"}}, "another tool's results"),
    ({"imported": {"gt": "a", "onnx": "a.onnx"}, "evaluation": {}}, "an ONNX file gives boxes alone"),
    ({"imported": {"gt": "a"}, "evaluation": {"tiles": 2}}, "of tiles no states are kept"),
    ({"imported": {"gt": "a"}, "evaluation": {"tiles": 1}}, "evaluate it again"),
])  # fmt: skip
def test_why_there_are_none_is_said(store, street, config, says):
    run = record_run(store, street, epochs=1)
    store.update(run.id, config={**run.config, **config})
    with pytest.raises(RunError, match=says):
        states_of(store.get(run.id), store.evaluations(run.id)[-1])


def test_a_damaged_file_and_one_without_any_state_are_told_of(store, street):
    run = invented_run(store, street, (0.2, 0.5))
    evaluation = store.evaluations(run.id)[-1]
    states_path(evaluation.table).write_text("damaged")
    with pytest.raises(RunError, match="are damaged"):
        states_of(run, evaluation)
    split = read_split(street, "val")
    record_epochs(
        store, run.id, [1], 1, lambda *_, epoch: invented(split, 0.5), lambda found: invented_states(found)[:0]
    )
    with pytest.raises(RunError, match="found nothing"):
        states_of(run, evaluation)

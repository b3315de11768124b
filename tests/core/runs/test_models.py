"""Which models of a run can be looked at, and by which names."""

import pytest

from core.config import STARTER, TrainConfig
from core.runs.models import RunModel, baseline_of, evaluated_models, run_settings
from core.runs.schema import Evaluation
from core.runs.store import RunStore


def evaluations(*epochs: int, best: tuple[int, ...] = ()) -> list[Evaluation]:
    return [Evaluation("20261128-020332-1621", e, 10 * e, 0.0, {}, e in best, None) for e in epochs]


@pytest.mark.parametrize(
    ("epochs", "best", "models"),
    [
        ((), (), {}),
        ((0,), (0,), {"untouched": 0}),
        ((0, 1), (0, 1), {"best": 1, "untouched": 0}),
        ((0, 1, 2), (0, 1), {"best": 1, "last": 2, "untouched": 0}),
        ((0, 2), (0,), {"last": 2, "untouched": 0}),
        ((0, 1, 3), (0, 1, 3), {"best": 3, "untouched": 0}),
        ((3, 4), (3,), {"best": 3, "last": 4}),
        ((4,), (), {"last": 4}),
    ],
)
def test_the_best_the_last_and_the_untouched_model_are_named_once_each_in_this_order(epochs, best, models):
    named = evaluated_models(evaluations(*epochs, best=best))
    assert {name: e.epoch for name, e in named.items()} == models and list(named) == list(models)
    assert all(type(name) is str for name in named)


def test_the_baseline_is_the_evaluation_before_the_first_step():
    both = evaluations(0, 1)
    assert baseline_of(both) is both[0]
    assert baseline_of(both[1:]) is None and baseline_of([]) is None


def test_the_untouched_model_answers_to_both_its_names():
    assert [RunModel.from_name(name) for name in RunModel.names()] == [RunModel.BASELINE, *RunModel]
    with pytest.raises(ValueError, match="middle"):
        RunModel.from_name("middle")


def test_a_checkpoint_leads_to_the_settings_of_its_run(tmp_path):
    store = RunStore(tmp_path)
    run = store.create(TrainConfig(epochs=7).to_dict())
    imported = store.create({"imported": {"gt": "a", "dt": "b", "images": "c"}})
    settings = TrainConfig(epochs=7)
    assert run_settings(store, str(store.checkpoint(run.id, "best"))) == settings
    assert run_settings(store, f"checkpoints/{run.id}/last", tmp_path) == settings
    for model in (STARTER, "facebook/detr-resnet-50", "random", "checkpoints/someone/model", "", "a\x00b",
                  f"checkpoints/{imported.id}/best"):  # fmt: skip
        assert run_settings(store, model, tmp_path) is None, model
    store.update(run.id, config={"unheard_of": 1})
    assert run_settings(store, f"checkpoints/{run.id}/last", tmp_path) is None
    store.close()

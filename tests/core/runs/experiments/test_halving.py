"""core/runs/experiments/halving.py: who goes on, and that it depends on the record alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.runs.experiments.halving import Standing, budget, plan_rungs, promotions

# Rungs


@pytest.mark.parametrize(
    "epochs, eta, settings_, every, rungs",
    [
        (9, 3, 9, 1, (1, 3)), (27, 3, 9, 1, (3, 9)), (10, 2, 4, 1, (3, 5)), (10, 2, 4, 2, (4, 6)), (9, 3, 3, 1, (3,)),
        (9, 3, 1, 1, ()), (9, 3, 2, 1, ()), (1, 3, 9, 1, ()), (4, 2, 16, 1, (1, 2)), (10, 3, 9, 10, ()),
    ],
)  # fmt: skip
def test_rungs_are_evaluated_epochs_before_the_last(epochs, eta, settings_, every, rungs):
    assert plan_rungs(epochs, eta, settings_, every) == rungs


@given(st.integers(1, 200), st.integers(2, 4), st.integers(1, 60), st.integers(1, 12))
def test_rungs_leave_something_to_choose_and_never_cost_more_than_all(epochs, eta, settings_, every):
    rungs = plan_rungs(epochs, eta, settings_, every)
    assert list(rungs) == sorted(set(rungs)) and all(rung % every == 0 and 0 < rung < epochs for rung in rungs)
    assert settings_ // eta ** len(rungs) >= 1
    assert budget(rungs, epochs, eta, settings_) <= settings_ * epochs


# Simulated trainings


def simulate(aps, rungs, epochs, eta, seeds=1, broken=()):
    """Work off an experiment as the queue does; aps: by setting, of each epoch. The runs, and epochs trained."""
    runs = {
        f"{setting} {seed}": Standing(f"{setting} {seed}", setting, {}, True, rungs[0] if rungs else None)
        for seed in range(seeds) for setting in range(len(aps))
    }  # fmt: skip
    done, trained = dict.fromkeys(runs, 0), 0
    while queue := [run for run in runs.values() if run.is_live]:
        one = queue[0]
        to = one.pause_epoch or epochs
        if one.run in broken and to >= broken[one.run]:
            trained += broken[one.run] - done[one.run]
            runs[one.run] = replace(one, is_live=False)
        else:
            trained += to - done[one.run]
            done[one.run] = to
            reached = {rung: max(aps[one.setting][:rung]) for rung in rungs if rung <= to}
            runs[one.run] = replace(one, is_live=False, aps=reached, may_go_on=one.pause_epoch is not None)
        for run, pause in promotions(list(runs.values()), rungs, eta).items():
            runs[run] = replace(runs[run], is_live=True, pause_epoch=pause, may_go_on=False)
    return runs, done, trained


cases = st.tuples(st.integers(2, 30), st.integers(2, 3), st.integers(2, 12), st.integers(1, 3))


@given(cases, st.data())
@settings(max_examples=60)
def test_the_best_survives_if_it_leads_at_every_rung_and_the_budget_is_as_said(case, data):
    epochs, eta, number, seeds = case
    order = data.draw(st.permutations(range(number)))
    aps = [[0.01 * rank + 0.001 * epoch for epoch in range(epochs)] for rank in order]
    rungs = plan_rungs(epochs, eta, number)
    _, done, trained = simulate(aps, rungs, epochs, eta, seeds)
    best = order.index(max(order))
    assert all(done[f"{best} {seed}"] == epochs for seed in range(seeds))
    assert trained == seeds * budget(rungs, epochs, eta, number)


@given(cases, st.data())
@settings(max_examples=60)
def test_whatever_breaks_off_the_others_come_to_an_end(case, data):
    epochs, eta, number, seeds = case
    aps = data.draw(
        st.lists(st.lists(st.floats(0, 1), min_size=epochs, max_size=epochs), min_size=number, max_size=number)
    )
    names = [f"{setting} {seed}" for setting in range(number) for seed in range(seeds)]
    broken = data.draw(st.dictionaries(st.sampled_from(names), st.integers(1, epochs), max_size=len(names) - 1))
    rungs = plan_rungs(epochs, eta, number)
    runs, done, _ = simulate(aps, rungs, epochs, eta, seeds, broken)
    assert not any(run.is_live for run in runs.values())
    if not all(name in broken for name in names if done[name] >= (rungs[0] if rungs else epochs)):
        assert any(reached == epochs for reached in done.values()) or broken


def standing(name, ap=None, rung=1, **changes):
    return Standing(
        name, name, {} if ap is None else {rung: ap}, **{"pause_epoch": 1, "may_go_on": ap is not None} | changes
    )


def test_nothing_goes_on_while_a_run_is_on_its_way_to_the_rung():
    three = [standing("a", 0.1), standing("b", 0.2), standing("c", None, is_live=True)]
    assert promotions(three, (1,), 3) == {}
    assert promotions(three[:2], (1,), 3) == {"b": None}


def test_a_setting_is_judged_by_the_median_of_its_seeds():
    aps = {"a": (0.1, 0.5, 0.1), "b": (0.2, 0.2, 0.3)}
    runs = [
        Standing(f"{name}{i}", name, {1: ap}, False, 1, True) for name, of_seeds in aps.items()
        for i, ap in enumerate(of_seeds)
    ]  # fmt: skip
    assert promotions(runs, (1, 2), 2) == {"b0": 2, "b1": 2, "b2": 2}


def test_what_went_on_already_does_not_again_and_the_rest_does_after_a_kill_in_between():
    runs = [standing("a", 0.4), standing("b", 0.3), standing("c", 0.1), standing("d", 0.2)]
    assert promotions(runs, (1, 3), 2) == {"a": 3, "b": 3}
    runs[0] = replace(runs[0], pause_epoch=3, is_live=True, may_go_on=False)
    assert promotions(runs, (1, 3), 2) == {"b": 3}


def test_a_run_that_its_user_stopped_at_the_rung_stays_stopped_and_holds_up_nobody():
    runs = [standing("a", 0.4, may_go_on=False), standing("b", 0.3), standing("c", 0.1), standing("d", 0.2)]
    assert promotions(runs, (1,), 2) == {"b": None}


def test_a_run_that_reaches_its_rung_late_goes_on_if_it_is_good_enough():
    runs = [
        standing("a", 0.4, pause_epoch=None, may_go_on=False), standing("b", 0.1), standing("c", 0.2),
        standing("d", 0.3),
    ]  # fmt: skip
    assert promotions(runs, (1,), 2) == {"d": None}
    assert promotions([*runs[:3], standing("d", 0.15)], (1,), 2) == {"c": None}

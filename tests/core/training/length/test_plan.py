"""From minutes to epochs, by a clock that only the test moves: a training ends when it should, at whatever speed."""

from math import ceil
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import TrainConfig
from core.detr.input.transforms import size_share
from core.training.length.length import Length
from core.training.length.plan import LEAST_EPOCHS, Pace, first_plan
from core.training.step import learning_rate_factor


class Simulated:
    """A training by minutes of which every step, evaluation and checkpoint takes what the test says."""

    def __init__(
        self, minutes, most_steps, step, evaluation, saving=0.0, loading=5.0, start_size=1.0, slower=(2.0, 1.0)
    ):
        self.now, self.begun = 1000.0, 1000.0
        self.most_steps, self.seconds, self.slower = most_steps, 60 * minutes, slower
        self.step_seconds, self.evaluation, self.saving = step, evaluation, saving
        config = TrainConfig(minutes=minutes, start_size=start_size)
        self.cost = lambda epoch, epochs: size_share(start_size, epoch, epochs) ** 2
        self.length = Length(config, most_steps, self.cost, self.now, lambda: self.now)
        self.epoch, self.step, self.epoch_start = 0, 0, 0
        self.evaluated, self.plans = [], []
        self.now += loading

    def evaluate(self):
        self.now += self.evaluation
        self.length.evaluated(self.evaluation)
        self.evaluated.append(self.epoch)

    def save(self):
        self.now += self.saving
        self.length.saved(self.saving)

    def take_plan(self):
        evaluated = self.evaluated[-1]
        self.length.plan = self.length.next_plan(self.epoch, self.step, self.epoch_start, evaluated)
        self.plans.append(self.length.plan)

    def make_steps(self):
        """As `Training.train_epoch`; where there is a plan, all steps of an epoch at once."""
        length = self.length
        length.begin_steps(self.step)
        while (left := length.steps_per_epoch - (self.step - self.epoch_start)) > 0:
            steps = left if length.plan else 1
            speed = self.slower[0] if self.now - self.begun > self.slower[1] * self.seconds else 1
            self.now += steps * speed * self.step_seconds * self.cost(self.epoch, length.epochs or 10**9)
            self.step += steps
            if length.plan is None and length.is_measured():
                return self.take_plan()
        self.epoch, self.epoch_start = self.epoch + 1, self.step

    def run(self):
        """As `train.py`; return the seconds that it took."""
        self.evaluate()
        while not self.length.is_over(self.epoch):
            self.make_steps()
            if self.step != self.epoch_start:
                self.save()
                continue
            if self.length.is_saved(self.epoch, self.evaluated[-1]):
                if not self.length.is_over(self.epoch):
                    self.take_plan()
                self.save()
            if self.length.is_evaluated(self.epoch, self.evaluated[-1]):
                self.evaluate()
        return self.now - self.begun


speeds = {
    "minutes": st.floats(5, 20),
    "most_steps": st.sampled_from([3, 10, 30, 100, 300, 3000]),
    "step": st.floats(0.1, 2),
    "evaluation": st.floats(0.1, 10),
}


@settings(max_examples=16)
@given(st.fixed_dictionaries(speeds), st.floats(0, 2))
def test_at_an_even_speed_it_ends_within_three_percent_of_its_minutes(speeds, saving):
    run = Simulated(**speeds, saving=saving)
    assert run.run() == pytest.approx(run.seconds, rel=0.03, abs=2 * run.step_seconds)


@settings(max_examples=16)
@given(st.fixed_dictionaries(speeds), st.floats(0.4, 2.5), st.floats(0.0, 0.6))
def test_where_the_speed_changes_it_ends_within_a_few_percent_all_the_same(speeds, slower, at):
    run = Simulated(**speeds, slower=(slower, at))
    assert run.run() == pytest.approx(run.seconds, rel=0.06, abs=5 * run.step_seconds)


@settings(max_examples=10)
@given(st.floats(0.3, 2), st.sampled_from([100, 1000]), st.sampled_from([0.25, 0.5]))
def test_images_that_grow_are_reckoned_with(step, most_steps, start_size):
    run = Simulated(10, most_steps, step, evaluation=3, start_size=start_size)
    assert run.run() == pytest.approx(run.seconds, rel=0.06, abs=5 * run.step_seconds)


@settings(max_examples=16)
@given(st.fixed_dictionaries(speeds), st.floats(0.4, 2.5), st.floats(0.0, 0.9))
def test_the_schedule_ends_at_its_end_and_the_last_epoch_is_evaluated(speeds, slower, at):
    run = Simulated(**speeds, slower=(slower, at))
    run.run()
    steps = run.length.steps(run.epoch, run.epoch_start)
    assert steps == run.step and learning_rate_factor(steps - 1, steps, TrainConfig(schedule="cosine")) < 3 / steps
    assert run.evaluated[0] == 0 and run.evaluated[-1] == run.epoch == run.length.epochs


@settings(max_examples=16)
@given(st.fixed_dictionaries(speeds))
def test_evaluations_take_some_tenth_of_the_time_and_none_is_made_twice(speeds):
    run = Simulated(**speeds)
    seconds = run.run()
    after = [epoch for epoch in run.evaluated if epoch]
    assert after == sorted(set(after))
    assert (len(after) - 1) * run.evaluation <= 0.15 * seconds


@settings(max_examples=16)
@given(st.fixed_dictionaries(speeds))
def test_no_epoch_is_longer_than_one_pass_and_few_passes_are_cut_into_parts(speeds):
    run = Simulated(**speeds)
    run.run()
    assert all(1 <= plan.steps_per_epoch <= run.most_steps for plan in run.plans)
    if run.step >= 10 * LEAST_EPOCHS:
        assert run.epoch >= 0.7 * LEAST_EPOCHS


def test_few_images_have_many_epochs_of_which_some_are_evaluated():
    plan = first_plan(1200, Pace(0.2, 3), most_steps=8, begun=4, eval_every=1, cost=lambda *_: 1.0)
    assert plan.steps_per_epoch == 8 and 650 < plan.epochs < 750
    assert plan.epochs / plan.eval_every <= 40
    rare = first_plan(1200, Pace(0.2, 3), most_steps=8, begun=4, eval_every=100, cost=lambda *_: 1.0)
    assert rare.eval_every == 100  # what the settings ask for is not made more


def test_of_more_images_than_there_is_time_for_an_epoch_is_a_part():
    plan = first_plan(600, Pace(1, 10), most_steps=30_000, begun=3, eval_every=1, cost=lambda *_: 1.0)
    assert plan.epochs == LEAST_EPOCHS and plan.epochs * plan.steps_per_epoch == pytest.approx(540, abs=20)


@pytest.mark.parametrize("seconds", [0.0, -50.0, 0.1, 10.0])
def test_where_the_time_is_over_before_the_plan_one_short_epoch_is_left(seconds):
    plan = first_plan(seconds, Pace(5, 30), most_steps=100, begun=3, eval_every=1, cost=lambda *_: 1.0)
    assert plan.epochs == 1 and plan.steps_per_epoch <= max(3, ceil(seconds / 5))


@pytest.mark.parametrize("saving", [0.0, 3.0])
def test_checkpoints_between_evaluations_take_a_tenth_of_the_time_at_most(saving):
    run = Simulated(minutes=10, most_steps=4, step=0.2, evaluation=2, saving=saving)
    saved = []
    run.length.saved, real = lambda seconds: (saved.append(seconds), real(seconds)), run.length.saved
    assert run.run() == pytest.approx(600, rel=0.03)
    between = len(saved) - len(run.evaluated)
    assert between * saving <= 0.12 * 600 and (saving or len(saved) >= run.epoch)


@settings(max_examples=12)
@given(st.fixed_dictionaries(speeds), st.floats(0.1, 0.9))
def test_a_training_that_goes_on_later_has_the_time_that_was_left(speeds, part):
    run = Simulated(**speeds)
    run.evaluate()
    while not run.length.is_over(run.epoch) and (
        run.now - run.begun < part * run.seconds or run.step != run.epoch_start
    ):
        run.make_steps()
        if run.step == run.epoch_start and not run.length.is_over(run.epoch):
            run.take_plan()
    used, state, before = run.now - run.begun, run.length.state(), run.length.plan
    run.now += 10_000  # nobody trains
    run.begun = run.now
    config = TrainConfig(minutes=run.seconds / 60)
    resumed = Length(config, run.most_steps, run.cost, run.now, lambda: run.now)
    resumed.restore(SimpleNamespace(**state), run.length.steps_per_epoch)
    assert resumed.plan == before
    run.length = resumed
    if run.length.is_over(run.epoch):
        return
    while not run.length.is_over(run.epoch):
        run.make_steps()
        if not run.length.is_over(run.epoch):
            run.take_plan()
        if run.length.is_evaluated(run.epoch, run.evaluated[-1]):
            run.evaluate()
    assert used + run.now - run.begun == pytest.approx(run.seconds, rel=0.06, abs=5 * run.step_seconds)


def test_a_training_by_epochs_has_its_plan_at_once_and_keeps_nothing_of_the_time():
    length = Length(TrainConfig(epochs=7, eval_every=3), 12, lambda *_: 1.0)
    assert (length.epochs, length.steps_per_epoch, length.steps(0, 0)) == (7, 12, 84)
    assert [epoch for epoch in range(1, 8) if length.is_evaluated(epoch, 0)] == [3, 6, 7]
    assert (
        length.is_evaluated(0, None) and all(length.is_saved(epoch, 0) for epoch in range(8)) and length.state() is None
    )

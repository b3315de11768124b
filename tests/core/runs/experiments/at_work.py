"""Experiments of trainings that are the tests' stand-in: queued, worked off, looked at."""

from dataclasses import replace

from core import ConfigError
from core.runs.experiments.halving import advance
from core.runs.experiments.kinds import KINDS, queue_experiment
from core.runs.experiments.record import Experiments
from core.runs.experiments.settings import SweepSettings
from core.training.events import Evaluated, StepDone
from tests.core.runs import fake_training
from tests.core.runs.fake_training import figures
from tests.core.runs.waiting import until

SWEEP, FOLDS, CURVE = KINDS["sweep"], KINDS["folds"], KINDS["learning-curve"]


def lr_decides(config, folder, resume=False):
    """The stand-in of a training, whose AP is 1,000 times its learning rate, a little more with each seed."""
    kind = "endless" if config.lr == 0.9e-3 else "short"
    for event in fake_training.train(replace(config, data=kind), folder, resume):
        if isinstance(event, Evaluated) and event.epoch:
            ap = 1000 * config.lr + 0.001 * event.epoch + 0.002 * config.seed
            event = replace(event, figures=figures(ap), metrics={"val/AP": ap}, is_best=True)
        if isinstance(event, StepDone) and config.lr == 0.1e-3 and event.step == 2:
            raise ConfigError("This one fails.")
        yield event


def sweep(store, base, *values, **settings):
    return queue_experiment(store, SWEEP, base, SweepSettings(values=values, **settings))


def members(store, experiment):
    return Experiments(store).members(experiment.id)


def all_over(store, experiment):
    def none_is_live():
        return not any(one.run.is_live for one in members(store, experiment))

    def is_over():  # one may pause after the first look, or be let go on by a manager before the last
        return none_is_live() and not advance(store) and none_is_live()

    until(is_over)
    return {one.run.name.split(": ")[1]: one for one in members(store, experiment)}

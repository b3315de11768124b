"""A sweep: several values of some settings, each with several seeds, and which difference is more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

from core import ConfigError
from core.charts.experiments.settings import Trained, setting_charts
from core.config import TrainConfig
from core.config_diff import TRAIN_SETTINGS, value_text
from core.evaluation.experiments.noise import Difference, Group, best_differences, image_differences, mean_interval
from core.runs.experiments.halving import ETA, RUNGS, budget, ended_early, plan_rungs, rungs_of
from core.runs.experiments.kind import (
    Kind,
    Planned,
    Reader,
    Summary,
    Tables,
    check_number,
    is_done,
    points,
    total_steps,
)
from core.runs.experiments.record import Experiment, Member, cell_of
from core.runs.experiments.settings import SweepSettings
from core.runs.experiments.values import parse_values
from core.wording import short

NOT_WITH_HALVING = ("epochs", "minutes", "eval_every", "early_stopping")
MOST_NAMED = 4  # settings in a sentence
MOST_TABLES = 20  # settings that are compared by their images, the best ones: each takes seconds on large data
Cell = tuple[tuple[str, Any], ...]  # the values of a setting


class Sweep(Kind):
    """Values of settings and seeds, all combinations."""

    key, label = "sweep", "Sweep"
    description = "Several values of any settings, all combinations, each with several seeds."
    settings = SweepSettings

    def plan(self, base: TrainConfig, settings: SweepSettings, read: Reader) -> list[Planned]:
        """Return a run for each combination of values and each seed, those of one seed together."""
        values = swept_values(settings)
        if not values and settings.seeds < 2:
            raise ConfigError("A sweep has nothing to vary: give a setting several values, or more seeds.")
        check_number(prod(map(len, values.values())) * settings.seeds)
        rungs = self._rungs(base, settings, values)
        planned = []
        for seed, combination in product(range(base.seed, base.seed + settings.seeds), product(*values.values())):
            variant = dict(zip(values, combination, strict=True))
            try:
                config = replace(base, **variant, seed=seed)
            except ConfigError as error:
                raise ConfigError(f"{words_of(variant) or 'The seed'} cannot be trained. {error}") from None
            words = words_of(variant, seed if settings.seeds > 1 or not variant else None)
            planned.append(Planned(config, {**variant, "seed": seed}, words, pause_epoch=rungs[0] if rungs else None))
        return planned

    def _rungs(
        self, base: TrainConfig, settings: SweepSettings, values: Mapping[str, Sequence[Any]]
    ) -> tuple[int, ...]:
        """Return the rungs of halving, none without; raise ConfigError where there can be none."""
        if not settings.halving:
            return ()
        if different := next((name for name in NOT_WITH_HALVING if name in values), None):
            raise ConfigError(
                f"Halving compares settings after as many epochs: {different} cannot have several values."
            )
        if base.to_dict().get("minutes"):  # a length in minutes, where settings have one
            raise ConfigError("Halving counts epochs: set minutes to 0.")
        if base.early_stopping:
            raise ConfigError("Halving ends bad settings itself: set early_stopping to 0.")
        combinations = prod(map(len, values.values()))
        rungs = plan_rungs(base.epochs, settings.halving, combinations, base.eval_every)
        if not rungs:
            raise ConfigError(
                f"Halving by {settings.halving} has nothing to choose from {combinations} settings in {base.epochs} "
                "epochs: give more of them, or leave it out."
            )
        return rungs

    def details(self, base: TrainConfig, settings: SweepSettings) -> dict[str, Any]:
        """Return the rungs of halving."""
        rungs = self._rungs(base, settings, swept_values(settings))
        return {RUNGS: list(rungs), ETA: settings.halving} if rungs else {}

    def name(self, settings: SweepSettings) -> str:
        """Return a name that tells which settings are swept."""
        names = ", ".join(TRAIN_SETTINGS[name][0].lower() for name in swept_values(settings)) or "seeds"
        return f"Sweep of {names}"

    def summarize(self, experiment: Experiment, members: Sequence[Member], tables: Tables) -> Summary:
        """Return a chart for each setting, and which of the values are better by more than noise."""
        rungs, _ = rungs_of(experiment.plan)
        done = [member for member in members if is_done(member)]
        groups = groups_of(done)
        seeds = max((len(group.aps) for group in groups.values()), default=0)
        differences, by_images = best_differences(list(groups.values())), False
        if seeds == 1 and len(groups) > 1:
            differences, by_images = _judged_by_images(groups, done, tables), True
        sentences = [*_progress(members, rungs), *_findings(list(groups.values()), differences, by_images)]
        names = [name for name in TRAIN_SETTINGS if any(name in dict(member.cell) for member in members)]
        trained = [_trained(member, None) for member in done]
        trained += [
            _trained(member, member.run.epoch) for member in members
            if ended_early(member, rungs) and member.run.best_ap is not None
        ]  # fmt: skip
        labels = {name: TRAIN_SETTINGS[name][0] for name in names}
        charts = setting_charts(labels, trained, total_steps(members)) if trained and labels else []
        return Summary(sentences, charts, {"settings": _values(groups, differences)})


def swept_values(settings: SweepSettings) -> dict[str, tuple[Any, ...]]:
    """Return the values of each setting; raise ConfigError for what cannot be read, or is there twice."""
    values: dict[str, tuple[Any, ...]] = {}
    for text in settings.values:
        name, of_one = parse_values(text)
        if name in values:
            raise ConfigError(f"{name} is there twice: give all its values at once.")
        values[name] = of_one
    return values


def words_of(variant: Mapping[str, Any], seed: int | None = None) -> str:
    """Return a variant in words.

    >>> words_of({"lr": 1e-4, "augment": "none"}, 1)
    'lr 0.0001, augment none, seed 1'
    >>> words_of({"augment": ["flip", "zoom", "colour", "blur and noise"]})
    'augment photographs'
    """
    parts = [f"{name} {short(value_text(tuple(v) if isinstance(v, list) else v), 60)}" for name, v in variant.items()]
    return ", ".join(parts + ([f"seed {seed}"] if seed is not None else []))


def cost_words(base: TrainConfig, settings: SweepSettings, planned: Sequence[Planned]) -> str:
    """Return how many epochs halving trains, of how many, in a sentence; "" without halving."""
    rungs = [one.pause_epoch for one in planned if one.pause_epoch is not None]
    if not rungs:
        return ""
    combinations = len({cell_of(one.variant) for one in planned})
    every = plan_rungs(base.epochs, settings.halving, combinations, base.eval_every)
    epochs = settings.seeds * budget(every, base.epochs, settings.halving, combinations)
    at = ", ".join(map(str, every))
    return f"Halving after epoch {at}: {epochs:,} of {len(planned) * base.epochs:,} epochs are trained."


def groups_of(done: Sequence[Member]) -> dict[Cell, Group]:
    """Return the runs of each setting with their AP by seed, in the order in which they were queued."""
    aps: dict[Cell, dict[int, float]] = {}
    for member in done:
        aps.setdefault(member.cell, {})[member.seed] = member.run.best_ap or 0.0
    return {cell: Group(words_of(dict(cell)) or "the settings", of_seeds) for cell, of_seeds in aps.items()}


def _judged_by_images(groups: Mapping[Cell, Group], done: Sequence[Member], tables: Tables) -> list[Difference]:
    """Return how much better the best run is than the others, at most MOST_TABLES; nothing if a table is gone."""
    cells, members = list(groups), {member.cell: member for member in done}
    order = sorted(range(len(cells)), key=lambda i: -groups[cells[i]].mean)[:MOST_TABLES]
    of_runs = [tables(members[cells[i]]) for i in order]
    kept = [table for table in of_runs if table is not None]
    if len(kept) < len(of_runs):
        return []
    return [replace(one, best=order[one.best], other=order[one.other]) for one in image_differences(kept)]


def _trained(member: Member, ended: int | None) -> Trained:
    return Trained(dict(member.cell), member.seed, member.run.best_ap or 0.0, ended)


def _progress(members: Sequence[Member], rungs: Sequence[int]) -> list[str]:
    """Say what the figures do not rest on."""
    failed = sum(member.run.status == "failed" for member in members)
    early = sum(ended_early(member, rungs) for member in members)
    is_live = any(member.run.is_live for member in members)
    sentences = []
    if early and not is_live:
        sentences.append(f"{early} of {len(members)} trainings ended early, as others were better by then.")
    if failed:
        sentences.append(f"{failed} of {len(members)} trainings failed and count for nothing here.")
    return sentences


def _findings(groups: Sequence[Group], differences: Sequence[Difference], by_images: bool) -> list[str]:
    """Say which setting is best, and which are worse by more than noise."""
    if not groups:
        return ["No training has gone to its end yet."]
    best = max(groups, key=lambda group: group.mean)
    interval = mean_interval(list(best.aps.values()))
    spread = ""
    if interval.low is not None and interval.high is not None:
        spread = f", the mean of {len(best.aps)} seeds ({points(interval.low)} to {points(interval.high)})"
    if len(groups) == 1:
        return [f"With {best.label}: AP {points(best.mean)}{spread}."]
    sentences = [f"Best: {best.label}, AP {points(best.mean)}{spread}."]
    clear = [one for one in differences if one.is_clear]
    alike = [one for one in differences if not one.is_clear and one.interval.low is not None]
    if clear:
        sentences.append(f"More than noise: it is better than {_listed(groups, clear)}.")
    if alike:
        sentences.append(f"No more than noise: {_listed(groups, alike)}.")
    if not clear and not alike:
        sentences.append("Whether a difference is more than noise cannot be told: train each with two seeds or more.")
    elif not clear:
        sentences.append("So none of these settings is shown to be better than another.")
    if by_images and differences:
        sentences.append("Judged by the images alone, as each has one seed: another seed may turn it around.")
        if len(groups) > MOST_TABLES:
            sentences.append(f"Only the best {MOST_TABLES} were compared.")
    return sentences


def _listed(groups: Sequence[Group], differences: Sequence[Difference]) -> str:
    ranked = sorted(differences, key=lambda one: -(one.interval.value or 0.0))
    words = []
    for one in ranked[:MOST_NAMED]:
        low, high = one.interval.low, one.interval.high
        bounds = f" ({100 * low:+.1f} to {100 * high:+.1f})" if low is not None and high is not None else ""
        words.append(f"{groups[one.other].label} by {points(one.interval.value or 0.0)} points{bounds}")
    more = len(ranked) - MOST_NAMED
    return "; ".join(words) + (f"; and {more} more" if more > 0 else "")


def _values(groups: Mapping[Cell, Group], differences: Sequence[Difference]) -> list[dict[str, Any]]:
    to_best = {one.other: one for one in differences}
    rows = []
    for place, (cell, group) in enumerate(groups.items()):
        interval = mean_interval(list(group.aps.values()))
        row: dict[str, Any] = {
            "setting": dict(cell), "AP": {str(seed): 100 * ap for seed, ap in group.aps.items()},
            "mean": 100 * group.mean, "interval": _percents(interval.low, interval.high),
        }  # fmt: skip
        if place in to_best:
            one = to_best[place]
            row["below_best"] = 100 * (one.interval.value or 0.0)
            row["below_best_interval"] = _percents(one.interval.low, one.interval.high)
            row["more_than_noise"] = one.is_clear
        rows.append(row)
    return rows


def _percents(low: float | None, high: float | None) -> list[float] | None:
    return None if low is None or high is None else [100 * low, 100 * high]

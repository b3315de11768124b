"""All kinds of experiments, `KINDS`, and what is done with any of them: planned, queued, stopped, resumed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from core import PROJECT, ConfigError, DataError, LabError, RunError, lab_root
from core.config import TrainConfig
from core.datasets.split import CocoSplit, read_split
from core.disk import atomic_folder
from core.evaluation.table import read_table
from core.files import real_path
from core.runs.experiments.folds import Folds
from core.runs.experiments.halving import ended_early, rungs_of
from core.runs.experiments.image_shares import LearningCurveKind
from core.runs.experiments.kind import Kind, Planned, Reader, Summary
from core.runs.experiments.record import Experiment, Experiments, Member, NewRun
from core.runs.experiments.sweep import Sweep
from core.runs.queue import RunQueue
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.settings import Settings
from core.training.typed_settings import check_typed

KINDS: dict[str, Kind] = {kind.key: kind for kind in (Sweep(), Folds(), LearningCurveKind())}
MOST_NAME = 200


def plan_experiment(
    kind: Kind, base: TrainConfig, settings: Settings, root: Path | None = None, read: Reader = read_split
) -> list[Planned]:
    """Return the runs of an experiment, each of whose settings, data and model are there and can be used.

    root  from which relative folders are looked for; None: the folder of the runs

    Raises ConfigError, DataError or ModelError for the first that is not.
    """
    read, root = read_once(read), root or lab_root()
    planned = kind.plan(base, settings, lambda folder, part: read(root / folder, part))
    checked = set()
    for one in planned:
        needed = (one.config.data, one.config.model, one.config.classes)
        if needed not in checked:
            checked.add(needed)
            check_typed(one.config, root, read)
    return planned


def queue_experiment(
    store: RunStore,
    kind: Kind,
    base: TrainConfig,
    settings: Settings,
    name: str = "",
    root: Path | None = None,
    read: Reader = read_split,
) -> Experiment:
    """Plan an experiment, write its data sets and put all its runs into the queue; return it.

    Raises what `plan_experiment` raises, DataError if a data set cannot be written, RunError as `Experiments.create`.
    Nothing is queued then.
    """
    read, root = read_once(read), root or lab_root()
    planned = plan_experiment(kind, base, settings, root, read)
    experiments = Experiments(store)
    experiment_id = experiments.new_id(kind.key)
    folder = experiments.data_folder(experiment_id)
    if any(one.dataset for one in planned):
        try:
            with atomic_folder(folder) as partial:
                kind.write_data(base, settings, partial, lambda data, part: read(root / data, part))
        except OSError as error:
            raise DataError(f"{folder} cannot be written: {error.strerror or error}.") from error
    name = name.strip() or kind.name(settings)[:MOST_NAME]
    runs = [
        NewRun(_with_data(one, folder).to_dict(), f"{name}: {one.words}"[:MOST_NAME], one.variant, one.pause_epoch)
        for one in planned
    ]
    plan = {**settings.to_dict(), **kind.details(base, settings)}
    return experiments.create(experiment_id, name, kind.key, base.to_dict(), plan, runs)


def read_once(read: Reader) -> Reader:
    """Return a reader that reads each part of each data set once."""
    known: dict[tuple[str, str], CocoSplit] = {}

    def read_or_known(folder: str | Path, part: str) -> CocoSplit:
        key = str(folder), part
        if key not in known:
            known[key] = read(folder, part)
        return known[key]

    return read_or_known


def _with_data(planned: Planned, folder: Path) -> TrainConfig:
    """Return a run's settings with the data set that was written for it."""
    if not planned.dataset:
        return planned.config
    path, root = real_path(folder / planned.dataset), real_path(lab_root())
    data = path.relative_to(root).as_posix() if root == PROJECT and path.is_relative_to(root) else str(path)
    return replace(planned.config, data=data)


def kind_of(experiment: Experiment) -> Kind:
    """Return an experiment's kind; raise ConfigError for one of another version."""
    if experiment.kind not in KINDS:
        raise ConfigError(f"The experiment {experiment.id} is of a kind of another version of DETR Lab.")
    return KINDS[experiment.kind]


def summarize(store: RunStore, experiment: Experiment, members: list[Member] | None = None) -> Summary:
    """Return what the runs of an experiment say by now; raises ConfigError for a kind of another version."""
    members = Experiments(store).members(experiment.id) if members is None else members
    return kind_of(experiment).summarize(experiment, members, lambda member: best_table(store, member.run))


def best_table(store: RunStore, run: Run) -> pa.Table | None:
    """Return the detection table of a run's best model; None if it is not kept or cannot be read."""
    best = [e for e in store.evaluations(run.id) if e.epoch and e.is_best and e.table]
    if not best or best[-1].table is None:
        return None
    with suppress(LabError, OSError):
        return read_table(best[-1].table)
    return None


def cancel_experiment(store: RunStore, experiment_id: str) -> list[Run]:
    """Stop all runs of an experiment: what waits leaves the queue, what trains ends after its step; return these.

    What has ended stays as it is, and nothing goes on by itself any more.
    """
    experiments, queue = Experiments(store), RunQueue(store)
    experiments.set_cancelled(experiment_id, True)
    return [queue.request_stop(member.run.id) for member in experiments.members(experiment_id) if member.run.is_live]


def resume_experiment(store: RunStore, experiment_id: str) -> list[Run]:
    """Put the runs of an experiment that ended before their end back into the queue; return these.

    Not what halving has ended. A run that cannot be resumed stays as it is; RunError if there is none that can.
    """
    experiments, queue = Experiments(store), RunQueue(store)
    experiment = experiments.get(experiment_id)
    experiments.set_cancelled(experiment_id, False)
    rungs, _ = rungs_of(experiment.plan)
    resumed, refused = [], ""
    for member in experiments.members(experiment_id):
        run = member.run
        if run.is_live or run.status in (Status.FINISHED, Status.DAMAGED) or _is_at_rung(store, member, rungs):
            continue
        try:
            resumed.append(queue.requeue(run.id))
        except RunError as error:
            refused = str(error)
    if not resumed and not any(ended_early(member, rungs) for member in experiments.members(experiment_id)):
        raise RunError(refused or f"No run of {experiment.id} can be resumed: none ended before its end.")
    return resumed


def _is_at_rung(store: RunStore, member: Member, rungs: Sequence[int]) -> bool:
    """Check whether a run is paused at its rung, where halving decides; a stop of its user there is taken back."""
    rung = member.pause_epoch
    if rung is None or rung not in rungs or not any(e.epoch >= rung for e in store.evaluations(member.run.id)):
        return False
    store.update(member.run.id, stop_requested=False)
    return True

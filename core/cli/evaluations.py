"""The evaluation of a run that a command is about, by its options RUN and --epoch, and its detection table."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING

from core import LabError
from core.cli.chosen_run import EVALUATED, chosen_run
from core.runs.schema import Evaluation, Run
from core.runs.store import RunStore

if TYPE_CHECKING:  # some commands start without pyarrow
    import pyarrow as pa


def chosen_evaluation(store: RunStore, options: Namespace) -> Evaluation:
    """Return the run's evaluation of --epoch, else its best one, else (nothing trained yet) its first."""
    run = chosen_run(store, options.run_id, EVALUATED)
    evaluations = {e.epoch: e for e in store.evaluations(run.id)}
    if not evaluations:
        raise LabError(
            f"The run {run.id} has no evaluation: it is {run.label.lower()} ({run.message or 'no message'})."
        )
    epoch = options.epoch if options.epoch is not None else run.best_epoch or 0
    if epoch not in evaluations:
        raise LabError(f"Epoch {epoch} of {run.id} was not evaluated; there are: {', '.join(map(str, evaluations))}.")
    return evaluations[epoch]


def detection_table_of(evaluation: Evaluation) -> pa.Table:
    """Return the evaluation's detection table; raise LabError if it is not kept any more."""
    from core.evaluation.table import read_table

    if evaluation.table is None:
        raise LabError(
            f"Epoch {evaluation.epoch} of {evaluation.run_id} has no detection table any more: tables are kept of the "
            "baseline, the best and the last model."
        )
    return read_table(evaluation.table)


def changed_since(store: RunStore, run: Run, table: pa.Table) -> str:
    """Return sentences on what changed of the data since a run was evaluated; "" if nothing did, or it is unknown."""
    from core.evaluation.table import table_metadata
    from core.runs.evaluated.images import evaluated_images
    from core.runs.provenance.current import EvaluatedData, notice
    from core.runs.provenance.data import kept_fingerprint

    with suppress(LabError):  # whoever needs the images says why they cannot be read
        if fingerprint := kept_fingerprint(store, run.id, table_metadata(table).data):
            return notice(EvaluatedData(fingerprint, evaluated_images(run)).changes())
    return ""

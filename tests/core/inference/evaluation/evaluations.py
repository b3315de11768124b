"""Evaluations carried out here and now: what several tests of them share."""

from __future__ import annotations

from core.inference.evaluation.config import EvaluationConfig
from core.inference.evaluation.job import create_evaluations, follow_evaluation
from core.runs.schema import Run
from core.runs.store import RunStore


def evaluated_run(store: RunStore, config: EvaluationConfig, name: str | None = None) -> Run:
    """The run of an evaluation that has ended, well or not."""
    (run,) = create_evaluations(store, [config], name)
    for _ in follow_evaluation(store, run.id):
        pass
    return store.get(run.id)

"""COCO's figures of every run's best model, and the names of all that was recorded, of some runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from core.metrics import AP, METRICS
from core.runs.damage import cells
from core.runs.store import RunStore

LOOKED_AT = 5000  # rows
BEST_ROWS = """
select runs.id as run_id, figures, is_best from evaluations join runs on number = run
where deleted is null and evaluations.epoch in (
    (select max(e.epoch) from evaluations as e where e.run = number and e.is_best),
    (select max(e.epoch) from evaluations as e where e.run = number))
order by is_best
"""


def best_figures(store: RunStore) -> dict[str, dict[str, Any]]:
    """Return COCO's figures by name, in [0, 1], of each run's best model, else its last; by the run's id.

    A run without an evaluation is left out, as is one whose cells are damaged.
    """
    with store.database.read() as db:
        rows = db.execute(BEST_ROWS).fetchall()
    figures = {}
    for row in rows:  # the best comes last and wins
        with suppress(cells.BadCell):
            figures[str(row["run_id"])] = cells.figures(row["figures"])
    return figures


def recorded_tags(store: RunStore, run_ids: Sequence[str]) -> list[str]:
    """Return the tags of what these runs have recorded: the known ones in their order, then others by name.

    Only a run's beginning is looked at: all that it records comes up with its baseline and its first epoch.
    """
    tags = set()
    for run_id in run_ids:
        recorded = {tag for _, tag, *_ in store.metrics_after(run_id, limit=LOOKED_AT)[0]}
        tags |= recorded | ({AP.tag} if recorded and store.evaluations(run_id) else set())
    known = [metric.tag for metric in METRICS if metric.tag in tags]
    return known + sorted(tags - set(known))

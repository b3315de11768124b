"""Where the states of a detection table lie: apart from what reads them, because paths are asked for without numpy."""

from __future__ import annotations

from pathlib import Path

ENDING = ".states.parquet"


def states_path(table: Path) -> Path:
    """Return the path of the states that belong to a detection table."""
    return table.with_name(table.stem + ENDING)

"""What a user has chosen for good, as a table's columns: kept in the run database, so that it outlives the session."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from core.runs.damage import cells
from core.runs.store import RunStore


def preference(store: RunStore, key: str) -> Any:
    """Return what was chosen under this key; None if nothing was, or if it cannot be read."""
    with store.database.read() as db:
        row = db.execute("select value from preferences where key = ?", (key,)).fetchone()
    with suppress(cells.BadCell):
        return cells.json_value(row["value"]) if row else None
    return None


def set_preference(store: RunStore, key: str, value: Any) -> None:
    """Keep a value of JSON under this key, in place of the one before."""
    with store.database.write() as db:
        db.execute("insert or replace into preferences (key, value) values (?, ?)", (key, json.dumps(value)))

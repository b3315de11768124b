"""Saved views: what a page showed, under a name, so that anybody with this run store can open it again.

In: the name of a page and the query of its address. Out: a `SavedView` of the run database. Names are foreign text.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from core import RunError
from core.runs.damage import cells
from core.runs.store import RunStore
from core.wording import is_utf8, short

MOST_LETTERS, MOST_QUERY = 100, 50_000  # of a name; of a query as JSON
RUN_NAMES = ("run", "before", "chosen")  # of what in a query is a run's id
Query = dict[str, list[str]]


@dataclass(frozen=True)
class SavedView:
    """A row of `views`.

    page   the name of the page's file, as "errors"
    query  the values of each name in its address
    """

    number: int
    name: str
    page: str
    query: Query
    created: float

    def missing_runs(self, known: Collection[str]) -> list[str]:
        """Return the ids of runs that it shows and that are not among these."""
        named = dict.fromkeys(value for name in RUN_NAMES for value in self.query.get(name, []))
        return [run_id for run_id in named if run_id not in known]


class Views:
    """The saved views of a store."""

    def __init__(self, store: RunStore) -> None:
        self._database = store.database

    def all(self) -> list[SavedView]:
        """Return every view in the order in which they were saved; damaged ones are left out."""
        with self._database.read() as db:
            rows = db.execute("select * from views order by number").fetchall()
        return [view for row in rows if (view := _from_row(row))]

    def save(self, name: str, page: str, query: Mapping[str, str | list[str]]) -> SavedView:
        """Save what a page shows; raise RunError for a name that cannot be kept, or that another view has."""
        name = _clean_name(name)
        lists = {key: [value] if isinstance(value, str) else list(value) for key, value in query.items()}
        text = json.dumps(lists)
        if len(text) > MOST_QUERY:
            raise RunError("This view's address is too long to be saved: choose fewer runs or filters.")
        with self._database.write() as db:
            _require_new(db, name)
            cursor = db.execute(
                "insert into views (name, page, query, created) values (?, ?, ?, ?)", (name, page, text, time.time())
            )
            row = db.execute("select * from views where number = ?", (cursor.lastrowid,)).fetchone()
        view = _from_row(row)
        assert view is not None
        return view

    def set_name(self, number: int, name: str) -> None:
        """Give a view another name; raise RunError as `save`, and if there is no such view any more."""
        name = _clean_name(name)
        with self._database.write() as db:
            _require_new(db, name, number)
            if not db.execute("update views set name = ? where number = ?", (name, number)).rowcount:
                raise RunError("This view is deleted meanwhile: save it again.")

    def delete(self, number: int) -> None:
        """Delete a view, if it is there."""
        with self._database.write() as db:
            db.execute("delete from views where number = ?", (number,))


def _clean_name(text: str) -> str:
    name = " ".join(text.split())
    if not name or not is_utf8(name) or len(name) > MOST_LETTERS:
        raise RunError(f"A view cannot be called {short(name, 60)!r}: give 1 to {MOST_LETTERS} letters.")
    return name


def _require_new(db: sqlite3.Connection, name: str, number: int | None = None) -> None:
    row = db.execute("select number from views where name = ?", (name,)).fetchone()
    if row and row["number"] != number:
        raise RunError(f"There is a saved view {short(name)} already: give another name, or delete that one.")


def _from_row(row: sqlite3.Row) -> SavedView | None:
    with suppress(cells.BadCell):
        query = cells.json_value(row["query"])
        if not isinstance(query, dict) or not all(_is_texts(values) for values in query.values()):
            return None
        name, page = cells.text(row["name"]), cells.text(row["page"])
        return SavedView(cells.count(row["number"]), name, page, query, cells.seconds(row["created"]))
    return None


def _is_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)

"""Tags: short words of the user on runs, by which runs are found again. They are foreign text, as names are.

In: ids of runs and words, from a page or the command line. Out: the tags in the run database, as `Run.tags`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from core import RunError
from core.runs.damage import cells
from core.runs.schema import Run
from core.runs.store import RunStore
from core.wording import is_utf8, short

MOST_LETTERS, MOST_TAGS = 40, 30  # of a tag; of a run


def clean_tag(text: str) -> str:
    """Return a tag as it is kept: one line, single spaces; raise RunError if it is empty, too long or no UTF-8.

    >>> clean_tag("  larger   pictures ")
    'larger pictures'
    """
    tag = " ".join(text.split())
    if not tag:
        raise RunError("A tag is empty: give it at least one letter.")
    if not is_utf8(tag):
        raise RunError(f"The tag {short(tag, 60)} is not UTF-8: write it in another way.")
    if len(tag) > MOST_LETTERS:
        raise RunError(f"The tag {short(tag, 60)} has {len(tag):,} letters: give at most {MOST_LETTERS}.")
    return tag


def change_tags(
    store: RunStore, run_ids: Sequence[str], add: Iterable[str] = (), remove: Iterable[str] = ()
) -> dict[str, list[str]]:
    """Add tags to runs, and take others away: of all of them, or of none; return each run's tags by its id.

    A tag that a run has already, or that is to be taken away and it has not, changes nothing. Raises RunError for a tag
    that cannot be kept, for more than MOST_TAGS, and for a run that is not there or damaged.
    """
    added, removed = [clean_tag(tag) for tag in add], {" ".join(tag.split()) for tag in remove}
    changed = {}
    with store.database.write() as db:
        for run_id in run_ids:
            row = db.execute("select * from runs where id = ? and deleted is null", (run_id,)).fetchone()
            if row is None:
                raise RunError(f"There is no run {short(run_id)!r} any more.")
            try:
                before = cells.tags(row["tags"])
            except cells.BadCell:
                raise RunError(str(Run.from_row(row).message)) from None
            tags = [tag for tag in dict.fromkeys([*before, *added]) if tag not in removed]
            if len(tags) > max(MOST_TAGS, len(before)):
                raise RunError(f"The run {run_id} would have {len(tags)} tags: {MOST_TAGS} at most; take some away.")
            db.execute("update runs set tags = ? where number = ?", (json.dumps(tags), row["number"]))
            changed[run_id] = tags
    return changed


def all_tags(runs: Iterable[Run]) -> list[str]:
    """Return every tag of these runs once, in the order of the alphabet."""
    return sorted({tag for run in runs for tag in run.tags}, key=lambda tag: (tag.casefold(), tag))

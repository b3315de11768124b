"""What is damaged in a run database, for its user: each run with damaged rows, in a sentence."""

from __future__ import annotations

from core.runs.schema import Run
from core.runs.store import RunStore
from core.wording import short

# The runs with rows of theirs that `Evaluation.from_row` and `marks.py` leave out, and how many.
DAMAGED_ROWS = """
select runs.*, count(*) as n from (
    select run from evaluations where typeof(epoch) != 'integer' or epoch not between 0 and 1000000
        or typeof(step) != 'integer' or step < 0
        or typeof(created) not in ('real', 'integer') or created not between 0 and 1e11
        or is_best not in (0, 1) or has_table not in (0, 1)
        or typeof(figures) != 'text' or not json_valid(figures) or json_type(figures) is not 'object'
    union all
    select run from marks where typeof(image_id) != 'integer' or typeof(kind) != 'text'
        or typeof(created) not in ('real', 'integer') or created not between 0 and 1e11
        or typeof(class_name) not in ('text', 'null') or typeof(gt_id) not in ('integer', 'null')
        or typeof(score) not in ('real', 'null')
        or typeof(x1) not in ('real', 'null') or typeof(y1) not in ('real', 'null')
        or typeof(x2) not in ('real', 'null') or typeof(y2) not in ('real', 'null')
) join runs on number = run group by run
"""


def damage(store: RunStore) -> list[str]:
    """Return a sentence for each run of which a row is damaged; such rows are left out wherever runs are read.

    Raises RunError if the database cannot be read at all.
    """
    with store.database.read() as db:
        counted = db.execute(DAMAGED_ROWS).fetchall()
    told = [run.message or "" for run in store.runs() if run.is_damaged]
    for run, n in ((Run.from_row(row), row["n"]) for row in counted):
        lost = f"{n} damaged {'row' if n == 1 else 'rows'} of evaluations or marks in runs/runs.db"
        if not run.is_damaged:
            copy = "put an undamaged copy of that file in its place"
            told.append(f"The run {short(run.name)} has {lost}, left out here: {copy}.")
    return told

"""Damaged rows of a run database beside those of `runs`, counted for its user: such rows are left out wherever read."""

from __future__ import annotations

from core.runs.damage.cells import LAST_SECOND, MOST_EPOCHS
from core.runs.database import Database
from core.wording import short

# The runs with rows of theirs that `schema.Evaluation.from_row` and `marks.py` leave out, and how many.
DAMAGED_ROWS = f"""
select name, count(*) as n from (
    select run from evaluations where typeof(epoch) != 'integer' or epoch not between 0 and {MOST_EPOCHS}
        or typeof(step) != 'integer' or step < 0
        or typeof(created) not in ('real', 'integer') or created not between 0 and {LAST_SECOND}
        or is_best not in (0, 1) or has_table not in (0, 1)
        or typeof(figures) != 'text' or not json_valid(figures) or json_type(figures) is not 'object'
    union all
    select run from marks where typeof(image_id) != 'integer' or typeof(kind) != 'text'
        or typeof(created) not in ('real', 'integer') or created not between 0 and {LAST_SECOND}
        or typeof(class_name) not in ('text', 'null') or typeof(gt_id) not in ('integer', 'null')
        or typeof(score) not in ('real', 'null')
        or typeof(x1) not in ('real', 'null') or typeof(y1) not in ('real', 'null')
        or typeof(x2) not in ('real', 'null') or typeof(y2) not in ('real', 'null')
) join runs on number = run where deleted is null group by run
"""


# The annotation files with rows of `corrections` that `corrections/journal.py` leaves out, and how many.
DAMAGED_CORRECTIONS = f"""
select file, count(*) as n from corrections where typeof(image_id) != 'integer' or typeof(label_id) != 'integer'
    or typeof(kind) != 'text' or state not in ('done', 'undone', 'dropped')
    or typeof(created) not in ('real', 'integer') or created not between 0 and {LAST_SECOND}
    or (label_before is not null and (typeof(label_before) != 'text' or not json_valid(label_before)))
    or (label_after is not null and (typeof(label_after) != 'text' or not json_valid(label_after)))
group by file
"""


# How many rows of `views` are left out by `many/views.py`.
DAMAGED_VIEWS = f"""
select count(*) as n from views where typeof(name) != 'text' or typeof(page) != 'text'
    or typeof(created) not in ('real', 'integer') or created not between 0 and {LAST_SECOND}
    or typeof(query) != 'text' or not json_valid(query) or json_type(query) is not 'object'
    or exists (select 1 from json_each(query) where type != 'array'
        or exists (select 1 from json_each(json_each.value) as inner where inner.type != 'text'))
"""


LEFT_OUT = " in runs/runs.db, left out here: put an undamaged copy of that file in its place."


def lost_rows(database: Database) -> list[str]:
    """Return a sentence for each run, and each annotation file, of which rows are damaged.

    Raises RunError as `Database.read`.
    """
    with database.read() as db:
        counted, corrections = (db.execute(query).fetchall() for query in (DAMAGED_ROWS, DAMAGED_CORRECTIONS))
        views = db.execute(DAMAGED_VIEWS).fetchone()["n"]
    sentences = [
        f"{short(row['file'])} has {row['n']} damaged {'row' if row['n'] == 1 else 'rows'} of corrections{LEFT_OUT}"
        for row in corrections
    ]
    sentences += [
        f"The run {short(row['name'])} has {row['n']} damaged {'row' if row['n'] == 1 else 'rows'} of evaluations or "
        f"marks{LEFT_OUT}"
        for row in counted
    ]
    if views:
        sentences.append(f"The saved views have {views} damaged {'row' if views == 1 else 'rows'}{LEFT_OUT}")
    return sentences

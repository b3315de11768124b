"""A few watched images with their boxes, for trackers that show pictures.

In: a run's evaluation. Out: the first images of those that the run watches (`core/runs/watched.py`), drawn as `analyze`
draws them; none where their files or their table are gone, which is no reason to send nothing.
"""

from __future__ import annotations

from core import LabError
from core.datasets.pictures import read_picture
from core.evaluation.draw import draw_analysis
from core.evaluation.table import read_table, table_metadata
from core.evaluation.threshold import image_rows
from core.metrics import COUNTED_SCORE
from core.runs.evaluated.images import evaluated_images
from core.runs.schema import Evaluation, Run
from core.runs.store import RunStore
from core.runs.tracking.tracker import Picture
from core.runs.watched import watched_images
from core.wording import short

MOST = 4


def watched_pictures(store: RunStore, run: Run, evaluation: Evaluation, most: int = MOST) -> list[Picture]:
    """Return the first watched images at an evaluation, at most `most`, with the boxes that count as predictions."""
    watched = store.watched_path(run.id, evaluation.epoch)
    pictures: list[Picture] = []
    try:
        if watched.is_file():
            table = read_table(watched)
            chosen = table_metadata(table).image_ids
        elif evaluation.table and evaluation.table.is_file():
            table = read_table(evaluation.table)
            chosen = watched_images(table, run.config.get("seed", 0))
        else:
            return []
        split = evaluated_images(run)
        for image in [split.image_by_id[one] for one in chosen[:most] if one in split.image_by_id]:
            picture = read_picture(split.image_path(image), (image["width"], image["height"]))
            rows = image_rows(table, image["id"], COUNTED_SCORE)
            pictures.append(Picture(short(image["file_name"], 60), draw_analysis(picture, rows, legend=False)))
    except LabError:  # of this one, or of all that come after it
        return pictures
    return pictures

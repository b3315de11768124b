"""Errors in a real browser: the detection table that it shows, and how an image is marked."""

import pytest

from core.datasets.split import read_split
from core.evaluation.table import read_table
from tests import table_by_hand
from tests.pages_in_browser import CELLS, shown_names


@pytest.fixture(scope="module")
def frame(shared):
    """The best model's detection table, at score 0.5; of the runs `marked` and `keys` it is the same."""
    names = {image["id"]: image["file_name"] for image in read_split(shared.root / "data/street", "val").images}
    table = read_table(shared.root / f"runs/{shared.runs.marked}/tables/epoch_0003.parquet")
    return table_by_hand.frame_of(table, names)


def mark(page, place: int) -> str:
    """Marks an image by the key; returns its name."""
    page.locator(CELLS).nth(place).hover()
    page.keyboard.press("m")
    page.locator(CELLS).nth(place).locator(".star").wait_for()
    return shown_names(page)[place]

"""A run to look at on Errors, for tests in a real browser, and how an image is marked."""

import pytest

from core.datasets.split import read_split
from core.evaluation.table import read_table
from core.runs.store import RunStore
from tests import table_by_hand
from tests.invented import draw_street, invented_run
from tests.pages_in_browser import (
    CELLS,
    shown_names,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder with a drawn data set and one run of three epochs."""
    root = tmp_path_factory.mktemp("root")
    store = RunStore(root)
    invented_run(store, draw_street(root), (0.2, 0.4, 0.5, 0.6))
    store.close()
    return root


@pytest.fixture(scope="module")
def frame(root):
    """The best model's detection table, at score 0.5."""
    names = {image["id"]: image["file_name"] for image in read_split(root / "data/street", "val").images}
    return table_by_hand.frame_of(read_table(next(root.glob("runs/*/tables/epoch_0003.parquet"))), names)


def mark(page, place: int) -> str:
    """Marks an image by the key; returns its name."""
    page.locator(CELLS).nth(place).hover()
    page.keyboard.press("m")
    page.locator(CELLS).nth(place).locator(".star").wait_for()
    return shown_names(page)[place]

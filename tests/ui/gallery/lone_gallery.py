"""The gallery by itself in a real browser, beside the app's routes: a run to look at, and what a user does.

Seven validation images of 240 × 180 pixels; on the first is one of each: found, poor box, wrong class, duplicate,
background, missed, a crowd and something in it. Evaluated untouched, after one and after two epochs.
"""

import re
from contextlib import contextmanager
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from core.config import TrainConfig
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.table import write_table
from core.evaluation.threshold import count_errors, visible
from core.evaluation.tide import detection_table
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.coco_cases import result
from tests.own_folders import add, labels, write
from tests.serving import served_page
from tests.ui.gallery.columns import sent
from ui.gallery import component as gallery
from ui.gallery import why_route
from ui.gallery.component import Item, Model
from ui.gallery.samples import SampleImage
from ui.gallery.samples import page_data as samples_data
from ui.server import cache
from ui.server.scripts import address as script

CLASSES = ("car", "dog")
PER = 4  # images a page
RECTS = ".grid g.boxes path.box"
EXPECTED_404 = re.compile(r"/api/(why|image)/")
PAGE = """<!doctype html>
<style>:root { --st-font: sans-serif; --st-text-color: #1b2430; --st-border-color: #d6dde6; --st-background-color: #fff;
--st-secondary-background-color: #f3f5f8; --st-primary-color: #2f5bd0; --st-gray-text-color: #66738a;
--st-red-text-color: #b3221d; --st-link-color: #2f5bd0; --st-base-radius: 6px; --st-button-radius: 6px; }
body { margin: 0; padding: 0 20px 900px; }</style><style id="own">%s</style>
<script type="module">
import gallery from "%s"
window.told = []
window.show = (data, key = "host") => {
  let host = document.getElementById(key)
  if (!host) {
    host = document.createElement("div")
    host.id = key
    host.attachShadow({ mode: "open" }).append(document.getElementById("own").cloneNode(true))
    const root = document.createElement("div")
    root.className = "gallery"
    host.shadowRoot.append(root)
    document.body.append(host)
  }
  const setTriggerValue = (name, value) => told.push([name, value])
  window.leave = gallery({ parentElement: host.shadowRoot, data, setTriggerValue })
}
</script>
"""


# The run


def truths() -> dict:
    """The validation images' labels."""
    data = labels(1, 7, CLASSES, objects=0)
    add(data, 1, 1, (10, 10, 60, 50))  # 1001, found
    add(data, 1, 2, (120, 10, 60, 50))  # 1002, taken for a car
    add(data, 1, 1, (10, 110, 60, 50))  # 1003, missed
    add(data, 1, 1, (120, 100, 80, 60), iscrowd=1)  # 1004
    add(data, 1, 2, (190, 60, 40, 30))  # 1005, a poor box
    for x in (10, 80, 150):
        add(data, 2, 1, (x, 20, 50, 50))
    add(data, 4, 1, (10, 10, 200, 150), iscrowd=1)
    for x in range(12):
        add(data, 5, 1 + x % 2, (5 + 18 * x, 20 + 8 * x, 16, 30))
    for image_id in (6, 7):
        add(data, image_id, 2, (50, 50, 100, 80))
    return data


FOUND = [
    result(1, 1, (10, 10, 60, 45), 0.9), result(1, 1, (10, 10, 60, 32), 0.4), result(1, 1, (120, 10, 60, 48), 0.6),
    result(1, 2, (190, 60, 40, 12), 0.5), result(1, 1, (130, 110, 40, 40), 0.55), result(1, 2, (80, 65, 20, 20), 0.7),
    result(1, 1, (80, 20, 20, 20), 0.3), result(1, 2, (0, 0, 9, 9), 0.01),
    *(result(5, 1 + x % 2, (5 + 18 * x, 20 + 8 * x, 16, 28), round(0.08 + 0.07 * x, 2)) for x in range(12)),
    result(6, 2, (50, 50, 100, 78), 0.8), result(7, 1, (50, 50, 100, 78), 0.35),
]  # fmt: skip


class Lone:
    """The run's store, its validation images, and the tables of its three models; makes pages for the browser."""

    def __init__(self, root):
        folder = write(root / "data/mine", {"train": labels(101, 2, CLASSES), "val": truths()})
        self.store = RunStore(root)
        self.run = self.store.create(TrainConfig(data=str(folder), epochs=2).to_dict())
        self.split = cache.validation_images(self.run)
        self.tables = [self._evaluate(epoch, found) for epoch, found in enumerate(([], FOUND[::2], FOUND))]
        self.store.update(self.run.id, status=Status.FINISHED, epoch=2, epochs=2)
        self.table = self.tables[2]

    def _evaluate(self, epoch: int, found: list[dict]) -> pa.Table:
        table = detection_table(truths(), found)
        path = self.store.table_path(self.run.id, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(table, path)
        self.store.add_evaluation(self.run.id, epoch, epoch, {"AP": 0.1 * epoch}, is_best=epoch == 1, has_table=True)
        return table

    @property
    def source(self) -> str:
        return f"/api/image/{self.run.id}"

    def items(self) -> list[Item]:
        return [Item(image_id) for image_id in self.split.image_by_id]

    def page(self, number=1, selection=Selection(0.5), items=None, models=None, per=PER, marked=None, **how) -> dict:  # noqa: B008
        """What the component gets."""
        models = models or [Model("Best", self.table)]
        items = self.items() if items is None else items
        return sent(gallery.page_data(self.split, self.source, items, number, per, models, selection, **how), marked)

    def rows(self, image_id: int, score: float, table=None) -> pa.Table:
        """What there is of an image at a score."""
        table = self.table if table is None else table
        part = table.filter(pc.equal(table["image_id"], image_id))
        return part.filter(pa.array(visible(part, score)))

    def errors(self, image_id: int, score: float, table=None, chosen: Selection | None = None) -> int:
        """How many errors an image has at a score; `chosen`: of those that these filters select."""
        table = self.table if table is None else table
        part = table.filter(pc.equal(table["image_id"], image_id))
        return sum(count_errors(part, score, chosen and selected_rows(part, chosen)).values())


def frames_page(lone: Lone, epochs=(0, 1, 2), asked: str | None = None) -> dict:
    """All images at these epochs; `asked`: where a model is asked why, {} being its name."""
    models = [Model(f"epoch {e}", lone.tables[e], asked and asked.format(f"epoch{e}")) for e in epochs]
    frames = [{"epoch": e, "AP": 0.1 * e, "loss_ce": 1.5 - e / 2, "loss_bbox": None} for e in epochs]
    return lone.page(models=models, layout="frames", frames=frames, per=7)


def samples_page(lone: Lone, classes=CLASSES, boxes: tuple[int, ...] = ()) -> dict:
    """The same images as the page Data shows them."""
    folder = lone.split.json_path.parents[1]
    return samples_data(folder, {"val": lone.split}, [SampleImage("val", i, boxes) for i in range(1, 8)], 1, classes)


@pytest.fixture(scope="module")
def lone(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETR_LAB_ROOT", str(root))
        # nobody asks it here; by itself it would start a process with torch
        patch.setattr(why_route, "model_worker", lambda: SimpleNamespace(warm=lambda **named: None))
        made = Lone(root)
        yield made
        made.store.close()


@pytest.fixture(scope="module")
def opened(browser, lone):
    """One page for all tests of a file, with a list of what goes wrong on it."""
    styles = "\n".join((gallery.HERE / name).read_text() for name in gallery.STYLES)
    html = PAGE % (styles, script("ui/gallery/gallery.js"))
    with served_page(html) as address, context_of(browser) as context:
        page, problems = context.new_page(), []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda box: problems.append(box.message) or box.dismiss())
        page.on("request", lambda asked: asked.url.startswith((address, "data:")) or problems.append(asked.url))
        page.on("console", lambda said: problems.append(said.text) if is_complaint(said) else None)
        page.goto(address)
        page.wait_for_function("typeof show === 'function'")
        yield page, problems


@contextmanager
def context_of(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(8000)
    yield context
    context.close()


def is_complaint(said) -> bool:
    return said.type in ("error", "warning") and not EXPECTED_404.search(said.location["url"])


@pytest.fixture
def page(opened):
    """The page with nothing on it."""
    page, problems = opened
    page.evaluate("""() => {
        if (window.leave) leave()
        window.leave = null
        told.length = 0
        document.querySelectorAll("body > div").forEach((made) => made.remove())
        scrollTo(0, 0)
    }""")
    page.mouse.move(1270, 795)
    problems.clear()
    yield page
    assert not problems, problems

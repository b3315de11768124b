"""Every page in a real browser with hostile names, paths and messages: text stays text, no foreign address is asked.

About 70 s. Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import csv
import json
import re
import shutil

import pytest
from PIL import Image
from playwright.sync_api import expect

from core.datasets.split import read_split
from core.evaluation.table import read_table
from core.export.analysis import write_report
from core.runs.evaluated.imports import import_results
from core.runs.store import RunStore
from core.training.remark import Level, Remark
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.hostile_text import FOREIGN, SEARCH, SHOWN, in_one, listening, texts
from tests.invented import draw_street, invented_run
from tests.made_runs import leave_files
from tests.pages_in_browser import CELLS, choose_row, link, settled

pytestmark = [*needs_chromium, pytest.mark.ci]
address = pages_in_browser.own_address
WORD = re.compile(r"zq[a-z]+")
FOLDER = "**zqbold** :red[zqcolour] $zqformula^2$ `zqcode`"  # a folder's name has no "/"


@pytest.fixture(scope="module")
def listener():
    with listening() as (port, asked):
        yield port, asked


@pytest.fixture(scope="module")
def root(tmp_path_factory, listener):
    """A root folder whose data set, runs and their records are hostile wherever they hold text."""
    root, port = tmp_path_factory.mktemp("root"), listener[0]
    store, data = RunStore(root), root / "data" / FOLDER
    shutil.copytree(draw_street(root, val=12), data)
    make_hostile(data, port)
    outside = shutil.copytree(data, root / "data/outside") / "annotations/instances_val.json"
    coco = json.loads(outside.read_text())
    coco["images"][0]["file_name"] = f"../gone {texts(port)[0]}"
    outside.write_text(json.dumps(coco))
    older = invented_run(store, data, (0.2, 0.5), name=in_one(port, "older"))
    newer = invented_run(store, data, (0.2, 0.6), seed=1, name=in_one(port, "newer"))
    checks, operators = [("Data", False, in_one(port))], [(text, 1, 2.0, 0.0) for text in texts(port)]
    for run in (older, newer):
        store.update(run.id, message=in_one(port), config={**run.config, "model": texts(port)[0]})
        leave_files(store, run, checks=checks, operators=operators)
    remark = Remark(rule="spike", level=Level.WARNING, title=texts(port)[3], cause=in_one(port), evidence=in_one(port),
                    advice=in_one(port), step=1)  # fmt: skip
    failed = store.create({**newer.config, "model": in_one(port)}, in_one(port, "failed"))
    store.update(failed.id, status="failed", message=in_one(port, "It broke:"), remarks=[remark.to_dict()])
    gt, dt = root / f"{FOLDER}.json", root / "zqresults **zqbold**.json"
    shutil.copy(data / "annotations/instances_val.json", gt)
    (image, *_), (category, *_) = (read_split(data, "val").to_dict()[part] for part in ("images", "categories"))
    found = {"image_id": image["id"], "category_id": category["id"], "bbox": [1, 1, 20, 20], "score": 0.9}
    dt.write_text(json.dumps([found]))
    import_results(store, gt, dt, data / "val", in_one(port, "imported"))
    store.close()
    return root


def make_hostile(data, port: int) -> None:
    """Rename classes and pictures, of which a table and fields say more; one picture is gone."""
    for split in ("train", "val"):
        path = data / f"annotations/instances_{split}.json"
        coco = json.loads(path.read_text())
        for category, text in zip(coco["categories"], texts(port), strict=False):
            category["name"] = text
        for image, text in zip(coco["images"], texts(port), strict=False):
            picture = data / split / f"{text}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(data / split / image["file_name"], picture)
            image["file_name"] = f"{text}.png"
        if split == "val":
            coco["images"][-1]["file_name"] = f"gone {texts(port)[0]}"
            for place, image in enumerate(coco["images"]):
                image |= {texts(port)[0]: texts(port)[1 + place % 2], "tags": [texts(port)[place % 3]]}
            with (data / f"{FOLDER}.csv").open("w", newline="") as file:
                names = [
                    (image["file_name"], *texts(port)[place % 2 : place % 2 + 3])
                    for place, image in enumerate(coco["images"])
                ]
                csv.writer(file).writerows([("file_name", *texts(port)[3:6]), *names, (in_one(port), "", "", "")])
        path.write_text(json.dumps(coco))


@pytest.fixture
def page(context, address):
    """A page that may ask nobody but the app, on which no script fails and nothing pops up."""
    opened, problems = context.new_page(), []
    opened.on(
        "request",
        lambda asked: asked.url.startswith((address, "blob:", "data:", "file:")) or problems.append(asked.url),
    )
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("dialog", lambda box: problems.append(box.message) or box.dismiss())
    yield opened
    opened.close()
    assert problems == []


@pytest.fixture
def walk(page, address, listener):
    """Opens a page of the app, and tells what of hostile texts became more than text there."""

    class Walk:
        def __init__(self) -> None:
            self.seen: set[str] = set()
            self.port = listener[0]

        def open(self, path: str, **query) -> None:
            page.goto(link(address, path, **query))
            self.check()

        def check(self) -> None:
            rests(page)
            assert self.search() == []

        def search(self) -> list[str]:
            foreign = [FOREIGN, f":{listener[0]}", "zqimage"]
            wrong = page.evaluate(SEARCH, [texts(listener[0]), foreign])
            words = [WORD.search(text)[0] for text in texts(listener[0])]
            self.seen |= set(page.evaluate(SHOWN, words))
            return wrong

        def tabs(self) -> None:
            rests(page)  # all of them are there
            for tab in page.get_by_role("tab").all():
                tab.click()
                self.check()

        def options(self, label: str) -> None:
            page.get_by_role("combobox", name=label, exact=True).first.click()
            self.check()
            page.keyboard.press("Escape")

    yield Walk()
    assert listener[1] == []


def rests(page) -> None:
    """Waits until the page is at rest: its script has run, and what it asked for is there."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_load_state("networkidle")
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def runs_of(root) -> dict[str, str]:
    """The runs' ids by the first word of their names."""
    store = RunStore(root)
    ids = {run.name.split()[0]: run.id for run in store.runs()}
    store.close()
    return ids


def choose_run(page, word: str) -> None:
    box = page.get_by_role("combobox", name="Run", exact=True)
    box.scroll_into_view_if_needed()
    settled(page)  # its list would close when the page scrolls
    box.click()
    page.get_by_role("option").filter(has_text=re.compile(rf"^. {word} ")).click()
    expect(page.get_by_role("option")).to_have_count(0)


def test_data_is_text(page, walk, root):
    walk.open("data")
    page.get_by_text("A folder of mine").click()
    page.get_by_role("textbox", name="Folder").fill(str(root / "data" / FOLDER))
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="Contents")).to_be_visible()
    walk.tabs()
    walk.options("Classes")
    page.get_by_role("textbox", name="Folder").fill(str(root / "data/outside"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Look at the pictures again")).to_be_visible()  # they have all been
    walk.check()
    rows = page.get_by_test_id("stDataFrame").locator("tbody tr")
    expect(rows.filter(has_text="outside the picture folder")).to_have_count(1)
    choose_row(page, next(i for i, row in enumerate(rows.all()) if "outside the picture" in row.text_content()))
    expect(page.get_by_text("In words")).to_be_visible()
    walk.check()
    page.get_by_role("textbox", name="Folder").fill(in_one(walk.port, "no folder"))
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("stAlert")).to_contain_text("There is no folder")
    walk.check()
    assert len(walk.seen) > 5


def test_train_is_text(page, walk):
    walk.open("")
    choose_run(page, "failed")
    expect(page.get_by_test_id("stAlert")).to_contain_text("It broke:")
    for word in ("older", "newer"):
        choose_run(page, word)
        walk.check()
    for title in ("Pre-flight", "Where the time goes"):
        expander = page.get_by_text(re.compile(f"^{title}"))
        expander.click()
        walk.check()
    page.locator(".js-plotly-plot .ytick").first.wait_for()
    walk.check()
    walk.options("Model")
    walk.options("Data set")
    page.get_by_role("button", name="Manage").click()
    walk.check()
    assert {"zqpicture", "zqlink", "zqauto", "zqlogo", "zqmail"} <= walk.seen


def test_results_and_errors_are_text(page, walk, root):
    run = runs_of(root)["newer"]
    walk.open("results", run=run)
    walk.tabs()
    walk.options("Run")
    for view in ("images", "objects", "watch"):
        walk.open("errors", run=run, view=view)
    walk.open("errors", run=run)
    walk.options("Slice")
    page.get_by_role("combobox", name="Slice", exact=True).first.click()
    page.get_by_role("option").first.click()
    page.keyboard.press("Escape")
    walk.check()
    page.locator(CELLS).first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    walk.check()
    page.keyboard.press("Escape")
    walk.open("errors", run=in_one(walk.port, "none"))
    expect(page.get_by_test_id("stAlert").first).to_contain_text("There is no evaluated run")
    walk.check()
    assert len(walk.seen) > 10


def test_compare_is_text(page, walk, root):
    ids = runs_of(root)
    walk.open("compare", run=ids["newer"], model="best", before=ids["older"], before_model="best")
    walk.tabs()
    walk.open("compare", run=ids["imported"], model="best", before=ids["older"], before_model="best")
    assert {"zqpicture", "zqlink", "zqcolour", "zqbold", "zqauto"} <= walk.seen


def test_predict_is_text(page, walk, tmp_path):
    walk.open("predict")
    Image.new("RGB", (64, 48)).save(tmp_path / f"{FOLDER}.png")
    (tmp_path / f"broken {FOLDER}.png").write_bytes(b"no picture")
    chosen = [tmp_path / f"{FOLDER}.png", tmp_path / f"broken {FOLDER}.png"]
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(chosen)
    expect(page.get_by_test_id("stAlert").first).to_contain_text("broken")
    walk.options("Model")
    assert "zqbold" in walk.seen


def test_a_report_is_text(page, walk, root):
    store = RunStore(root)
    run = store.get(runs_of(root)["newer"])
    evaluation = store.evaluations(run.id)[-1]
    pictures = [(in_one(walk.port), Image.new("RGB", (40, 30)))]
    path = write_report(store, run, evaluation, read_table(evaluation.table), 0.5, pictures)
    store.close()
    page.goto(path.as_uri())
    page.locator(".main-svg").first.wait_for()
    assert walk.search() == []
    assert len(walk.seen) > 10


@pytest.mark.parametrize("path", ["", "runs", "results", "errors", "compare", "data", "predict"])
def test_an_address_that_is_no_utf_8_is_no_error(page, address, path):
    page.goto(f"{address}/{path}?run=%ff&model=%ed%a0%80&class=%ff&view=%00%1b&before=%ff")
    rests(page)
    expect(page.get_by_test_id("stException")).to_have_count(0)

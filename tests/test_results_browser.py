"""Results as a user sees it, in a real browser: every click on a chart opens its boxes on Errors.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import contextlib
import csv
import io
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from pycocotools.coco import COCO

from core.boxes import Detections, xywh_to_xyxy
from core.coco import CocoSplit, read_split
from core.config import TrainConfig
from core.demo import draw_dataset
from core.errors import detection_table
from core.evaluate import evaluate
from core.findings.impact import impact
from core.records import Status
from core.runs import RunStore
from core.table import read_table, write_table
from tests.chromium import needs_chromium
from tests.serving import served

SECOND = 1000
RIGHT, MOVED, OTHER_CLASS, MOVED_OTHER_CLASS, MISSED = range(5)
ROW = 31  # pixels of a row of a table, its head too
OWN_404 = re.compile(r"/_stcore/(health|host-config)$")  # Streamlit looks for itself below the page's path first

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder with a drawn data set and one run, evaluated untouched and after an epoch."""
    root = tmp_path_factory.mktemp("root")
    for _ in draw_dataset(root / "data/street", train=3, val=60, seed=5, size=160):
        pass
    store = RunStore(root)
    config = TrainConfig(data=str(root / "data/street"), epochs=1)
    run, split = store.create(config.to_dict()), read_split(config.data, "val")
    label_map, gt = split.label_map(), split.to_dict()
    for epoch, skill in enumerate((0.2, 0.6)):
        found = invented(split, skill)
        table, path = detection_table(gt, found, label_map), store.table_path(run.id, epoch)
        write_table(table, path)
        figures = evaluate(gt, found, label_map).to_dict()
        store.add_evaluation(run.id, epoch, epoch, figures, is_best=epoch == 1, has_table=True)
    store.update(run.id, status=Status.FINISHED, epoch=1, epochs=1, label_map=label_map.to_dict())
    store.close()
    return root


def invented(split: CocoSplit, skill: float) -> Detections:
    """Detections of every kind: a share `skill` of the objects is found, some twice; on each image is one stray box."""
    rng, label_map = np.random.default_rng(0), split.label_map()
    truths = [a for a in split.annotations if not a["iscrowd"]]
    image_id = np.array([a["image_id"] for a in truths])
    label, boxes = label_map.to_labels([a["category_id"] for a in truths]), xywh_to_xyxy([a["bbox"] for a in truths])
    fate = rng.choice(5, len(truths), p=[skill, *[(1 - skill) / 4] * 4])
    aside = np.tile(0.45 * (boxes[:, 2:] - boxes[:, :2]) * [1, 0], 2)
    boxes = np.where(np.isin(fate, [MOVED, MOVED_OTHER_CLASS])[:, None], boxes + aside, boxes)
    label = np.where(np.isin(fate, [OTHER_CLASS, MOVED_OTHER_CLASS]), (label + 1) % len(label_map), label)
    score = rng.uniform(0.3, 0.95, len(truths))
    there, again = fate != MISSED, (fate == RIGHT) & (rng.random(len(truths)) < 0.3)
    everywhere = np.array([image["id"] for image in split.images])
    parts = (
        (image_id[there], label[there], score[there], boxes[there]),
        (image_id[again], label[again], 0.9 * score[again], boxes[again]),
        (everywhere, everywhere % len(label_map), rng.uniform(0.2, 0.9, len(everywhere)),
         np.tile([2, 2, 14, 14], (len(everywhere), 1))),
    )  # fmt: skip
    image_id, label, score, boxes = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Detections(image_id, range(len(score)), label, score, boxes)


@pytest.fixture(scope="module")
def address(root):
    with served(root) as url:
        yield url


@pytest.fixture(scope="module")
def table(root):
    """The detection table that the page shows at first, the best model's."""
    return read_table(next(root.glob("runs/*/tables/epoch_0001.parquet")))


@pytest.fixture(scope="module")
def context(browser):
    """One for all pages, so that scripts and fonts are loaded once."""
    made = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    made.set_default_timeout(30 * SECOND)
    yield made
    made.close()


@pytest.fixture
def page(context, address):
    """A page on which no script and no request may fail, and none may go elsewhere."""
    opened, problems = context.new_page(), []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("request", lambda asked: asked.url.startswith((address, "blob:", "data:")) or problems.append(asked.url))
    opened.on("response", lambda got: got.status < 400 or OWN_404.search(got.url) or problems.append(got.url))
    opened.on("requestfailed", lambda lost: "ABORTED" in lost.failure or problems.append(f"{lost.failure} {lost.url}"))
    yield opened
    opened.close()
    assert not problems


# What a user does


def open_results(page, address: str, **query: str) -> None:
    """Opens a link to Results; it is there once the tab in sight has something."""
    page.goto(f"{address}/results?" + "&".join(f"{name}={value}" for name, value in query.items()))
    page.locator(".dlc-plot .main-svg, [data-testid=stCheckbox]").first.wait_for()


def query_of(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def chart_named(page, title: str):
    """The drawn chart with this title, in sight."""
    chart = page.locator(".dl-chart").filter(has=page.get_by_role("heading", name=title, exact=True))
    chart.locator(".dlc-area").evaluate("area => area.scrollIntoView({ block: 'center' })")
    chart.locator(".dlc-plot .main-svg").first.wait_for()
    return chart


def points_of(chart, trace: int = 0) -> list[dict]:
    """What is written at each point of a trace, whether it opens something, and its place; of a heat map row by row."""
    return chart.locator(".dlc-plot").evaluate(
        """(box, n) => {
            const { x, y, z, text, customdata } = box.data[n]
            const one = (x, y, text, target, ...at) => ({ x, y, text, opens: target !== null, at })
            if (!z) return x.map((_, i) => one(x[i], y[i], text?.[i], customdata[i], i))
            return z.flatMap((row, i) => row.map((_, j) => one(x[j], y[i], text[i][j], customdata[i][j], i, j)))
        }""",
        trace,
    )


def click_point(chart, at: list[int], trace: int = 0) -> None:
    """Clicks on the middle of a bar or cell, or on a mark."""
    place = chart.locator(".dlc-plot").evaluate(
        """(box, [n, at]) => {
            const trace = box._fullData[n], [xaxis, yaxis] = [trace.xaxis, trace.yaxis]
            const [x, y] = [xaxis, yaxis].map((id) => box._fullLayout[id[0] + "axis" + id.slice(1)])
            const point = trace.type === "heatmap" ? { x: at[1], y: at[0] } : { ...box.calcdata[n][at[0]] }
            if (trace.type === "bar") point[trace.orientation === "h" ? "x" : "y"] = point.b + point.s / 2
            return { x: x.c2p(point.x), y: y.c2p(point.y), subplot: xaxis + yaxis }
        }""",
        [trace, at],
    )
    chart.locator(f'.nsewdrag[data-subplot="{place.pop("subplot")}"]').click(position=place)


def without_number(label: str) -> str:
    """A class's name without the number of its objects: "traffic light (19)"."""
    return re.sub(r" \([\d,]+\)$", "", label)


def opened_on_errors(page) -> dict[str, list[str]]:
    """The filters in the address of Errors, once its pictures are there."""
    page.wait_for_url("**/errors?*")
    page.locator(".gallery .cell").first.wait_for()
    query = query_of(page)
    assert query.pop("run") and query.pop("model") == ["best"]
    return query


def number_on(page, button: str) -> int:
    """The count on one of the buttons of Errors."""
    return int(page.get_by_role("button", name=re.compile(f"^{button} · ")).inner_text().split("·")[1])


def shown_images(page) -> int:
    """How many images Errors says it shows."""
    return int(page.get_by_text(re.compile(r"^\d+ of 60 validation images")).inner_text().split()[0])


def bright(page, kind: str = "box") -> int:
    """How many boxes the gallery does not dim, if all its images are on one page."""
    assert shown_images(page) <= 24
    return page.locator(f".gallery .grid g.{kind}:not(.dim)").count()


# What errors cost, and what is taken for what


@pytest.mark.parametrize(("kind", "value"), [("Wrong class", "classification"), ("Missed", "missed")])
def test_a_click_on_the_costliest_errors_shows_exactly_these_boxes(page, address, kind, value):
    open_results(page, address, view="costs")
    chart = chart_named(page, "The costliest errors")
    bar = next(point for point in points_of(chart) if point["y"].startswith(kind + "<br>"))
    name, size = bar["y"].split("<br>")[1].split(" · ")
    boxes = int(re.search(r"(\d+) box", bar["text"])[1])
    click_point(chart, bar["at"])
    assert opened_on_errors(page) == {"score": ["0.05"], "error": [value], "class": [name], "size": [size]}
    assert number_on(page, kind) == bright(page) == boxes > 0


def test_a_click_on_a_cell_of_the_confusion_matrix_shows_its_boxes_and_back_leads_back(page, address):
    open_results(page, address, view="confusion")
    seen = set()
    for point in confused_cells(chart_named(page, "What is taken for what")):
        click_point(chart_named(page, "What is taken for what"), point["at"])
        annotated, predicted = (re.sub(r"\(.*\)", "", point[axis]) for axis in "yx")
        assert opened_on_errors(page) == {"score": ["0.5"], "true": [annotated], "predicted": [predicted]}
        page.get_by_role("button", name=in_words(annotated, predicted)).wait_for()
        kind = "mark-prediction" if predicted else "box"  # beside predictions are the objects that they found
        assert bright(page, kind) == int(point["text"])
        seen.add((bool(annotated), bool(predicted)))
        page.go_back()
        page.wait_for_url("**/results?*view=confusion*")
        expect(page.get_by_role("tab", selected=True)).to_have_text("Confusion", timeout=30 * SECOND)
    assert len(seen) == 3


def confused_cells(chart) -> list[dict]:
    """A cell of a class taken for another, one of objects that are not found, and one of predictions of no object."""
    filled = [point | {"y": without_number(point["y"])} for point in points_of(chart) if point["text"]]
    confused = next(p for p in filled if p["x"] != p["y"] and "(" not in p["x"] + p["y"])
    return [confused, *(next(p for p in filled if name in p.values()) for name in ("(not found)", "(no object)"))]


def in_words(annotated: str, predicted: str) -> str:
    if not annotated:
        return f"{predicted} predicted, no object found"
    return f"{annotated} taken for {predicted}" if predicted else f"{annotated} not found"


# Every other chart


def of_class(point):
    return {"score": ["0.5"], "class": [without_number(point["y"])]}


def of_class_and_size(point):
    return of_class(point) | {"size": [point["x"]]}


def missed_of_size(point):
    lower = float(point["x"].split("–")[0])
    size = "small" if lower < 32 else "medium" if lower < 96 else "large"
    return {"score": ["0.5"], "error": ["missed"], "size": [size]}


def from_score(point):
    return {"score": [f"{point['x'] - 0.05:g}"]}  # from the bar's left edge on


def poor_boxes(point):
    return {"score": ["0.5"], "error": ["localization"]}


@pytest.mark.parametrize(("view", "title", "trace", "says"), [
    ("figures", "AP by class", 0, of_class),
    ("figures", "AP by class and size", 0, of_class_and_size),
    ("boxes", "How well boxes fit", 1, poor_boxes),
    ("small", "Recall by object size", 0, missed_of_size),
    ("confidence", "Is a score what it says?", 0, from_score),
])  # fmt: skip
def test_a_click_on_a_chart_opens_what_its_point_is_about(page, address, view, title, trace, says):
    open_results(page, address, view=view)
    chart = chart_named(page, title)
    points = [point for point in points_of(chart, trace) if point["opens"]]
    point = points[len(points) // 2]
    click_point(chart, point["at"], trace)
    assert opened_on_errors(page) == says(point)


def test_a_click_on_a_bar_of_images_opens_as_many_images_as_it_is_high(page, address):
    open_results(page, address, view="images")
    chart = chart_named(page, "How hard are the images?")
    bar = max(points_of(chart), key=lambda point: point["y"])
    click_point(chart, bar["at"])
    assert len(opened_on_errors(page)["image"]) == shown_images(page) == bar["y"]


def test_without_a_mouse_a_chart_is_a_table_whose_rows_open_their_boxes(page, address):
    open_results(page, address, view="costs")
    page.get_by_role("button", name="Show What each type of error costs as a table").press("Enter")
    for _ in ("CSV", "PNG", "the table", "its first row"):
        page.keyboard.press("Tab")
    name = page.evaluate("document.activeElement.getAttribute('aria-label')")
    row = page.locator(".dlc-table tbody tr").first.locator("td").all_inner_texts()
    assert name == f"Show the boxes of {row[0]}"
    page.keyboard.press("Enter")
    assert opened_on_errors(page) == {"score": ["0.05"], "error": [row[0]]}
    page.get_by_role("button", name=re.compile(f"· {row[2]}$")).wait_for()


# What is no chart


def test_the_best_score_is_set_here_and_for_the_gallery(page, address):
    open_results(page, address, view="curves")
    adopt = page.get_by_role("button", name=re.compile("^Use score .* everywhere"))
    best = adopt.inner_text().split()[-2]
    assert float(best) != 0.5
    adopt.click()
    page.wait_for_url(f"**score={best}*")
    expect(page.get_by_role("slider", name="Score at least")).to_have_value(best, timeout=30 * SECOND)
    page.get_by_role("link", name="Errors").click()
    assert opened_on_errors(page) == {"score": [best]}
    assert page.locator(".gallery .toolbar output").first.inner_text() == best


def test_an_image_of_the_list_is_shown_alone(page, address):
    open_results(page, address, view="images")
    name = page.get_by_test_id("stDataFrame").locator("tbody tr").nth(1).locator("td").first.text_content()
    page.locator(".dvn-scroller").click(position={"x": 18, "y": 2.5 * ROW})  # the box of the second row
    page.get_by_role("button", name="Show this image").click()
    assert len(opened_on_errors(page)["image"]) == shown_images(page) == 1
    assert page.locator(".gallery .cell .name").inner_text() == name


def test_a_marked_label_outlives_a_reload_is_given_out_and_shown(page, address):
    open_results(page, address, view="labels")
    boxes = page.get_by_role("checkbox", name="Mark")
    page.get_by_text("Mark", exact=True).nth(2).click()
    download = page.get_by_role("button", name="Download 1 mark")
    download.wait_for()
    page.reload()
    download.wait_for()
    expect(boxes).to_have_count(12, timeout=30 * SECOND)
    assert [box.is_checked() for box in boxes.all()] == [place == 2 for place in range(12)]
    with page.expect_download() as asked:
        download.click()
    with contextlib.redirect_stdout(io.StringIO()):
        marked = COCO(asked.value.path())
    assert len(marked.anns) == len(marked.imgs) == 1
    page.get_by_role("button", name="Show").nth(2).click()
    assert opened_on_errors(page)["image"] == [str(image_id) for image_id in marked.imgs]
    assert [image["file_name"] for image in marked.imgs.values()] == [page.locator(".gallery .cell .name").inner_text()]


def test_a_chart_is_downloaded_as_csv_in_full_precision_and_as_a_picture(page, address, table):
    open_results(page, address, view="costs")
    saved = {}
    for kind in ("CSV", "PNG"):
        with page.expect_download() as asked:
            page.get_by_role("button", name=f"Download What each type of error costs as {kind}").click()
        saved[asked.value.suggested_filename] = asked.value.path()
    rows = list(csv.DictReader(io.StringIO(saved["impact.csv"].read_text())))
    expected = impact(table)
    assert {row["error"]: float(row["delta_AP50"]) for row in rows} == expected.total
    assert {row["error"]: int(row["boxes"]) for row in rows} == expected.boxes
    with Image.open(saved["impact.png"]) as image:
        assert image.format == "PNG" and min(image.size) > 400


def test_a_link_opens_its_tab_and_class_and_another_tab_is_in_the_address(page, address):
    open_results(page, address, view="small", **{"class": "car"})
    assert page.get_by_role("tab", selected=True).inner_text() == "Small objects"
    assert page.get_by_role("combobox", name="Class").input_value() == "car"
    page.get_by_role("tab", name="Costs").click()
    page.wait_for_url("**view=costs*")
    chart = chart_named(page, "What errors cost, by size")
    assert query_of(page)["class"] == ["car"]
    point = next(point for point in points_of(chart) if point["opens"])
    click_point(chart, point["at"])
    assert opened_on_errors(page)["class"] == ["car"]

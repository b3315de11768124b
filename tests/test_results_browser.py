"""Results as a user sees it, in a real browser: every click on a chart opens its boxes on Errors.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import contextlib
import csv
import io
import re

import pytest
from PIL import Image
from playwright.sync_api import expect
from pycocotools.coco import COCO

from core.evaluation.findings.impact import impact
from core.evaluation.table import read_table
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.invented import VAL
from tests.pages_in_browser import (
    CELLS,
    bright,
    chart_named,
    choose_row,
    click_point,
    link,
    number_on,
    points_of,
    query_of,
    shown_names,
    without_number,
)

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page


@pytest.fixture(scope="module")
def table(shared):
    """The detection table that the page shows at first, the best model's."""
    return read_table(shared.root / f"runs/{shared.runs.results}/tables/epoch_0001.parquet")


# What a user does


def open_results(page, shared, **query: str) -> None:
    """Opens a link to Results; it is there once the tab in sight has something."""
    page.goto(link(shared.address, "results", run=shared.runs.results, **query))
    page.locator(".dlc-plot .main-svg, [data-testid=stCheckbox]").first.wait_for()


def opened_on_errors(page) -> dict[str, list[str]]:
    """The filters in the address of Errors, once its pictures are there."""
    page.wait_for_url("**/errors?*")
    page.locator(CELLS).first.wait_for()
    query = query_of(page)
    assert query.pop("run") and query.pop("model") == ["best"]
    return query


def shown_images(page) -> int:
    """How many images Errors says it shows."""
    return int(page.get_by_text(re.compile(rf"^\d+ of {VAL} validation images")).inner_text().split()[0])


# Error impact, and what is taken for what


@pytest.mark.ci
@pytest.mark.parametrize(("kind", "value"), [("Classification error", "classification"), ("Missed", "missed")])
def test_a_click_on_the_costliest_errors_shows_exactly_these_boxes(page, shared, kind, value):
    open_results(page, shared, view="costs")
    chart = chart_named(page, "Errors of the largest impact")
    bar = next(point for point in points_of(chart) if point["y"].startswith(kind + "<br>"))
    name, size = bar["y"].split("<br>")[1].split(" · ")
    boxes = int(re.search(r"(\d+) box", bar["text"])[1])
    click_point(chart, bar["at"])
    assert opened_on_errors(page) == {"score": ["0.05"], "error": [value], "class": [name], "size": [size]}
    assert number_on(page, kind) == bright(page) == boxes > 0


def test_a_click_on_a_cell_of_the_confusion_matrix_shows_its_boxes_and_back_leads_back(page, shared):
    open_results(page, shared, view="confusion")
    seen = set()
    for point in confused_cells(chart_named(page, "Confusion matrix")):
        click_point(chart_named(page, "Confusion matrix"), point["at"])
        annotated, predicted = (re.sub(r"\(.*\)", "", point[axis]) for axis in "yx")
        assert opened_on_errors(page) == {"score": ["0.5"], "true": [annotated], "predicted": [predicted]}
        page.get_by_role("button", name=in_words(annotated, predicted)).wait_for()
        kind = "mark-prediction" if predicted else "box"  # beside predictions are the objects that they found
        assert bright(page, kind) == int(point["text"])
        seen.add((bool(annotated), bool(predicted)))
        page.go_back()
        page.wait_for_url("**/results?*view=confusion*")
        expect(page.get_by_role("tab", selected=True)).to_have_text("Confusion matrix")
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


def localization_errors(point):
    return {"score": ["0.5"], "error": ["localization"]}


@pytest.mark.few(1)
@pytest.mark.parametrize(("view", "title", "trace", "says"), [
    ("figures", "AP by class", 0, of_class),
    ("figures", "AP by class and size", 0, of_class_and_size),
    ("boxes", "IoU histogram", 1, localization_errors),
    ("small", "Recall by object size", 0, missed_of_size),
    ("confidence", "Reliability diagram", 0, from_score),
])  # fmt: skip
def test_a_click_on_a_chart_opens_what_its_point_is_about(page, shared, view, title, trace, says):
    open_results(page, shared, view=view)
    chart = chart_named(page, title)
    points = [point for point in points_of(chart, trace) if point["opens"]]
    point = points[len(points) // 2]
    click_point(chart, point["at"], trace)
    assert opened_on_errors(page) == says(point)


@pytest.mark.ci
def test_a_click_on_a_bar_of_images_opens_as_many_images_as_it_is_high(page, shared):
    open_results(page, shared, view="images")
    chart = chart_named(page, "How hard are the images?")
    bar = max(points_of(chart), key=lambda point: point["y"])
    click_point(chart, bar["at"])
    assert len(opened_on_errors(page)["image"]) == shown_images(page) == bar["y"]


@pytest.mark.ci
def test_without_a_mouse_a_chart_is_a_table_whose_rows_open_their_boxes(page, shared):
    open_results(page, shared, view="costs")
    page.get_by_role("button", name="Show Impact of each error type as a table").press("Enter")
    for _ in ("CSV", "PNG", "the table", "its first row"):
        page.keyboard.press("Tab")
    name = page.evaluate("document.activeElement.getAttribute('aria-label')")
    row = page.locator(".dlc-table tbody tr").first.locator("td").all_inner_texts()
    assert name == f"Show the boxes of {row[0]}"
    page.keyboard.press("Enter")
    assert opened_on_errors(page) == {"score": ["0.05"], "error": [row[0]]}
    page.get_by_role("button", name=re.compile(f"· {row[2]}$")).wait_for()


# What is no chart


@pytest.mark.ci
def test_the_best_score_is_set_here_and_for_the_gallery(page, shared):
    open_results(page, shared, view="curves")
    adopt = page.get_by_role("button", name=re.compile("^Use score .* everywhere"))
    best = adopt.inner_text().split()[-2]
    assert float(best) != 0.5
    adopt.click()
    page.wait_for_url(f"**score={best}*")
    expect(page.get_by_role("slider", name="Score at least")).to_have_value(best)
    page.get_by_role("link", name="Errors").click()
    assert opened_on_errors(page) == {"score": [best]}
    expect(page.locator(".gallery .toolbar .score output").first).to_have_text(best)


@pytest.mark.ci
def test_the_tab_is_the_same_after_another_page(page, shared):
    open_results(page, shared, view="curves")
    page.get_by_role("link", name="Errors").click()
    opened_on_errors(page)
    page.get_by_role("link", name="Results").click()
    expect(page.get_by_role("tab", selected=True)).to_have_text("PR curves")
    page.wait_for_url("**view=curves*")


@pytest.mark.ci
@pytest.mark.parametrize("score", ["0.5", "0.7"])
def test_errors_counts_from_the_same_score(page, shared, score):
    open_results(page, shared, **({} if score == "0.5" else {"score": score}))
    page.get_by_role("link", name="Errors").click()
    assert opened_on_errors(page) == {"score": [score]}
    expect(page.get_by_role("slider", name="Count from score")).to_have_value(score)


@pytest.mark.ci
def test_an_image_of_the_list_is_shown_alone(page, shared):
    open_results(page, shared, view="images")
    name = page.get_by_test_id("stDataFrame").locator("tbody tr").nth(1).locator("td").first.text_content()
    choose_row(page, 1)
    page.get_by_role("button", name="Show this image").click()
    assert len(opened_on_errors(page)["image"]) == shown_images(page) == 1
    assert shown_names(page) == [name]


def test_a_marked_label_outlives_a_reload_is_given_out_and_shown(page, shared):
    open_results(page, shared, view="labels")
    boxes = page.get_by_role("checkbox", name="Mark")
    page.get_by_text("Mark", exact=True).nth(2).click()
    download = page.get_by_role("button", name="Download 1 mark")
    download.wait_for()
    page.reload()
    download.wait_for()
    expect(boxes).to_have_count(12)
    assert [box.is_checked() for box in boxes.all()] == [place == 2 for place in range(12)]
    with page.expect_download() as asked:
        download.click()
    with contextlib.redirect_stdout(io.StringIO()):
        marked = COCO(asked.value.path())
    assert len(marked.anns) == len(marked.imgs) == 1
    page.get_by_role("button", name="Show").nth(2).click()
    assert opened_on_errors(page)["image"] == [str(image_id) for image_id in marked.imgs]
    assert [image["file_name"] for image in marked.imgs.values()] == shown_names(page)


def test_a_chart_is_downloaded_as_csv_in_full_precision_and_as_a_picture(page, shared, table):
    open_results(page, shared, view="costs")
    saved = {}
    for kind in ("CSV", "PNG"):
        with page.expect_download() as asked:
            page.get_by_role("button", name=f"Download Impact of each error type as {kind}").click()
        saved[asked.value.suggested_filename] = asked.value.path()
    rows = list(csv.DictReader(io.StringIO(saved["impact.csv"].read_text())))
    expected = impact(table)
    assert {row["error"]: float(row["delta_AP50"]) for row in rows} == expected.total
    assert {row["error"]: int(row["boxes"]) for row in rows} == expected.boxes
    with Image.open(saved["impact.png"]) as image:
        assert image.format == "PNG" and min(image.size) > 400


def test_a_link_opens_its_tab_and_class_and_another_tab_is_in_the_address(page, shared):
    open_results(page, shared, view="small", **{"class": "car"})
    expect(page.get_by_role("tab", selected=True)).to_have_text("Recall by size")
    expect(page.get_by_role("combobox", name="Class")).to_have_value("car")
    page.get_by_role("tab", name="Error impact").click()
    page.wait_for_url("**view=costs*")
    chart = chart_named(page, "Error impact by size")
    assert query_of(page)["class"] == ["car"]
    point = next(point for point in points_of(chart) if point["opens"])
    click_point(chart, point["at"])
    assert opened_on_errors(page)["class"] == ["car"]

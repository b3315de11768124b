"""More like this, as a user has it in a real browser: by a key from a box, by a link, and by an area of the map.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from core.datasets.split import read_split
from core.evaluation.alike.box_name import BoxName, split_names
from core.evaluation.alike.likeness import Likeness, boxes_like
from core.evaluation.alike.states import read_states
from core.evaluation.selection import Selection
from core.evaluation.table import read_table
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import (
    CELLS,
    all_drawn,
    chart_named,
    click_point,
    expect_names,
    link,
    open_errors,
    points_of,
    query_of,
    shown_names,
    traces_of,
    wait_for_query,
)

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page
TITLE = "Boxes by likeness"


@pytest.fixture(scope="module")
def likeness(shared):
    """Of the boxes of the run `results`."""
    path = shared.root / f"runs/{shared.runs.results}/tables/epoch_0001.parquet"
    return Likeness(read_table(path), read_states(path))


@pytest.fixture(scope="module")
def names(shared):
    return {image["id"]: image["file_name"] for image in read_split(shared.root / "data/street", "val").images}


def expect_boxes(page, likeness, rows) -> None:
    """Waits until the gallery shows exactly these rows of the table, as far as captions tell them apart."""
    part = likeness.table.take(rows).to_pylist()
    captions = [
        re.compile(
            rf"^{row['class_name']} "
            + (r"· (missed|seen wrongly)" if row["score"] is None else rf"{row['score']:.2f} · ")
        )
        for row in part
    ]
    expect(page.locator(f"{CELLS} .name").first).to_have_text(captions[0])
    with all_drawn(page):
        expect(page.locator(f"{CELLS} .name")).to_have_text(captions)


def like(likeness, names, box: BoxName, selection=Selection(0.5)):  # noqa: B008  frozen
    return boxes_like(likeness, box, selection, names).boxes.rows


# From a box


def test_a_key_shows_the_boxes_that_are_most_like_the_chosen_one_and_a_chip_takes_it_back(
    page, shared, likeness, names
):
    open_errors(page, shared.address, run=shared.runs.results, view="objects", class_="car")
    before = shown_names(page)
    page.locator(CELLS).nth(1).click()
    dialog = page.get_by_role("dialog")
    more = dialog.get_by_role("button", name="More like this")
    expect(more).to_be_visible()
    page.keyboard.press("s")
    expect(dialog).to_have_count(0)
    wait_for_query(page, view="objects", **{"class": "car"})
    page.wait_for_url("**like=*")
    query = query_of(page)
    box = BoxName.from_text(query["like"][0])
    selection = Selection(0.5, ("car",))
    rows = like(likeness, names, box, selection)
    expect_boxes(page, likeness, rows[:24])
    assert shown_names(page)[0] == before[1]
    expect(page.get_by_text(f"{len(rows)} boxes on ")).to_be_visible()
    expect(page.get_by_text(re.compile("most alike first, here 1.00 to "))).to_be_visible()
    page.get_by_role("button", name=re.compile("^Like (query|object) ")).click()
    expect_names(page, before)
    assert "like" not in query_of(page)


def test_the_button_does_so_too_from_image_to_image(page, shared, likeness, names):
    open_errors(page, shared.address, run=shared.runs.results)
    before = page.url
    for turn in range(2):
        page.locator(CELLS).nth(turn).click()
        dialog = page.get_by_role("dialog")
        if not turn:  # of a single box, that one is chosen
            dialog.locator(".list tbody tr", has_text="Prediction").first.click()
        dialog.get_by_role("button", name="More like this").click()
        expect(dialog).to_have_count(0)
        page.wait_for_url(lambda url, before=before: "like=" in url and url != before)
        before = page.url
        box = BoxName.from_text(query_of(page)["like"][0])
        rows = like(likeness, names, box)
        expect_boxes(page, likeness, rows[:24])
        page.locator(CELLS).first.wait_for()


def test_a_link_opens_it_and_its_images_too(page, shared, likeness, names):
    row = int(np.flatnonzero(likeness.places >= 0)[-1])
    (box,) = likeness.names_of(np.array([row]))
    rows = like(likeness, names, box)
    open_errors(page, shared.address, run=shared.runs.results, like=str(box), view="objects", page=2)
    expect_boxes(page, likeness, rows[24:48])
    page.get_by_test_id("stSidebar").get_by_text("Images", exact=True).click()
    images = likeness.table["image_id"].to_numpy()[rows]
    expect_names(page, [names[i] for i in dict.fromkeys(images.tolist())][:24])
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("more boxes like this one")


@pytest.mark.ci
@pytest.mark.parametrize(("like", "says"), [
    ("query.999999.1", "is not among this model's"), ("<b>", None), ("truth.1", None),
])  # fmt: skip
def test_a_link_to_no_box_shows_all_and_says_so(page, shared, like, says):
    open_errors(page, shared.address, run=shared.runs.results, like=like, view="objects")
    if says:
        expect(page.get_by_text(says)).to_be_visible()
        page.get_by_role("button", name=re.compile("^Like query ")).click()
    expect(page.get_by_text("is not among this model's")).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("^Like "))).to_have_count(0)


def test_where_no_states_are_kept_it_is_said_why(page, shared):
    open_errors(page, shared.address, run=shared.runs.many_classes)
    page.locator(CELLS).first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator(".list tbody tr").first.click()
    expect(dialog.get_by_role("button", name="More like this")).to_be_visible()
    page.keyboard.press("s")
    expect(dialog.get_by_text("another tool's results, which have no decoder states")).to_be_visible()
    page.goto(link(shared.address, "results", run=shared.runs.many_classes, view="map"))
    expect(page.get_by_text("another tool's results, which have no decoder states")).to_be_visible()


# The map


def draw_around(page, chart, points: list[list[float]]) -> None:
    """Draws a square around some points of a chart."""
    place = chart.locator(".dlc-plot").evaluate(
        """(box, points) => {
            const { xaxis, yaxis } = box._fullLayout
            const x = points.map(([x]) => xaxis.c2p(x)), y = points.map(([, y]) => yaxis.c2p(y))
            return [Math.min(...x), Math.min(...y), Math.max(...x), Math.max(...y)]
        }""",
        points,
    )
    area = chart.locator(".nsewdrag").bounding_box()
    left, top, right, bottom = (value + 8 * (1 if i > 1 else -1) for i, value in enumerate(place))
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    page.mouse.move(area["x"] + left, area["y"] + top)
    page.mouse.down()
    for x, y in corners[1:]:
        page.mouse.move(area["x"] + x, area["y"] + y, steps=4)
    page.mouse.up()


def test_an_area_drawn_on_the_map_opens_its_boxes_and_back_leads_back(page, shared, likeness):
    page.goto(link(shared.address, "results", run=shared.runs.results, view="map", score=0.4))
    chart = chart_named(page, TITLE)
    assert len(traces_of(chart)) >= 5
    points = [point for trace in range(len(traces_of(chart))) for point in points_of(chart, trace)]
    assert len(points) > 100
    first = points[0]
    near = sorted(points, key=lambda p: max(abs(p["x"] - first["x"]), abs(p["y"] - first["y"])))[:9]
    draw_around(page, chart, [[point["x"], point["y"]] for point in near])
    page.wait_for_url("**/errors?*among=*")
    query = query_of(page)
    boxes = set(split_names(query["among"][0]))
    assert {str(box) for box in boxes} >= {point["opens"]["like"] for point in near}
    assert query["score"] == ["0.4"] and query["view"] == ["objects"]
    expect(page.locator(CELLS)).to_have_count(min(len(boxes), 24))
    chip = page.get_by_role("button", name=f"An area of the map: {len(boxes)} box")
    expect(chip).to_be_visible()
    expect(page.get_by_text(f"{len(boxes)} boxes on ")).to_be_visible()
    page.go_back()
    page.wait_for_url("**/results?*view=map*")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Map")


def test_a_click_on_the_map_opens_what_is_like_its_box(page, shared, likeness, names):
    page.goto(link(shared.address, "results", run=shared.runs.results, view="map"))
    chart = chart_named(page, TITLE)
    trace = next(i for i, name in enumerate(traces_of(chart)) if name.endswith("Missed"))
    points = points_of(chart, trace)
    click_point(chart, points[0]["at"], trace)
    page.wait_for_url("**/errors?*like=*")
    box = BoxName.from_text(query_of(page)["like"][0])
    assert box.kind == "truth"
    rows = like(likeness, names, box)
    expect_boxes(page, likeness, rows[:24])
    table = chart_table(page, shared)
    assert len(table) == sum(len(points_of(chart_named(page, TITLE), i)) for i in range(len(traces_of(chart))))


def chart_table(page, shared) -> list:
    """The lines of the map's table, which is another way to its boxes."""
    page.goto(link(shared.address, "results", run=shared.runs.results, view="map"))
    chart = chart_named(page, TITLE)
    chart.get_by_role("button", name="Show Boxes by likeness as a table").click()
    lines = chart.locator("tbody tr")
    expect(lines.first).to_be_visible()
    table_rows = lines.all()
    chart.get_by_role("button", name="Show Boxes by likeness as a table").click()
    chart.locator(".dlc-plot .main-svg").first.wait_for()
    return table_rows

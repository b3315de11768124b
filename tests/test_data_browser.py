"""The page Data as a user sees it, in a real browser: charts that open images, marked problems, and the way to Train.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import json
import re

import pytest
from playwright.sync_api import expect

from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.invented import VAL
from tests.own_folders import add, labels, write
from tests.pages_in_browser import (
    BOXES,
    CELLS,
    chart_named,
    choose_row,
    click_point,
    open_tab,
    points_of,
    shown_names,
)
from tests.shared_app import ODD

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder of nine and six images with few problems; on image 2 a car is labelled twice."""
    train, val = labels(1, 9), labels(101, 6)
    add(train, 2, 1, (20, 90, 40, 40))
    add(train, 2, 1, (21, 90, 40, 40))
    return write(tmp_path_factory.mktemp("own"), {"train": train, "val": val})


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A folder whose class and pictures are called as if they were HTML."""
    train, val = labels(1, 9, (ODD, "dog")), labels(101, 6, (ODD, "dog"))
    for image in train["images"]:
        image["file_name"] = f"{ODD} {image['id']}.png"
    add(train, 2, 1, (20, 90, 1, 40))
    return write(tmp_path_factory.mktemp("odd"), {"train": train, "val": val})


# What a user does


def open_data(page, address: str) -> None:
    page.goto(f"{address}/data")
    page.get_by_text(re.compile(r"^Training · ")).first.wait_for()


def open_folder(page, address: str, folder) -> None:
    """Types a folder's path into the box and waits for its numbers."""
    open_data(page, address)
    page.get_by_text("A folder of mine").click()
    box = page.get_by_role("textbox", name="Folder")
    box.click()
    box.fill(str(folder))
    box.press("Enter")
    page.get_by_text(re.compile("^Training · 9 images")).wait_for()


def labels_of(folder, split: str) -> dict:
    return json.loads((folder / f"annotations/instances_{split}.json").read_text())


def traces_that_open(chart) -> list[int]:
    return chart.locator(".dlc-plot").evaluate(
        "box => box.data.flatMap((t, i) => t.customdata?.some(Boolean) ? [i] : [])"
    )


def holding(data: dict, name: str) -> set[str]:
    """The file names of the images with an object of the class."""
    own = next(c["id"] for c in data["categories"] if c["name"] == name)
    ids = {a["image_id"] for a in data["annotations"] if a["category_id"] == own and not a["iscrowd"]}
    return {image["file_name"] for image in data["images"] if image["id"] in ids}


# The page


def test_the_page_opens_in_light_with_every_chart_drawn(page, address, shared):
    open_data(page, address)
    background = page.locator(".stApp").evaluate("app => getComputedStyle(app).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    expect(page.locator(".dl-chart")).to_have_count(7)
    for title in page.locator(".dl-chart").get_by_role("heading").all_inner_texts():
        expect(chart_named(page, title).locator(".dlc-plot .main-svg").first).to_be_visible()
    objects = sum(not a["iscrowd"] for a in labels_of(shared.root / "data/street", "val")["annotations"])
    expect(page.get_by_text(f"Validation · {VAL} images · {objects:,} objects")).to_be_visible()


@pytest.mark.ci
def test_a_click_on_a_mark_opens_the_images_with_that_class(page, address, shared):
    open_data(page, address)
    chart = chart_named(page, "Objects of each class")
    trace = traces_that_open(chart)[-1]  # of the validation images
    images = labels_of(shared.root / "data/street", "val")
    points = [(len(holding(images, point["opens"]["class"])), point) for point in points_of(chart, trace)]
    opens = next(point for count, point in points if 0 < count <= 24)  # one page
    click_point(chart, opens["at"], trace)
    opens = opens["opens"]
    expect(page.get_by_role("tab", selected=True)).to_have_text("Images")
    page.locator(CELLS).first.wait_for()
    assert opens["split"] == "val"
    expect(page.get_by_role("combobox", name="Class", exact=True)).to_have_value(opens["class"])
    expected = holding(images, opens["class"])
    expect(page.get_by_text(f"{len(expected)} of {3 + VAL} images")).to_be_visible()
    assert {name.split(" · ")[0] for name in shown_names(page)} == expected


def test_thumbnails_have_their_boxes_and_open_in_large(page, address, own):
    open_folder(page, address, own)
    open_tab(page, "Images")
    page.locator(CELLS).first.wait_for()
    data = [labels_of(own, split) for split in ("train", "val")]
    page.locator(CELLS).last.scroll_into_view_if_needed()  # what is far below is not drawn
    expect(page.locator(BOXES)).to_have_count(sum(len(one["annotations"]) for one in data))
    assert page.locator(f"{BOXES}.dim, {BOXES}.mark-missed, .gallery .frame.lost").count() == 0
    drawn = page.locator(".gallery .grid img").evaluate_all("all => all.map(one => one.complete && one.naturalWidth)")
    assert all(width == 240 for width in drawn if width is not False)

    named = page.locator(".gallery .grid .label")
    expect(named.first).to_be_visible()
    assert set(named.all_inner_texts()) <= {"car", "dog"}
    toolbar = page.locator(".gallery .toolbar").first
    toolbar.get_by_text("Labels").click()
    expect(named).to_have_count(0)
    toolbar.get_by_text("Labels").click()
    assert (
        not toolbar.get_by_text("Predictions").is_visible() and not toolbar.get_by_text("Show from score").is_visible()
    )

    cell = page.locator(CELLS).filter(has_text="000002.png")
    assert "3 objects" in cell.inner_text()
    cell.click()
    large = page.locator(".gallery dialog[open]")
    expect(large.locator("h2")).to_have_text("000002.png")
    expect(large.locator("tbody tr")).to_have_count(3)
    assert large.locator("tbody tr").first.locator("td").nth(1).inner_text() == "car"
    picture = large.locator("img")
    expect(picture).to_have_js_property("naturalWidth", 240)
    page.keyboard.press("Escape")
    expect(large).to_have_count(0)


def test_a_row_of_the_problems_shows_the_image_with_its_boxes_brought_out(page, address, own):
    open_folder(page, address, own)
    open_tab(page, "Problems")
    rows = page.get_by_test_id("stDataFrame").locator("tbody tr")
    expect(rows.filter(has_text="labelled twice")).to_have_count(1)
    expect(page.get_by_text("Looking at the pictures")).to_have_count(0)
    place = next(i for i, row in enumerate(rows.all()) if "labelled twice" in row.text_content())
    choose_row(page, place)
    page.locator(CELLS).first.wait_for()
    assert [name.split(" · ")[0] for name in shown_names(page)] == ["000002.png"]
    expect(page.locator(BOXES)).to_have_count(3)
    assert page.locator(f"{BOXES}:not(.dim)").count() == 2


def test_a_folder_that_is_typed_is_trained_on_after_one_click(page, address, own):
    open_folder(page, address, own)
    page.get_by_role("button", name="Train on this").click()
    expect(page.get_by_role("textbox", name="Data set: path or name")).to_have_value(str(own))
    objects = sum(len(labels_of(own, split)["annotations"]) for split in ("train", "val"))
    expect(page.get_by_text(f"9 train + 6 val images, {objects} objects")).to_be_visible()
    expect(page.get_by_role("button", name="Train", exact=True).last).to_be_enabled()


@pytest.mark.ci
def test_names_that_look_like_html_are_shown_as_they_are(page, address, odd):
    """The page fixture finds the request for x, the box that pops up and the error in the console."""
    open_folder(page, address, odd)
    chart_named(page, "Objects of each class")
    chart_named(page, "Which classes share images")
    open_tab(page, "Images")
    page.locator(CELLS).filter(has_text=f"{ODD} 2.png").click()
    expect(page.locator(".gallery dialog[open] h2")).to_have_text(f"{ODD} 2.png")
    page.keyboard.press("Escape")
    open_tab(page, "Problems")
    rows = page.get_by_test_id("stDataFrame").locator("tbody tr")
    expect(rows.filter(has_text="fewer than 20 objects").first).to_be_attached()
    for place in range(rows.count()):
        choose_row(page, place)
        page.get_by_text("In words:").first.wait_for()
    assert page.locator("img[src='x']").count() == 0

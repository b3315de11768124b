"""Compare as a user sees it, in a real browser: from a figure that has changed to the pictures behind it, and to why.

What is fixed or broken is worked out anew from the two detection tables. Needs Chromium; skipped without it, unless
DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect

from core.datasets.split import read_split
from core.evaluation.table import read_table
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import (
    BOXES,
    CELLS,
    MINUTE,
    all_drawn,
    chart_named,
    click_point,
    link,
    number_on,
    open_tab,
    points_of,
    query_of,
    shown_names,
    strict_page,
    traces_of,
    wait_for_query,
    without_number,
)

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page
MATRIX, CLASS_BARS, SIZE_BARS = (
    "Change of AP by class and size", "Objects fixed and broken, by class", "Objects fixed and broken, by size"
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(shared):
    """The ids of two runs on the same images, the one after being longer."""
    return SimpleNamespace(before=shared.runs.older, after=shared.runs.newer)


@pytest.fixture(scope="module")
def root(shared):
    return shared.root


def objects_of(root, before: tuple[str, int], after: tuple[str, int], data) -> pd.DataFrame:
    """Each object of two tables, (run, epoch): class, size, name of its file, and what became of it."""
    names = {image["id"]: image["file_name"] for image in read_split(data, "val").images}
    parts = []
    for run, epoch in (before, after):
        table = read_table(root / f"runs/{run}/tables/epoch_{epoch:04}.parquet").to_pandas()
        own = table[(table.kind == "ground_truth") & (table.iscrowd == False)]  # noqa: E712 (null is neither)
        parts.append(own.set_index("gt_id"))
    was, now = (part.match_score.reindex(parts[0].index) >= np.float32(0.5) for part in parts)
    frame = parts[0][["image_id", "class_name", "size"]].astype({"class_name": str, "size": str})
    frame["name"] = frame.image_id.map(names)
    frame["change"] = np.select([~was & now, was & ~now, was & now], ["fixed", "broken", "right"], "wrong")
    return frame


@pytest.fixture(scope="module")
def objects(root, runs):
    return objects_of(root, (runs.before, 1), (runs.after, 2), root / "data/street")


def open_compare(window, address: str, runs, **query) -> None:
    """The second run after the first, once the matrix says which changes are clear."""
    pair = {"run": runs.after, "model": "best", "before": runs.before, "before_model": "best"}
    window.goto(link(address, "compare", **pair | query))
    window.get_by_text("▲ and ▼: more than noise").wait_for()


def expect_objects(page, asked: pd.DataFrame, panes: int = 2) -> None:
    """Waits until the gallery shows these objects and no others, each in every pane."""
    n, images = len(asked), asked.name.nunique()
    words = f"{n} object{'s' * (n != 1)} on {images} image{'s' * (images != 1)}"
    expect(page.get_by_text(words, exact=True)).to_be_visible()
    assert images <= 24, "one page"
    with all_drawn(page):
        assert sorted(shown_names(page)) == sorted(asked.name.unique())
        assert page.locator(f"{BOXES}:not(.mark-prediction):not(.dim)").count() == panes * n


# From a figure to its pictures


def test_a_click_on_a_cell_of_the_matrix_shows_exactly_what_is_broken_or_fixed_there(page, address, runs, objects):
    open_compare(page, address, runs)
    seen = set()
    for point in points_of(chart_named(page, MATRIX)):
        kind, name, size = ((point["opens"] or {}).get(key) for key in ("change", "class", "size"))
        asked = objects[(objects.change == kind) & (objects.class_name == name)]
        asked = asked[asked["size"] == size] if size else asked
        if not len(asked) or (kind, size is None) in seen:
            continue
        seen.add((kind, size is None))
        click_point(chart_named(page, MATRIX), point["at"])
        wait_for_query(page, **{"change": kind, "class": name, **({"size": size} if size else {})})
        expect(page.locator(".gallery")).to_be_in_viewport()
        expect_objects(page, asked)
    assert len(seen) == 4


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", ["Fixed", "Broken"])
def test_a_click_on_a_bar_shows_exactly_its_objects(page, address, runs, objects, kind):
    open_compare(page, address, runs, layout="over")
    for title, column in ((CLASS_BARS, "class_name"), (SIZE_BARS, "size")):
        chart = chart_named(page, title)
        trace = traces_of(chart).index(kind)
        point = next(p for p in points_of(chart, trace) if 0 < p["x"] <= 24)
        asked = objects[(objects.change == kind.lower()) & (objects[column] == without_number(point["y"]))]
        assert len(asked) == point["x"]
        click_point(chart, point["at"], trace)
        expect_objects(page, asked, panes=1)
        assert number_on(page, kind) == len(asked)


@pytest.mark.ci
def test_a_click_on_false_alarms_shows_as_many_boxes_of_their_model(page, address, runs):
    open_compare(page, address, runs)
    for pane, kind in enumerate(("Gone", "New")):
        chart = chart_named(page, "False alarms, new and gone")
        trace = traces_of(chart).index(f"{kind} false alarms")
        point = next(p for p in points_of(chart, trace) if p["opens"])
        click_point(chart, point["at"], trace)
        expect(page.get_by_text(re.compile(rf"^{point['text']} false alarms? on "))).to_be_visible()
        with all_drawn(page):
            for other in (0, 1):
                boxes = page.locator(f"{CELLS} .window:nth-child({other + 1}) path.mark-prediction")
                assert boxes.count() > 0
                lit = boxes.and_(page.locator("path:not(.dim)"))
                expect(lit).to_have_count(int(point["text"]) if other == pane else 0)


@pytest.mark.ci
def test_from_a_change_of_small_objects_to_why_in_three_clicks(page, address, root, runs):
    objects = objects_of(root, (runs.before, 1), (runs.after, 0), root / "data/street")
    pair = {"run": runs.after, "model": "untouched", "before": runs.before, "before_model": "best"}
    page.goto(link(address, "compare", **pair, as_="objects"))
    small = [p for p in points_of(chart_named(page, MATRIX)) if p["x"] == "small" and p["opens"]]
    there = objects[objects["size"] == "small"]
    point = next(p for p in small if ((there.class_name == p["y"]) & (there.change == p["opens"]["change"])).any())
    clicks = 0

    def clicked(act) -> None:
        nonlocal clicks
        act()
        clicks += 1

    clicked(lambda: click_point(chart_named(page, MATRIX), point["at"]))
    wait_for_query(page, size="small")
    expect(page.locator(f"{CELLS} .name").first).to_contain_text(point["y"])
    clicked(page.locator(CELLS).first.click)
    large = page.get_by_role("dialog")
    expect(large.locator("p.chosen")).to_contain_text(point["y"])
    clicked(lambda: large.get_by_role("button", name=re.compile("^Why ")).click())
    expect(large.locator(".why .why-table tbody tr").first).to_be_visible(timeout=2 * MINUTE)
    assert clicks == 3


# How it is looked at


@pytest.mark.ci
def test_pictures_are_beside_or_over_each_other_also_in_large(page, address, runs):
    open_compare(page, address, runs)
    large = page.get_by_role("dialog")
    panes = page.locator(CELLS).first.locator(".window")
    for layout, number in (("One over the other", 1), ("Side by side", 2)):
        page.get_by_text(layout, exact=True).click()
        expect(panes).to_have_count(number)
        assert query_of(page).get("layout", ["beside"]) == ["over" if number == 1 else "beside"]
        page.locator(CELLS).first.click()
        expect(large.locator(".stage")).to_have_count(number)
        first = large.locator(".stage").first.locator(".frame")
        width = first.bounding_box()["width"]
        large.get_by_role("button", name="Nearer").click()
        expect(large.locator(".stage").last).to_have_class(re.compile("near"))
        assert all(frame.bounding_box()["width"] > width for frame in large.locator(".stage .frame").all())
        page.keyboard.press("Escape")


@pytest.mark.ci
def test_a_link_shows_the_same_elsewhere_and_after_a_reload(page, address, runs, context, objects):
    open_compare(page, address, runs)
    page.get_by_role("button", name=re.compile("^Still wrong · ")).click()
    page.get_by_text("Objects", exact=True).click()
    page.get_by_role("button", name="small", exact=True).click()
    wait_for_query(page, **{"size": "small", "as": "objects", "change": "wrong"})
    asked = objects[(objects.change == "wrong") & (objects["size"] == "small")]
    pressed = f"Still wrong · {len(asked)}"
    expect(page.get_by_role("button", name=pressed, exact=True)).to_be_visible()
    expect(page.locator(CELLS)).to_have_count(24)
    with all_drawn(page):
        shown = shown_names(page)
    with strict_page(context, address) as elsewhere:
        elsewhere.goto(page.url)
        page.reload()
        for window in (elsewhere, page):
            expect(window.get_by_role("button", name=pressed, exact=True)).to_be_visible()
            expect(window.locator(CELLS)).to_have_count(24)
            with all_drawn(window):
                assert shown_names(window) == shown
        assert query_of(page) == query_of(elsewhere)


@pytest.mark.ci
def test_swapped_what_was_fixed_is_broken(page, address, runs, objects):
    open_compare(page, address, runs)
    counts = objects.change.value_counts()
    assert (number_on(page, "Fixed"), number_on(page, "Broken")) == (counts["fixed"], counts["broken"])
    page.get_by_role("button", name="Swap").click()
    expect(page.get_by_role("button", name=f"Fixed · {counts['broken']}", exact=True)).to_be_visible()
    assert number_on(page, "Broken") == counts["fixed"] != counts["broken"]
    assert (query_of(page)["run"], query_of(page)["before"]) == ([runs.before], [runs.after])


@pytest.mark.ci
def test_figures_and_settings_of_both_are_there(page, address, runs):
    page.goto(link(address, "compare", run=runs.after, before=runs.before, view="figures"))
    chart_named(page, "Change of the twelve metrics")
    open_tab(page, "Settings and curves")
    expect(page.get_by_role("heading", name="Curves")).to_be_visible()


@pytest.mark.ci
def test_results_lead_here_and_back(page, address, runs):
    page.goto(link(address, "results", run=runs.after, view="boxes"))
    page.get_by_role("button", name="Compare with another run").click()
    wait_for_query(page, view="changes", run=runs.after, before=runs.before)
    chart_named(page, CLASS_BARS)
    page.go_back()
    page.wait_for_url("**/results?*view=boxes*")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Localization")

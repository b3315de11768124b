"""The app's pages in a real browser: what the tests of several pages share.

A test module takes `address` and `page` from here. Tests that only look at runs share one app, see tests/shared_app.py;
others make a fixture `root`, the app's root folder, and take `own_address` as `address`.
"""

import re
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import expect

from tests.chromium import SIZE, WAIT
from tests.serving import served

SECOND = 1000
MINUTE = 60 * SECOND
QUIET = 700  # milliseconds after a script, in which a busy browser still draws
PATIENCE = 5 * SECOND  # with a script that runs
ROW = 31  # pixels of a row of a table, its head too
OWN_404 = re.compile(r"/_stcore/(health|host-config)$")  # Streamlit looks for itself below the page's path first
expect.set_options(timeout=WAIT)  # its own 5 seconds are few then
CELLS = ".gallery .grid .cell"
BOXES = f"{CELLS} path.box"


@pytest.fixture(scope="module")
def own_address(root):
    """The app with the module's root folder; for tests that need an app of their own."""
    with served(root) as url:
        yield url


@pytest.fixture(scope="module")
def address(shared):
    """The app that tests share which only look."""
    return shared.address


@pytest.fixture
def page(context, address):
    """A page on which nothing may fail: see `strict_page`."""
    with strict_page(context, address) as opened:
        yield opened


@contextmanager
def strict_page(context, address: str):
    """A page on which no script and no request may fail, none may go elsewhere, nothing complains and pops up."""
    opened, problems = context.new_page(), []
    _wait_for_runs(opened)
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("dialog", lambda box: problems.append(box.message) or box.dismiss())
    opened.on("request", lambda asked: asked.url.startswith((address, "blob:", "data:")) or problems.append(asked.url))
    opened.on("response", lambda got: got.status < 400 or OWN_404.search(got.url) or problems.append(got.url))
    opened.on("requestfailed", lambda lost: "ABORTED" in lost.failure or problems.append(f"{lost.failure} {lost.url}"))
    opened.on("console", lambda said: problems.append(said.text) if _is_complaint(said) else None)
    yield opened
    opened.close()
    assert not problems, problems


def _wait_for_runs(page) -> None:
    """Lets each action wait for the page's script, for some seconds: what is drawn anew between the press and the
    release of a click does not take it, a list of options closes."""
    running = page.locator('[data-testid="stApp"][data-test-script-state="running"]')

    def wait() -> None:
        with suppress(AssertionError):  # a script that runs long is looked at while it does
            expect(running).to_have_count(0, timeout=PATIENCE)

    page.add_locator_handler(running, wait, no_wait_after=True)


def _is_complaint(said) -> bool:
    return said.type == "error" and not OWN_404.search(said.location["url"])


# What a user does


def link(address: str, path: str, **query) -> str:
    """An address of the app; a list is a name that comes several times, `as_` is "as"."""
    return f"{address}/{path}?{urlencode({name.rstrip('_'): value for name, value in query.items()}, doseq=True)}"


def query_of(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def wait_for_query(window, **query) -> None:
    """Waits until the address says this, whatever else it says."""
    wanted = {name: value if isinstance(value, list) else [str(value)] for name, value in query.items()}
    window.wait_for_url(lambda url: wanted.items() <= parse_qs(urlsplit(url).query, keep_blank_values=True).items())


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name).click()
    expect(page.get_by_role("tab", selected=True)).to_have_text(name)


def choose_row(page, place: int) -> None:
    """Clicks on the box of a table's row, from 0."""
    page.locator(".dvn-scroller").click(position={"x": 18, "y": (place + 1.5) * ROW})


def settled(page) -> None:
    """After two pictures of the screen: what a click in the gallery changes is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def at_rest(page) -> None:
    """The script has run, and what it changed is drawn: a click that falls into that is lost, of a user, too."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(QUIET)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    settled(page)


def choose(page, label: str, option: str) -> None:
    """One of a select box's options."""
    box = page.get_by_role("combobox", name=label, exact=True)
    box.scroll_into_view_if_needed()
    settled(page)  # its list would close when the page scrolls
    box.click()
    page.get_by_role("option", name=option, exact=True).click()


# Charts


def chart_named(page, title: str):
    """The drawn chart with this title, in sight."""
    chart = page.locator(".dl-chart").filter(has=page.get_by_role("heading", name=title, exact=True))
    chart.locator(".dlc-area").evaluate("area => area.scrollIntoView({ block: 'center' })")
    chart.locator(".dlc-plot .main-svg").first.wait_for()
    return chart


def points_of(chart, trace: int = 0) -> list[dict]:
    """What is written at each point of a trace, what it opens, and its place; of a heat map row by row."""
    return chart.locator(".dlc-plot").evaluate(
        """(box, n) => {
            const { x, y, z, text, customdata } = box.data[n]
            const one = (x, y, text, opens, ...at) => ({ x, y, text, opens, at })
            if (!z) return x.map((_, i) => one(x[i], y[i], text?.[i], customdata?.[i] ?? null, i))
            return z.flatMap((row, i) => row.map((_, j) => one(x[j], y[i], text[i][j], customdata[i][j], i, j)))
        }""",
        trace,
    )


def traces_of(chart) -> list[str]:
    """The names of a chart's traces."""
    return chart.locator(".dlc-plot").evaluate("box => box.data.map((trace) => trace.name ?? '')")


def without_number(label: str) -> str:
    """A class's name without the number of its objects: "traffic light (19)"."""
    return re.sub(r" \([\d,]+\)$", "", label)


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


# The gallery


def open_errors(window, address: str, **query) -> None:
    """Opens a link to Errors; it is there once it shows images."""
    window.goto(link(address, "errors", **query))
    window.locator(CELLS).first.wait_for()


def shown_names(page) -> list[str]:
    """What stands below the pictures: file names, of single boxes what they are."""
    return page.locator(f"{CELLS} .name").all_inner_texts()


def expect_names(page, names: list[str]) -> None:
    """Waits until the gallery shows exactly these images, in this order."""
    expect(page.locator(f"{CELLS} .name")).to_have_text(names)


def number_on(page, button: str) -> int:
    """The count on one of the buttons above the gallery."""
    return int(page.get_by_role("button", name=re.compile(f"^{button} · ")).inner_text().split("·")[1].replace(",", ""))


def bright(page, kind: str = "box") -> int:
    """How many boxes the gallery does not dim, on all images of its page."""
    with all_drawn(page):
        return page.locator(f"{BOXES}.{kind}:not(.dim)").count()


@contextmanager
def all_drawn(page):
    """A window so high that every cell is in sight: what is not, is not drawn."""
    before = page.viewport_size
    height = page.get_by_test_id("stMain").evaluate("main => main.scrollHeight")
    page.set_viewport_size({"width": SIZE["width"], "height": max(height, SIZE["height"])})
    expect(page.locator(f"{CELLS}:not([aria-label])")).to_have_count(0)
    settled(page)
    yield
    page.set_viewport_size(before)

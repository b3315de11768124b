"""Going to another page in a real browser, from one that asks for a part of itself all the time.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import pytest
from playwright.sync_api import expect

from core import PROJECT
from tests.chromium import needs_chromium
from tests.serving import served

pytestmark = needs_chromium

APP = """
import sys
from pathlib import Path
import streamlit as st
sys.path.insert(0, PROJECT)
from ui.server.going import arrive
page = st.navigation([st.Page("here.py", title="Here", default=True), st.Page("there.py")])
arrive(Path(__file__).parent / ("here.py" if page.title == "Here" else "there.py"))
page.run()
"""
HERE = """
import time
from pathlib import Path
import streamlit as st
from ui.server.going import open_page
@st.fragment(run_every=0.15)
def live():
    time.sleep(0.05)
    st.caption(f"{time.monotonic()}")
live()
st.button("Other")
if st.button("Go"):
    open_page(Path(__file__).parent / "there.py", {"run": "7"})
"""
THERE = """
import time
import streamlit as st
time.sleep(0.2)
st.write("There, with run " + st.query_params["run"])
"""


GO_AND_OTHER = """() => {
    const [other, go] = document.querySelectorAll("[data-testid=stButton] button");
    go.click();
    const timer = setInterval(() => {
        if (!location.search) return;  // the browser is sent away, and has not heard of the other page
        clearInterval(timer);
        other.click();
    }, 1);
}"""


@pytest.fixture
def address(tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMLIT_RUNNER_POST_SCRIPT_GC", "true")  # as it is without our settings: more gets lost
    for name, text in (("app", APP.replace("PROJECT", repr(str(PROJECT)))), ("here", HERE), ("there", THERE)):
        (tmp_path / f"{name}.py").write_text(text)
    with served(tmp_path, app=str(tmp_path / "app.py")) as url:
        yield url


def test_one_arrives_every_time_from_a_page_that_asks_for_its_parts_and_whatever_is_clicked_next(context, address):
    page = context.new_page()  # on which nothing waits until it is at rest
    for n in range(8):
        page.goto(address)
        expect(page.get_by_role("button", name="Go")).to_be_visible()
        page.wait_for_timeout(200 + 20 * n)  # at any moment of what goes on
        page.get_by_role("button", name="Go").click() if n % 2 else page.evaluate(GO_AND_OTHER)
        expect(page.get_by_text("There, with run 7")).to_be_visible(timeout=10_000)
        page.wait_for_timeout(300)
        expect(page.get_by_text("There, with run 7")).to_be_visible()
    page.go_back()  # at once, and one stays
    expect(page.get_by_role("button", name="Go")).to_be_visible()
    page.wait_for_timeout(300)
    expect(page.get_by_role("button", name="Go")).to_be_visible()
    page.close()

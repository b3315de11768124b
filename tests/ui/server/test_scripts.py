"""The components' scripts: what is served, under which address, and that nothing in them makes names markup."""

import importlib
import json
import re
import sys
from posixpath import dirname, join, normpath

import pytest
from starlette.applications import Starlette
from streamlit.components.v2.bidi_component import serialization
from streamlit.testing.v1 import AppTest

from core import PROJECT
from tests.ui.http_client import HOST, TestClient
from ui import server
from ui.charts import component as charts
from ui.gallery import component as gallery
from ui.live import component as live
from ui.routes import ROUTES
from ui.server.scripts import SCRIPTS, VERSION, address, loader

COMPONENTS = (
    "ui/charts/chart.js", "ui/compare/scroll_here.js", "ui/gallery/gallery.js", "ui/live/live.js", "ui/runs/curves.js",
)  # fmt: skip
IMPORT = re.compile(r'^import .* from "(.*)"$', re.MULTILINE)
MARKUP = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser", "createContextualFragment",
    "setHTML", "srcdoc", "new Function", "javascript:",
)  # fmt: skip


@pytest.fixture(scope="module")
def client():
    return TestClient(Starlette(routes=ROUTES), base_url=HOST)


def imported(path: str) -> list[str]:
    """The scripts that a script imports."""
    return [normpath(join(dirname(path), name)) for name in IMPORT.findall(SCRIPTS[path].decode())]


@pytest.mark.parametrize("path", [*SCRIPTS, "core/export/report.js"])
def test_names_that_look_like_html_stay_text(path):
    """The browser sets names as textContent only; nothing in the scripts could make them markup."""
    text = (PROJECT / path).read_text()
    assert [word for word in MARKUP if word in text] == []


def test_every_script_of_the_app_is_imported_by_a_component_and_every_import_is_served():
    reached, waiting = set(), list(COMPONENTS)
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += imported(path)
    assert reached == set(SCRIPTS)
    assert {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "ui").rglob("*.js")} <= reached


def test_a_script_is_served_under_its_place_in_the_project_for_good(client):
    for path, body in SCRIPTS.items():
        answer = client.get(address(path))
        assert answer.status_code == 200 and answer.content == body == (PROJECT / path).read_bytes()
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    ["ui/none.js", "ui/gallery/component.py", "ui/gallery/gallery.css", "core/export/report.js", "ui/../app.py", "",
     ".", "ui/../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "ui/gallery", "ui/js/%00",
     "app.py"],
)  # fmt: skip
def test_nothing_else_is_served(client, path):
    assert client.get(f"/api/js/{VERSION}/{path}").status_code == 404


@pytest.mark.parametrize("version", ["0", "0" * 16, VERSION + "0", VERSION[:-1]])
def test_another_version_is_not_served(client, version):
    """What a page of an older server has is kept by its browser; the rest of it is no more."""
    answer = client.get(f"/api/js/{version}/ui/gallery/gallery.js")
    assert answer.status_code == 404 and answer.headers["cache-control"] == "no-store"


def test_after_a_hot_reload_the_routes_serve_what_was_read_then(client, tmp_path, monkeypatch):
    for path in ("core/charts/draw.js", "ui/new.js"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text("export default 1\n")
    monkeypatch.setattr("core.PROJECT", tmp_path)
    monkeypatch.setattr(server, "scripts", server.scripts)  # the import below sets it; so it is set back
    monkeypatch.delitem(sys.modules, "ui.server.scripts")
    reloaded = importlib.import_module("ui.server.scripts")
    assert reloaded.VERSION != VERSION
    assert client.get(reloaded.address("ui/new.js")).text == "export default 1\n"


def test_the_text_that_streamlit_loads_names_the_module():
    for path in COMPONENTS:
        assert f'"{address(path)}"' in loader(path) and "\n" in loader(path)  # without a line break it were a path
    with pytest.raises(KeyError):
        loader("ui/none.js")


def test_every_style_of_the_components_is_there():
    assert all((gallery.HERE / name).is_file() for name in gallery.STYLES)
    assert all((folder / name).is_file() for folder, name in ((live.HERE, "live.css"), (charts.HERE, "chart.css")))


def test_components_data_are_numbered_by_session_and_unchanged_ones_stay_the_same():
    def page():
        import streamlit as st

        from ui.server import scripts

        for key in ("one", "other"):
            scripts.component("lone", "ui/compare/scroll_here.js", html="<div></div>")(
                key=key, data={"asked": st.session_state.get(f"asked of {key}", 0)}
            )

    def shown(app):
        return [json.loads(one.proto.json) for one in app.get("bidi_component")]

    app = AppTest.from_function(page).run()
    session = shown(app)[0][1]
    assert shown(app) == [[{"asked": 0}, session, 1]] * 2
    app.session_state["asked of other"] = 1
    assert shown(app.run()) == [[{"asked": 0}, session, 1], [{"asked": 1}, session, 2]]
    assert shown(app.run()) == [[{"asked": 0}, session, 1], [{"asked": 1}, session, 2]]
    assert shown(AppTest.from_function(page).run())[0][1] != session


def test_components_data_stand_in_a_list_where_streamlit_looks_for_no_tables(monkeypatch):
    """It would import pandas for that: half a second of the first page with a component."""

    def looked(value):
        raise AssertionError(f"{value} was looked at")

    def page():
        from ui.server import scripts

        scripts.component("lone", "ui/compare/scroll_here.js", html="<div></div>")(key="lone", data={"asked": 0})

    monkeypatch.setattr(serialization, "is_dataframe_like", looked)
    app = AppTest.from_function(page).run()
    assert json.loads(app.get("bidi_component")[0].proto.json)[0] == {"asked": 0}
    makers = [path for path in (PROJECT / "ui").rglob("*.py") if "components.v2.component(" in path.read_text()]
    assert makers == [PROJECT / "ui/server/scripts.py"]

"""The page Results under test: opened with an address, and what it shows."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

SHELL = str(Path(__file__).parents[2] / "ui/shell.py")
PAGE = "../pages/results.py"


def open_page(**query):
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    app.switch_page(PAGE)
    for name, value in query.items():
        app.query_params[name] = value
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def charts(app) -> dict[str, dict]:
    """What the chart components in sight show, by the chart's key."""
    data = [json.loads(one.proto.json)[0] for one in app.get("bidi_component")]
    return {chart["key"]: chart for chart in (json.loads(d["chart"]) for d in data)}


def figures_table(app):
    return next(frame.value for frame in app.dataframe if "Metric" in frame.value)

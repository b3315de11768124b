"""The page Train under test: opened, its form, and what it shows."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from ui.live.component import METRICS
from ui.train import form

ROOT = Path(__file__).parents[2]
SHELL = str(ROOT / "ui/shell.py")


def open_page(**address):
    """The page in a new tab, with what its address says."""
    app = AppTest.from_file(SHELL, default_timeout=30)
    app.query_params.update(address)
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def setting(app, name):
    return app.get_by_key(form.FIELD + name)


def click_train(app, anyway=False):
    """Clicks Train, and `anyway` where the page asks first."""
    checked(app.button(key="train").click().run())
    return checked(app.button(key="train anyway").click().run()) if anyway else app


def shown(app) -> dict:
    """What the live component gets, which is always told the words of the metrics."""
    data = json.loads(app.get("bidi_component")[0].proto.json)[0]
    assert data.pop("metrics") == json.loads(json.dumps(METRICS))
    return data

"""The page Errors under test: opened with an address, and what it shows."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.evaluation.table import ErrorType

SHELL = str(Path(__file__).parents[2] / "ui/shell.py")
PAGE = "../pages/errors.py"


def open_page(**query):
    app = AppTest.from_file(SHELL, default_timeout=30).run()
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page(PAGE)
    for name, value in query.items():
        app.query_params[name] = value
    return checked(app.run())


def come_by(app, **query):
    """From another page by a link, or without a `query` by a click in the navigation."""
    app.switch_page("../pages/train.py")
    checked(app.run())
    app.query_params.clear()
    app.query_params.update(query)
    app.switch_page(PAGE)
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def sent(app) -> dict:
    """What the gallery gets."""
    return json.loads(app.get("bidi_component")[0].proto.json)[0]


def shown(app) -> dict:
    """The page of images in it, with the run that they are of."""
    page = json.loads(sent(app)["page"])
    return page | {"run": page["images"][0]["source"].split("/")[3]}


def ids(app) -> list[int]:
    return [int(image["id"]) for image in shown(app)["images"]]


def names_of(table, store) -> dict[int, str]:
    coco = json.loads((store.data_dir / "street/annotations/instances_val.json").read_text())
    return {image["id"]: image["file_name"] for image in coco["images"]}


def button(app, kind: ErrorType):
    return app.button(key=f"type {kind.value}")


def listed(query_params: dict) -> dict[str, list]:
    return {name: value if isinstance(value, list) else [value] for name, value in query_params.items()}


WHOLE = {
    "model": "untouched", "score": "0.31", "class": ["car", "person"], "size": ["small", "medium"],
    "error": "localization", "true": "car", "predicted": "", "image": ["1", "2"], "score_to": "0.8", "iou_from": "0.1",
    "iou_to": "0.9", "truncated": "1", "crowd": "1", "marked": "1", "order": "iou", "reverse": "1", "view": "objects",
    "per": "48",
}  # fmt: skip

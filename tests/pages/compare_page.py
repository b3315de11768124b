"""The page Compare under test: opened with an address, and what it shows; other models to compare with."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from core.evaluation.table import read_table
from core.runs.evaluated.imports import import_results

SHELL = str(Path(__file__).parents[2] / "ui/shell.py")
PAGE = "../pages/compare.py"


def open_page(**query):
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    app.switch_page(PAGE)
    app.query_params.update(query)
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def components(app) -> list[dict]:
    return [json.loads(one.proto.json)[0] for one in app.get("bidi_component")]


def charts(app) -> dict[str, dict]:
    found = [json.loads(data["chart"]) for data in components(app) if "chart" in data]
    return {chart["key"]: chart for chart in found}


def shown(app) -> dict:
    """The gallery's page, once it is there."""
    pages = [data["page"] for data in components(app) if "page" in data]
    return json.loads(pages[0]) if pages else {}


def frame(app, column: str):
    return next(frame.value for frame in app.dataframe if column in frame.value)


def kinds(app) -> dict[str, int]:
    """The number on each button of a change."""
    buttons = [b for b in app.button if (b.key or "").startswith("change ")]
    return {b.key.removeprefix("change "): int(b.label.split(" · ")[1].replace(",", "")) for b in buttons}


def tables(store, *runs_and_epochs):
    return [read_table(store.table_path(run.id, epoch)) for run, epoch in runs_and_epochs]


def imported(store, drawn, tmp_path, name, keep=None):
    """An imported run of the tiny data set, or of its first `keep` images."""
    gt = json.loads((drawn / "annotations/instances_val.json").read_text())
    gt["images"] = gt["images"][:keep]
    ids = {image["id"] for image in gt["images"]}
    gt["annotations"] = [a for a in gt["annotations"] if a["image_id"] in ids]
    rows = [{n: a[n] for n in ("image_id", "category_id", "bbox")} | {"score": 0.9} for a in gt["annotations"][::3]]
    for file, data in (("gt.json", gt), ("dt.json", rows)):
        (tmp_path / f"{keep} {file}").write_text(json.dumps(data))
    return import_results(store, tmp_path / f"{keep} gt.json", tmp_path / f"{keep} dt.json", drawn / "val", name)

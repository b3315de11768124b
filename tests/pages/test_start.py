"""The app's start: the built-in data is drawn, no page loads torch, and what no page could foresee is a sentence."""

import ast
import subprocess
import sys

import pytest

from core import DataError
from core.datasets.demo import is_complete
from tests.pages.train_page import ROOT, checked, open_page
from ui.choose import built_in


def test_the_built_in_data_is_drawn_at_the_first_start(store, monkeypatch, drawn):
    def draw(one, data_dir):
        for done in range(3):
            yield done, 3
        drawn_copy(drawn, data_dir / one.folder)
        yield 3, 3

    (store.data_dir / "street").rename(store.data_dir / "away")
    monkeypatch.setattr(built_in, "draw_built_in", draw)
    app = open_page()
    assert is_complete(store.data_dir / "street")
    assert not app.button(key="train").disabled


def drawn_copy(source, target):
    for path in source.rglob("*"):
        if path.is_file():
            (target / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / path.relative_to(source)).write_bytes(path.read_bytes())


@pytest.mark.parametrize("error", [DataError("The disk is full."), OSError(28, "No space left on device")])
def test_a_drawing_that_fails_gives_a_sentence_and_the_page_goes_on(store, monkeypatch, error):
    def draw(*_):
        yield 0, 3
        raise error

    (store.data_dir / "street").rename(store.data_dir / "away")
    monkeypatch.setattr(built_in, "draw_built_in", draw)
    app = open_page()
    assert any("The disk is full." in box.value or "could not be drawn" in box.value for box in app.error)
    assert app.button(key="train").disabled


def test_no_page_loads_torch_or_transformers():
    pages = [*(ROOT / "pages").rglob("*.py"), *(ROOT / "ui").rglob("*.py")]
    modules = {n.module for p in pages for n in ast.walk(ast.parse(p.read_text())) if isinstance(n, ast.ImportFrom)}
    code = (
        f"import sys\nfor m in {sorted(modules)!r}: __import__(m)\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', 'fiftyone', 'tensorboard'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip().splitlines()[-1] == "[]"


def test_a_run_database_that_is_gone_is_a_sentence(finished, store):
    app = open_page()
    for path in store.runs_dir.glob("runs.db*"):
        path.unlink()
    checked(app.run())
    assert "is gone: put it back" in app.error[0].value

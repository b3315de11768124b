"""docs/notebook.ipynb: it runs from top to bottom, with public names alone, and what it shows is there."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import core
from core.runs.schema import Status
from core.runs.store import RunStore

PATH = Path(__file__).parents[1] / "docs/notebook.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(PATH, 4)


def test_it_has_twelve_cells_and_carries_nobodys_output(notebook):
    assert len(notebook.cells) == 12
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


def test_it_uses_public_names_alone(notebook):
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    used = set(re.findall(r"\bcore\.(\w+)", code))
    assert len(used) > 12 and used <= set(core.__all__)
    assert not re.search(r"^\s*from core", code, re.MULTILINE)


@pytest.mark.ci
def test_it_runs_from_top_to_bottom(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    monkeypatch.delenv("MPLBACKEND", raising=False)  # what a test before has set is not Jupyter's
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": PATH.parent}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    tables = [output for output in outputs if "text/html" in output.get("data", {})]
    assert len(pictures) >= 4 and len(tables) >= 3
    store = RunStore(tmp_path)
    (run,) = store.runs()
    assert run.status is Status.FINISHED and run.best_ap > run.baseline_ap
    assert (store.folder(run.id) / "export/model/model.safetensors").is_file()

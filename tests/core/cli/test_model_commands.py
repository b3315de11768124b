"""The command models: what can be trained, and what of it is here."""

import json

import pytest

from core.detr.pretrained import OFFERED
from core.detr.sources.released import FAMILIES
from tests.core.cli.running import run


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty folder to start in, and an empty cache of the hub."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_each_released_model_has_a_line_with_what_one_chooses_by(capsys, here):
    status, out, err = run(capsys, "models")
    assert (status, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines() if line.split()[:1] and line.split()[0] in OFFERED}
    assert list(lines) == list(OFFERED)
    for name, line in lines.items():
        model = OFFERED[name]
        facts = (FAMILIES[model.family], f"{model.parameters:.1f}", f"{model.ap:.1f}", model.pictures, model.licence)
        assert all(fact in line for fact in facts) and line.endswith(" MB")
    assert f"into {here}/cache." in out and "in checkpoints/" not in out


def test_what_is_here_is_said(capsys, here):
    folder = here / "checkpoints/facebook/detr-resnet-50"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    out = run(capsys, "models")[1]
    assert [line.split()[0] for line in out.splitlines() if line.endswith(" here")] == ["facebook/detr-resnet-50"]
    assert "  checkpoints/facebook/detr-resnet-50" in out.splitlines()
    rows = json.loads(run(capsys, "models", "--json")[1])
    assert [row["name"] for row in rows] == list(OFFERED)
    assert [row["name"] for row in rows if row["here"]] == ["facebook/detr-resnet-50"]
    assert rows[0].keys() >= {"family", "parameters", "ap", "licence", "edges", "square", "source", "data", "megabytes"}

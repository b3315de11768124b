"""No model's folder has code run, a question asked or another file fetched, whoever reads it."""

import io
import json
import os
import socket
import subprocess
import sys
from contextlib import closing

import pytest
import torch

from core import PROJECT, ModelError
from core.cli.main import main
from core.detr.model import load_model
from core.detr.pretrained import known_classes
from core.inference.model_cache import ModelCache
from core.runs.store import RunStore
from tests.core.detr.hostile import IGNORED, REFUSED, STARTER, pose, pose_as_starter
from tests.core.detr.released import TEN
from ui.server.model_worker import ModelWorker


@pytest.fixture(autouse=True)
def sealed(monkeypatch):
    """Whoever asks finds a "y" waiting; whoever reaches for the network fails the test."""
    asked = []
    monkeypatch.setattr("builtins.input", lambda *prompt: asked.append(prompt) or "y")
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * 9))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: asked.append(address) or pytest.fail("network"))
    yield
    assert asked == []


def pictures(street):
    return str(next(street.rglob("*.jpg")).parent)


@pytest.mark.parametrize("config", REFUSED.values(), ids=REFUSED)
def test_a_folder_that_is_no_model_is_one_sentence_for_every_reader(config, tmp_path, street, monkeypatch, capsys):
    marker = pose(tmp_path / "evil", config)
    folder = str(tmp_path / "evil")
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path / "root"))
    with closing(RunStore(tmp_path / "root")) as store:
        for read in (known_classes, lambda folder: load_model(folder, TEN), ModelCache(store).open):
            with pytest.raises(ModelError) as error:
                read(folder)
            assert len(str(error.value)) <= 300 and "\n" not in str(error.value)
    for command in (["train", "--data", str(street), "--model", folder], ["predict", folder, pictures(street)]):
        assert main(command) == 1
        told = capsys.readouterr().err
        assert "evil" in told and "Traceback" not in told and "y/N" not in told
    assert not marker.exists() and not list(tmp_path.rglob("*.pyc"))


@pytest.mark.parametrize("added", IGNORED.values(), ids=IGNORED)
def test_what_a_model_says_beside_its_settings_is_not_read(added, tmp_path):
    marker = pose_as_starter(tmp_path / "starter", added)
    assert known_classes(str(tmp_path / "starter")) == TEN.names
    model, _ = load_model(str(tmp_path / "starter"), TEN)
    plain, _ = load_model(str(STARTER), TEN)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in plain.state_dict().items())
    with closing(RunStore(tmp_path / "root")) as store:
        assert ModelCache(store).open(str(tmp_path / "starter")).label_map == TEN
    saved = tmp_path / "saved"
    model.save_pretrained(saved)
    assert not {"auto_map", *added} & set(json.loads((saved / "config.json").read_text())) - {"_name_or_path"}
    assert not marker.exists()


def test_the_process_that_answers_and_the_command_line_take_no_yes(tmp_path, street, start_warm):
    """Real processes."""
    marker = pose(tmp_path / "evil", REFUSED["another kind"])
    worker = ModelWorker(str(tmp_path), start_warm)
    try:
        picture = {"path": pictures(street), "width": 96, "height": 96}
        answer = worker.ask({"ask": "predict", "model": str(tmp_path / "evil"), "run": None, "picture": picture})
    finally:
        worker.stop()
    assert "is a evil model, but only these kinds" in answer["error"]
    command = [sys.executable, "-m", "core", "train", "--data", str(street), "--model", str(tmp_path / "evil")]
    done = subprocess.run(
        command, input="y\n" * 9, capture_output=True, text=True, cwd=PROJECT, check=False,
        env={**os.environ, "DETR_LAB_ROOT": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 1 and "is a evil model, but only these kinds" in done.stderr
    assert not marker.exists()

"""Pickled weights, in a folder or on the hub: refused unread, with the lines that convert them, which then work."""

import os
import shlex
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from core import ModelError
from core.cli.main import main
from core.detr.model import load_model
from core.detr.pretrained import find_model, model_folder
from core.wording import with_commands
from tests.core.detr.released import TEN, released
from tests.core.detr.sources.hub_server import local_hub

NAME = "someone/detr"


@pytest.fixture
def folder(tmp_path):
    return released("detr", tmp_path / "model")


def refusal(folder):
    with pytest.raises(ModelError) as error:
        load_model(str(folder), TEN)
    return str(error.value)


def run_lines(lines, monkeypatch):
    """Runs lines of a shell that were told, without a shell and in this process; another test runs them as a person."""
    for program, *words in map(shlex.split, lines):
        if program == "mv":
            os.rename(*words)
        else:
            assert (program, words[0]) == ("python", "-c")
            monkeypatch.setattr(sys, "argv", words[:1] + words[2:])
            exec(words[1], {})


def test_pickled_weights_become_safetensors_by_the_command_that_is_told(folder, monkeypatch):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    for number, part in enumerate((names[:50], names[50:]), start=1):  # as a large model, in parts
        torch.save({n: tensors[n].to(memory_format=torch.channels_last) if tensors[n].ndim == 4 else tensors[n]
                    for n in part}, folder / f"pytorch_model-0000{number}-of-00002.bin")  # fmt: skip
    told = refusal(folder)
    assert "holds only pytorch_model.bin, which is not opened because such a file can run code" in told
    assert not told.endswith(".")
    lines = with_commands(told)[1]
    assert len(lines) == 1
    run_lines(lines, monkeypatch)
    converted = load_file(folder / "model.safetensors")
    assert all(torch.equal(converted[name], tensors[name]) for name in names) and len(converted) == len(names)
    assert load_model(str(folder), TEN)[1].fresh == ()


def test_a_pickle_under_another_name_becomes_safetensors_by_the_two_lines_that_are_told(folder, tmp_path, monkeypatch):
    place = folder.rename(tmp_path / "it's a model")
    tensors = load_file(place / "model.safetensors")
    torch.save(tensors, tmp_path / "pickle")  # the tensors lie in the file that it replaces
    (tmp_path / "pickle").rename(place / "model.safetensors")
    lines = with_commands(refusal(place))[1]
    assert len(lines) == 2
    run_lines(lines, monkeypatch)
    assert load_model(str(place), TEN)[1].fresh == ()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with a model's config and preprocessor, and no weights; the current folder is empty."""
    files = released("detr", tmp_path / "files")
    (files / "model.safetensors").rename(tmp_path / "model.safetensors")
    (files / "preprocessor_config.json").write_text('{"size": {"shortest_edge": 480, "longest_edge": 640}}')
    (tmp_path / "lab").mkdir()
    monkeypatch.chdir(tmp_path / "lab")
    with local_hub(NAME, files, tmp_path / "cache", monkeypatch) as server:
        yield server


def test_without_any_weights_no_line_is_told(hub):
    with pytest.raises(
        ModelError, match=r"has no config\.json and model\.safetensors, as .* take another one"
    ) as error:
        model_folder(find_model(NAME))
    assert with_commands(error.value)[1] == []


@pytest.mark.ci  # two processes; above, such lines run in this one
def test_a_pickle_is_refused_unread_with_two_lines_that_convert_it(hub, tmp_path):
    torch.save(load_file(tmp_path / "model.safetensors"), hub.folder / "pytorch_model.bin")
    with pytest.raises(
        ModelError, match=r"only pytorch_model\.bin, which is not opened because such a file can run code"
    ) as error:
        model_folder(find_model(NAME))
    assert ("GET", "pytorch_model.bin", 0) not in hub.asked
    text, lines = with_commands(error.value)
    assert text.endswith("run these two lines:") and [line.split()[0] for line in lines] == ["hf", "python"]
    path = f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    for line in lines:
        subprocess.run(line, shell=True, check=True, env=environment, cwd=tmp_path, timeout=120)
    source = find_model(NAME)
    assert source == "checkpoints/someone/detr" and sorted(os.listdir(source)) == sorted(
        {".cache", "config.json", "model.safetensors", "preprocessor_config.json", "pytorch_model.bin"}
    )
    assert load_model(source, TEN)[1].fresh == ()


def test_the_command_line_prints_the_lines_below_the_sentence(hub, capsys, tmp_path):
    torch.save({}, hub.folder / "pytorch_model.bin")
    (tmp_path / "picture.png").write_bytes(b"")
    assert main(["predict", NAME, str(tmp_path / "picture.png")]) == 1
    lines = capsys.readouterr().err.strip().splitlines()[-3:]
    assert lines[0].startswith("error: ") and lines[0].endswith("run these two lines:")
    assert lines[1].startswith("    hf download someone/detr --local-dir ") and lines[2].startswith('    python -c "')

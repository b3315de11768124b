"""What people bring instead of a model: each gets its own advice, and nothing of it is unpickled."""

import io
import json
import logging
import os
import pickle
import shutil
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from core import ModelError
from core.detr.model import load_model
from core.detr.pretrained import find_model
from core.wording import with_commands
from tests.core.detr.released import CONFIGS, TEN, released


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("sprung",)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return released("detr", tmp_path_factory.mktemp("foreign") / "detr")


@pytest.fixture
def folder(whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield shutil.copytree(whole, tmp_path / "model")
    assert not (tmp_path / "sprung").exists()


def sentence(spec):
    with pytest.raises(ModelError) as error:
        load_model(str(spec), TEN)
    text = str(error.value)
    assert "\n" not in text and len(with_commands(text)[0]) <= 600
    return text


def torch_file(path, *words):
    """A file as torch.save writes it, that would run code and has these words in it."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps([*words, Trap()]))


@pytest.mark.parametrize(
    ("name", "words", "advice"),
    [
        ("best.pt", ["ultralytics.nn.tasks"], "a checkpoint of Ultralytics, which is not opened .* import"),
        ("epoch_12.pth", ["mmengine.config"], "of MMDetection, which .* import"),
        ("checkpoint_best_ema.pth", ["rfdetr"], "of RF-DETR, which .* import"),
        ("checkpoint.pth", ["transformer.decoder.layers.0.multihead_attn.in_proj_weight"], "detr-resnet-50"),
        ("r50_deformable_detr.pth", ["transformer.decoder.layers.0.cross_attn.sampling_offsets"], "Deformable-DETR"),
        ("last.ckpt", ["pytorch-lightning_version"], "of PyTorch Lightning, which"),
        ("detr.ckpt", ["pytorch-lightning_version", "model.class_labels_classifier.bias"], "transformers, .* save_p"),
        ("model.pth", ["model.decoder.layers.0.encoder_attn.sampling_offsets.bias"], "transformers, .* save_p"),
        ("weights.pth", [], r"of torch\.save, which is not opened .* a model is a folder with config\.json"),
        ("model.onnx", None, "a model exported to ONNX, which cannot be trained"),
        ("model.engine", None, "compiled by TensorRT"),
        ("weights.safetensors", None, r"weights without config\.json beside it"),
        ("model.txt", None, r"is no folder: a model is a folder with config\.json and model\.safetensors"),
    ],
)  # fmt: skip
def test_another_librarys_checkpoint_is_named_as_such(tmp_path, monkeypatch, name, words, advice):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "theirs" / name
    path.parent.mkdir()
    path.write_bytes(b"\x08\x01") if words is None else torch_file(path, *words)
    for spec in (path, f"theirs/{name}"):
        with pytest.raises(ModelError, match=advice):
            find_model(str(spec))
    if name not in ("weights.safetensors", "model.txt"):
        with pytest.raises(ModelError, match=advice):
            find_model("theirs")
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_of_detectron2_is_named_as_such(tmp_path):
    path = tmp_path / "model_final.pkl"
    path.write_bytes(pickle.dumps({"__author__": "Detectron2 Model Zoo", "model": {}}))
    with pytest.raises(ModelError, match=r"a checkpoint of Detectron2, which is not opened"):
        find_model(str(path))


def test_a_file_of_a_model_leads_to_its_folder(folder):
    for name in ("model.safetensors", "config.json"):
        with pytest.raises(ModelError, match="is a file: name its folder, model"):
            find_model(f"model/{name}")


def test_a_folder_of_checkpoints_names_those_inside(folder, tmp_path):
    for name in ("checkpoint-500", "checkpoint-1000"):
        shutil.copytree(folder, tmp_path / "out" / name)
        torch_file(tmp_path / "out" / name / "optimizer.pt")
        torch_file(tmp_path / "out" / name / "training_args.bin")
    assert "in its folders checkpoint-1000, checkpoint-500: name one of them" in sentence("out")
    assert load_model("out/checkpoint-500", TEN)[1].fresh == ()
    (tmp_path / "out/checkpoint-500/model.safetensors").unlink()
    assert "its folder has no model.safetensors: copy that file too" in sentence("out/checkpoint-500")


def test_an_adapter_is_to_be_merged(folder, tmp_path):
    (tmp_path / "lora").mkdir()
    for place in (tmp_path / "lora", folder):
        (place / "adapter_config.json").write_text('{"peft_type": "LORA"}')
        (place / "adapter_model.safetensors").write_bytes(b"")
    (folder / "model.safetensors").unlink()
    assert "adapter (LoRA), not a whole model: merge it" in sentence("lora")
    assert "adapter (LoRA), not a whole model: merge it" in sentence("model")


def overstated(data: bytes, end: int) -> bytes:
    """A safetensors file in whose header one tensor ends at a byte that is not there."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    next(value for name, value in header.items() if name != "__metadata__")["data_offsets"][1] = end
    changed = json.dumps(header).encode()
    return len(changed).to_bytes(8, "little") + changed + data[8 + length :]


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 166618694\n"


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (lambda data: b"", "model.safetensors is empty: copy it again"),
        (lambda data: data[:1000], "cut off, it has 1,000 of"),
        (lambda data: data[:-5], "cut off, it has .* bytes: copy it again"),
        (lambda data: LFS, r"only a pointer of Git LFS \(\d+ bytes\): run git lfs pull"),
        (lambda data: b"\n<!DOCTYPE html><html><body>Sign in", "a web page, not the file: download it again"),
        (lambda data: b"Entry not found", "an answer of the hub, not the file"),
        (lambda data: pickle.dumps(Trap()), r"of torch\.save under another name, .* \$ mv .*_model\.bin \$ python"),
        (lambda data: b"PK\x03\x04" + data, r"of torch\.save under another name"),
        (lambda data: overstated(data, 10**300), "is damaged, its header states more bytes than any disk holds"),
        (lambda data: overstated(data, 10**12), "cut off, it has .* of 1,000,0"),
        (lambda data: bytes(8) + data, "copy its folder again"),
        (lambda data: data[:8] + b"x" + data[9:], "copy its folder again"),
    ],
)  # fmt: skip
def test_what_is_no_safetensors_file_is_told_by_its_bytes(folder, change, advice):
    path = folder / "model.safetensors"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ModelError, match=advice):
        load_model("model", TEN)


@pytest.mark.parametrize("names", [["a", "b", "c"], [f"class {n}" for n in range(92)]])
@pytest.mark.parametrize("kind", CONFIGS)
def test_a_label_count_that_differs_from_the_head_names_both_counts(kind, names, tmp_path):
    folder = released(kind, tmp_path / kind)
    config = json.loads((folder / "config.json").read_text())
    config |= {"id2label": {str(row): name for row, name in enumerate(names)}, "label2id": {}}
    (folder / "config.json").write_text(json.dumps(config))
    told = sentence(folder)
    assert f"config.json names {len(names)} classes, but model.safetensors has rows for 91" in told
    assert "name the 91 classes in id2label of config.json" in told


def test_a_config_without_classes_is_not_said_to_name_some(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["id2label"], config["label2id"]
    (folder / "config.json").write_text(json.dumps(config))
    assert "config.json names no classes, but model.safetensors has rows for 91" in sentence("model")


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod."])
def test_weights_of_a_wrapped_model_are_its_own(folder, wrapper):
    whole = load_model("model", TEN)[0].state_dict()
    tensors = load_file(folder / "model.safetensors")
    save_file({wrapper + name: tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
    model, _ = load_model("model", TEN)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in whole.items())


def test_weights_of_other_names_are_refused_in_one_sentence_alone(folder, monkeypatch):
    """Without transformers' table of them, which advises otherwise."""
    tensors = load_file(folder / "model.safetensors")
    save_file({f"net.{name}": tensor for name, tensor in tensors.items()}, folder / "model.safetensors")
    records = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    logging.getLogger("transformers").addHandler(handler)
    try:
        assert "model.safetensors lacks " in sentence("model")
    finally:
        logging.getLogger("transformers").removeHandler(handler)
    assert records == []


@pytest.mark.parametrize("path", ["weights/best.pt", "out/model.onnx", "out/checkpoint-500", "a/model.safetensors"])
def test_a_path_that_is_not_there_is_no_name_on_the_hub(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="because there is no such folder"):
        find_model(path)


def test_a_copy_of_the_hubs_cache_leads_to_its_snapshot(folder, tmp_path):
    shutil.move(folder, tmp_path / "models--facebook--detr/snapshots/0123abcd")
    assert "but in its folders snapshots/0123abcd: name one of them" in sentence("models--facebook--detr")


def test_weights_under_another_name_are_to_be_renamed(folder):
    (folder / "model.safetensors").rename(folder / "detr.safetensors")
    assert "rename detr.safetensors to that" in sentence("model")


def test_weights_in_several_files_load_as_from_one(folder, tmp_path):
    tensors = load_file(folder / "model.safetensors")
    whole = load_model("model", TEN)[0].state_dict()
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[:90], "model-00002-of-00002.safetensors": names[90:]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: file for file, part in parts.items() for name in part}}))
    model, head = load_model("model", TEN)
    assert head.fresh == () and all(torch.equal(value, model.state_dict()[name]) for name, value in whole.items())
    (folder / "model-00002-of-00002.safetensors").rename(tmp_path / "model-00002-of-00002.safetensors")
    assert "model-00002-of-00002.safetensors, a part of its weights, is missing" in sentence("model")
    for outside in (
        "../model-00002-of-00002.safetensors",
        str(tmp_path / "x.safetensors"),
        "..\\x.safetensors",
        "x.bin",
    ):
        index.write_text(json.dumps({"weight_map": {"a": outside}}))
        assert "is no file of this folder" in sentence("model")


def test_an_empty_folder_is_said_to_be_empty(tmp_path):
    with pytest.raises(ModelError, match="which is empty: a model is a folder with"):
        find_model(str(tmp_path))


def test_a_pickle_is_searched_within_limits(tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000) + b"ultralytics")
    (tmp_path / "bomb.pt").write_bytes(file.getvalue())
    with pytest.raises(ModelError, match=r"a checkpoint of torch\.save"):
        find_model(str(tmp_path / "bomb.pt"))


@pytest.mark.parametrize("packing", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_is_a_checkpoint_that_is_not_opened(tmp_path, packing):
    """zlib and lzma raise errors of their own, and lzma takes the memory that a file states."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packing) as archive:
        archive.writestr("archive/data.pkl", b"mmdet" * 3000)
    for place in range(46, 80):
        data = bytearray(file.getvalue())
        data[place] ^= 0xFF
        (tmp_path / "x.pt").write_bytes(data)
        with pytest.raises(ModelError, match=r"a checkpoint of torch\.save"):
            find_model(str(tmp_path / "x.pt"))

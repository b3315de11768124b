"""What somebody brought instead of a model that can be read, and what to do about it, without torch.

In: a path at which no config.json and model.safetensors could be read. Out: a sentence. A foreign checkpoint is told by
its ending and by words in its bytes; nothing is unpickled, because a pickle can run code.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from core.detr.sources.config import CONFIG, WEIGHTS
from core.files import open_file, real_path
from core.system import console
from core.wording import COMMAND, short

PICKLED = "pytorch_model.bin"
MOST_NAMES = 3
MOST_SEARCHED = 4_000_000  # bytes of a pickle in which a library's name is looked for

IMPORT = "its results on your pictures can be imported: python -m core import"
RELEASED = "start from facebook/detr-resnet-50 or another released model of transformers instead"
SAVED = "where it was trained, load it into its model again and write that as a folder, with save_pretrained"
NEEDED = f"a model is a folder with {CONFIG} and {WEIGHTS}, as transformers' save_pretrained writes it"
# run with the model's folder, for one file or its parts; nothing but tensors is unpickled
CONVERT = (
    'python -c "import sys, pathlib, torch, safetensors.torch as s; d = pathlib.Path(sys.argv[1]); '
    "s.save_file({k: v.clone().contiguous() for f in d.glob('pytorch_model*.bin') for k, v in "
    f"torch.load(f, weights_only=True).items()}}, d / '{WEIGHTS}', {{'format': 'pt'}})\""
)
ADAPTER = (
    "an adapter (LoRA), not a whole model: merge it into its base with peft's merge_and_unload() and save that with "
    "save_pretrained"
)
MOST_STATED = 10**18  # bytes that a header may state
BECAUSE = "which is not opened because such a file can run code"
STATES = ("optimizer.pt", "scheduler.pt", "scaler.pt", "trainer.pt", "training_args.bin")  # of a training, no weights
# a word in the bytes of a checkpoint, and whose it then is; the first that fits
LIBRARIES = (
    (b"class_labels_classifier", "transformers"),  # also within Lightning's
    (b"encoder_attn.sampling_offsets", "transformers"),
    (b"ultralytics", "Ultralytics"),
    (b"dinov2_windowed", "RF-DETR"),
    (b"rfdetr", "RF-DETR"),
    (b"mmdet", "MMDetection"),
    (b"mmengine", "MMDetection"),
    (b"mmcv", "MMDetection"),
    (b"detectron2", "Detectron2"),
    (b"Detectron2", "Detectron2"),
    (b"pytorch-lightning_version", "PyTorch Lightning"),
    (b"transformer.decoder.layers.0.multihead_attn.in_proj_weight", "facebookresearch/detr"),
    (b"transformer.decoder.layers.0.cross_attn.sampling_offsets", "fundamentalvision/Deformable-DETR"),
    (b"transformer.decoder.layers.0.ca_qcontent_proj", "Atten4Vis/ConditionalDETR"),
)
ENDINGS = {
    ".onnx": "a model exported to ONNX", ".engine": "a model compiled by TensorRT",
    ".trt": "a model compiled by TensorRT", ".tflite": "a model exported to TensorFlow Lite",
    ".h5": "weights for TensorFlow", ".msgpack": "weights for Flax",
    ".mlpackage": "a model exported to Core ML", ".pb": "weights for TensorFlow", ".torchscript": "a TorchScript model",
}  # fmt: skip
PICKLES = (".pth", ".pt", ".pkl", ".ckpt", ".bin", ".pickle", ".tar")


def no_model(path: Path, name: str) -> str:
    """Return the sentence for a path that holds no config.json; `name` is what the user calls it."""
    name = short(name, 120)
    if not os.path.lexists(path):
        return (
            f"There is no model in the folder {name}, because there is no such folder: check the path; a model on the "
            "hub is named owner/model."
        )
    if not os.path.isdir(path):
        return _not_a_folder(path, name)
    names = _names(path)
    if not names:
        return f"There is no model in the folder {name}, which is empty: {NEEDED}."
    copies = [f"snapshots/{n}" for n in _names(path / "snapshots")]  # of the hub's cache
    if inside := [n for n in (*names, *copies) if os.path.isfile(path / n / CONFIG)]:
        more = f" and {len(inside) - MOST_NAMES} more" if len(inside) > MOST_NAMES else ""
        return (
            f"There is no model in the folder {name} itself, but in its folders "
            f"{short(', '.join(inside[:MOST_NAMES]), 90)}{more}: name one of them."
        )
    if "adapter_config.json" in names:
        return f"There is no model in the folder {name}: it holds {ADAPTER}."
    if WEIGHTS not in names and PICKLED not in names and (others := [n for n in names if _is_foreign(n)]):
        return _not_a_folder(path / others[0], f"{name}/{short(others[0], 60)}")
    return f"There is no model in the folder {name}: it holds no {CONFIG}, and {NEEDED}."


def conversion(folder: Path) -> str:
    """Return the line of a shell that makes safetensors of the pickled weights in a folder."""
    return f"{CONVERT} {quoted(folder)}"


def quoted(path: Path) -> str:
    """Return a path as a shell understands it in any folder."""
    return console.quoted([os.path.abspath(path)])


def no_weights(folder: Path) -> str:
    """Return what is wrong, and what to do, with a folder that has a config.json but no model.safetensors."""
    names = _names(folder)
    if any(n.startswith("pytorch_model") and n.endswith(".bin") for n in names):
        return (
            f"its folder holds only {PICKLED}, {BECAUSE}: if you trust it, run this line:{COMMAND}{conversion(folder)}"
        )
    if "adapter_config.json" in names:
        return f"its folder holds {ADAPTER}"
    for n in filter(_is_foreign, names):
        kind = ENDINGS.get(Path(n).suffix.lower())
        return f"its folder holds {short(n, 40)}{f', {kind},' if kind else ''} but no {WEIGHTS}: {NEEDED}"
    others = [n for n in names if n.endswith(".safetensors")]
    if len(others) == 1:
        return f"its folder has no {WEIGHTS}: rename {short(others[0], 60)} to that, if it is this model's weights"
    return f"its folder has no {WEIGHTS}: copy that file too"


def wrong_content(path: Path, size: int | None = None) -> str | None:
    """Return what a file really is and what to do, if it is no JSON or safetensors file at all; None if it may be one.

    `size` is the safetensors file's length that its header states.
    """
    with open_file(path) as file:
        start = file.read(200)
        length = file.seek(0, os.SEEK_END)
    name = path.name
    if not length:
        return f"{name} is empty: copy it again"
    text = start.lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return (
            f"{name} is only a pointer of Git LFS ({length} bytes): run git lfs pull in its folder, or download the "
            "file itself"
        )
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return f"{name} is a web page, not the file: download it again, logged in if the site asks for that"
    if text.startswith((b"entry not found", b"access to model", b"invalid username", b"repository not found")):
        return f"{name} is an answer of the hub, not the file: download it again with a name and a login that are right"
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return (
            f"{name} is a file of torch.save under another name, {BECAUSE}: if you trust it, run these two lines:"
            f"{COMMAND}mv {quoted(path)} {quoted(path.parent / PICKLED)}{COMMAND}{conversion(path.parent)}"
        )
    if size is not None and size > MOST_STATED:
        return f"{name} is damaged, its header states more bytes than any disk holds: copy it again"
    if size is not None and length < size:
        return f"{name} is cut off, it has {length:,} of {size:,} bytes: copy it again"
    return None


def _not_a_folder(path: Path, name: str) -> str:
    """Return the sentence for a file that was named instead of a folder."""
    suffix = path.suffix.lower()
    if path.is_file() and os.path.isfile(path.parent / CONFIG):
        return f"{name} is a file: name its folder, {short(os.path.dirname(name) or '.', 120)}."
    if suffix in ENDINGS:
        return f"{name} is {ENDINGS[suffix]}, which cannot be trained or read here: {IMPORT}."
    if suffix in PICKLES:
        library = _library(path)
        whose = f"a checkpoint of {library}" if library else "a checkpoint of torch.save"
        advice = IMPORT
        if library and "/" in library:  # of a family that can be trained
            advice = RELEASED
        elif library == "transformers":
            advice = SAVED
        elif not library:
            advice = NEEDED
        return f"{name} is {whose}, {BECAUSE}: {advice}."
    if suffix == ".safetensors":
        return f"{name} is a file of weights without {CONFIG} beside it: {NEEDED}."
    return f"{name} is no folder: {NEEDED}."


def _library(path: Path) -> str | None:
    """Return whose checkpoint a pickle is by the words in it, None if none is known; nothing is unpickled."""
    try:
        with open_file(path) as file:
            data = file.read(MOST_SEARCHED)
            if data.startswith(b"PK"):
                with zipfile.ZipFile(file) as archive:
                    entry = next((e for e in archive.infolist() if e.filename.endswith("data.pkl")), None)
                    if entry and entry.compress_type == zipfile.ZIP_STORED:  # torch writes it as it is
                        with archive.open(entry) as pickle:
                            data = pickle.read(MOST_SEARCHED)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError):
        return None
    return next((library for word, library in LIBRARIES if word in data), None)


def is_model_file(name: str) -> bool:
    """Check whether a name ends as that of a file with weights or settings."""
    return os.path.splitext(name)[1].lower() in (*PICKLES, *ENDINGS, ".safetensors", ".json")


def _is_foreign(name: str) -> bool:
    suffix = os.path.splitext(name)[1].lower()
    return suffix in (*PICKLES, *ENDINGS) and name not in STATES and not name.startswith("rng_state")


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(real_path(folder)))
    except OSError:
        return []

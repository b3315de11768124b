"""Folders that pose as a model and would like to have their author's code run, or other files fetched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from core import PROJECT

STARTER = PROJECT / "checkpoints/starter"
EVIL = """
from pathlib import Path
from transformers import PretrainedConfig
Path({marker!r}).touch()
class EvilConfig(PretrainedConfig):
    model_type = "evil"
class EvilModel:
    config_class = EvilConfig
"""
AUTO_MAP = {name: "evil.Evil" + kind for name, kind in (
    ("AutoConfig", "Config"), ("AutoModel", "Model"), ("AutoModelForObjectDetection", "Model"),
    ("AutoBackbone", "Model"), ("AutoImageProcessor", "Model"),
)}  # fmt: skip
RESNET = {"model_type": "resnet", "auto_map": AUTO_MAP}

# name: what config.json says, beside `auto_map`; none of these is a model
REFUSED: dict[str, dict[str, Any]] = {
    "another kind": {"model_type": "evil"},
    "no kind": {},
    "backbone of its own": {"model_type": "detr", "backbone_config": {"model_type": "evil", "auto_map": AUTO_MAP}},
    "backbone of the hub": {"model_type": "detr", "backbone": "evil/backbone", "use_timm_backbone": False},
    "timm's from the hub": {"model_type": "detr", "backbone": "hf-hub:evil/backbone"},
    "timm's from the folder": {"model_type": "detr", "backbone_config": {
        "model_type": "timm_backbone", "backbone": "local-dir:.", "use_pretrained_backbone": True,
    }},
}  # fmt: skip
# what is added to the starter model's config, which stays the model that it is
IGNORED: dict[str, dict[str, Any]] = {
    "auto_map": {"_name_or_path": "evil/evil"},
    "kernels": {"attn_implementation": "evil/kernel", "_attn_implementation": "evil/kernel", "use_kernels": True},
    "quantisation": {"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}},
    "weights elsewhere": {"transformers_weights": "../other.safetensors", "fusion_config": {"patch_embeddings": True}},
}


def pose(folder: Path, config: dict[str, Any]) -> Path:
    """Write such a folder; its code would leave the file `ran` beside it. Return that file."""
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder.parent / "ran"
    (folder / "evil.py").write_text(EVIL.format(marker=str(marker)))
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": AUTO_MAP}))
    (folder / "preprocessor_config.json").write_text(json.dumps({"auto_map": AUTO_MAP}))
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "evil/base", "peft_type": "LORA"})
    )
    return marker


def pose_as_starter(folder: Path, added: dict[str, Any]) -> Path:
    """Write such a folder around the starter model; return the file that its code would leave."""
    shutil.copytree(STARTER, folder)
    return pose(folder, {**json.loads((STARTER / "config.json").read_text()), **added})

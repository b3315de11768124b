"""A command that is run, and what several tests of the command line share."""

import json
from pathlib import Path

from PIL import Image

from core.cli.main import main
from core.datasets.check import FEW
from tests.core.coco_cases import gt_of
from tests.core.datasets.convert.folders import text

TWELVE = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
TINY = ("--model", "random", "--epochs", "1", "--shortest-edge", "72", "--longest-edge", "96", "--workers", "0")


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return status, out, err


def last_line(err: str) -> str:
    return err.strip().splitlines()[-1]


def dataset(folder: Path, **changes) -> Path:
    """Training and validation with FEW cars and FEW dogs each, and their pictures; `changes` to the training's JSON."""
    for seed, split in enumerate(("train", "val")):
        gt = gt_of(*((1 + i % 2, 1 + i % 4 // 2, (2 * i, 0, 9, 9)) for i in range(4 * FEW)), images=2)
        (folder / split).mkdir(parents=True)
        for image in gt["images"]:
            Image.new("RGB", (200, 100), (80 * image["id"], 200 * seed, 0)).save(folder / split / image["file_name"])
        gt |= changes if split == "train" else {}
        text(folder / f"annotations/instances_{split}.json", json.dumps(gt))
    return folder

"""`python -m bench.augment`: what each kind of augmentation, and each preset, costs an image on one core."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import torch

from core.augmentation.kinds import KINDS, PRESETS
from core.datasets.demo import draw_dataset
from core.datasets.split import read_split
from core.detr.input.dataset import DetectionDataset

SIZE, IMAGES, EPOCHS = (240, 320), 60, 4


def milliseconds(data: DetectionDataset) -> float:
    """Return the time of an image, the median of several epochs; pictures are decoded before."""
    seconds = []
    for data.epoch in range(1 + EPOCHS):
        begin = time.process_time()
        for index in range(len(data)):
            data[index]
        seconds.append(time.process_time() - begin)
    return 1000 * sorted(seconds[1:])[EPOCHS // 2] / len(data)


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for _ in draw_dataset(Path(folder) / "data", train=IMAGES, val=1, size=SIZE[1]):
            pass
        split = read_split(Path(folder) / "data", "train")
        ways = {kind.key: (kind.key,) for kind in KINDS} | {f"preset {one.name}": one.keys for one in PRESETS}
        for name, keys in ways.items():
            data = DetectionDataset(split, split.label_map(), *SIZE, keys, epochs=2 * EPOCHS)
            data.keep_pictures(10**9)
            print(f"{name}: {milliseconds(data):.1f} ms", flush=True)


if __name__ == "__main__":
    main()

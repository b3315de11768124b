"""A sample, from the file to what the model is given, against transformers' processor, and decode and resize alone."""

from __future__ import annotations

from functools import partial

import torchvision.transforms.v2.functional as F
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from bench.material import PHOTOGRAPHS, photographs, rival_processor, threads, training_split
from bench.table import Bench, Figures, Row, take_turns
from core.datasets.pictures import resized
from core.detr.input.dataset import DetectionDataset

SHORTEST, LONGEST = 800, 1333
ROOM = 10**9  # bytes


def measure_sample(bench: Bench, is_kept: bool = False) -> Figures:
    """Measure picture by picture: a round is one picture, read by each in turn; of ours maybe again, from memory."""
    split, label_map = training_split(photographs(bench))
    dataset = DetectionDataset(split, label_map, SHORTEST, LONGEST)
    if is_kept:
        dataset.keep_pictures(ROOM)
        for index in range(len(dataset)):
            dataset[index]
    processor = rival_processor(SHORTEST, LONGEST)
    paths = [split.image_path(image) for image in split.images]
    sizes = [resized((image["width"], image["height"]), SHORTEST, LONGEST) for image in split.images]

    def ours(number: int) -> None:
        dataset[number % len(paths)]

    def process(number: int) -> None:
        with Image.open(paths[number % len(paths)]) as image:
            processor(images=image.convert("RGB"), return_tensors="pt", do_pad=False)

    def decode_and_resize(number: int) -> None:
        width, height = sizes[number % len(paths)]
        picture = decode_jpeg(read_file(str(paths[number % len(paths)])), mode=ImageReadMode.RGB)
        F.resize(picture, [height, width], antialias=True)

    with threads(1):
        take_turns(ours, process, decode_and_resize, rounds=8)  # what is made once
        return take_turns(ours, process, decode_and_resize, rounds=bench.rounds * len(paths))


ROWS = [
    Row(
        "sample",
        f"a sample from the file, {SHORTEST} by {LONGEST} pixels at most, of {PHOTOGRAPHS}, one thread",
        measure_sample,
        rival="Pillow and transformers' processor",
        limit="decode and resize alone",
    ),
    Row(
        "sample-again",
        "… in every later epoch, where decoded pictures are kept",
        partial(measure_sample, is_kept=True),
        rival="Pillow and transformers' processor",
        limit="decode and resize alone",
    ),
]

"""How a published model's pictures are made, by its preprocessor_config.json, read within limits and without torch.

In: a folder that anybody may have written. Out: the numbers that normalise pixels, and the settings of a training that
shows pictures in the size that the model knows. What the file does not say is left to the model's family.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from core.detr.model_folder import read_json
from core.detr.sources.image_processor import MEAN, PROCESSOR, STD

Colours = tuple[float, float, float]


@dataclass(frozen=True)
class Normalization:
    """What pixels in [0, 1], red, green and blue, are shifted and divided by before the backbone reads them."""

    mean: Colours = MEAN
    std: Colours = STD


AS_THEY_ARE = Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))

_Share = Annotated[float, Meta(ge=-10, le=10)]
_Spread = Annotated[float, Meta(gt=0, le=10)]


class _Edges(msgspec.Struct):
    """The size of pictures: their edges, or the sides of what holds them, as in transformers' guide to fine-tuning."""

    shortest_edge: int | None = None
    longest_edge: int | None = None
    max_height: int | None = None
    max_width: int | None = None
    height: int | None = None
    width: int | None = None


class _Processor(msgspec.Struct):
    size: _Edges | int | None = None
    max_size: int | None = None
    do_normalize: bool | None = None
    image_mean: tuple[_Share, _Share, _Share] | None = None
    image_std: tuple[_Spread, _Spread, _Spread] | None = None


def read_normalization(folder: Path) -> Normalization | None:
    """Read how a model's pixels are normalised; None where its folder does not say it.

    Raises ModelError if the file is there and cannot be read.
    """
    processor = _read(folder)
    if processor.do_normalize is False:
        return AS_THEY_ARE
    if processor.do_normalize is None and processor.image_mean is None:
        return None
    return Normalization(processor.image_mean or MEAN, processor.image_std or STD)


def read_picture_settings(folder: Path) -> dict[str, Any]:
    """Read with which settings of a `TrainConfig` a published model was trained: edges, and whether to a square.

    Empty where its folder does not say it. Of pictures that were stretched to a height and another width the edges are
    those that hold them unstretched. Raises ModelError if the file is there and cannot be read.
    """
    processor = _read(folder)
    size = processor.size
    if isinstance(size, int):  # as transformers wrote it before it knew more than one edge
        size = _Edges(size, processor.max_size)
    if size is None:
        return {}
    # pictures whose longest edge alone is stated have that, whatever their shape
    edges = {"shortest_edge": _first(size.shortest_edge, size.longest_edge), "longest_edge": size.longest_edge}
    stated = _first(size.max_height, size.height), _first(size.max_width, size.width)
    sides = [side for side in stated if side is not None]
    if sides and edges == dict.fromkeys(edges):
        edges = {"shortest_edge": min(sides), "longest_edge": max(sides)}
        if size.height is not None and size.height == size.width:
            return {**edges, "square": True}
    return {name: edge for name, edge in edges.items() if edge is not None}


def _first(*numbers: int | None) -> int | None:
    """Return the first that is stated, if one is; 0 is, and is refused where settings are checked."""
    return next((number for number in numbers if number is not None), None)


def _read(folder: Path) -> _Processor:
    if not os.path.exists(folder / PROCESSOR):
        return _Processor()
    return read_json(folder, PROCESSOR, _Processor)

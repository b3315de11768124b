"""What stands beside an ONNX file, in model.json: how pictures are made for it, and what its outputs mean.

In: a folder that anybody may have written. Out: a `Description`; or ModelError, one sentence. Without torch and onnx,
so that a page can read it. Every file of the folder, as model.onnx and model_int8.onnx, has the one description.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from core import DataError, ModelError
from core.detr.sources.image_processor import MEAN, STD
from core.files import read_bytes
from core.labels import LabelMap
from core.typed_json import decode
from core.wording import short

DESCRIPTION = "model.json"
ENDING = ".onnx"
PIXELS, MASK, LOGITS, BOXES = "pixel_values", "pixel_mask", "logits", "pred_boxes"  # as transformers calls them
MOST_BYTES = 4_000_000  # of a description; a thousand classes take 50,000

Edge = Annotated[int, Meta(ge=16, le=16_384)]
Stride = Annotated[int, Meta(ge=1, le=1024)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
Colours = tuple[float, float, float]
ScoreRule = Literal["softmax", "sigmoid"]


class Preprocessing(msgspec.Struct, frozen=True):
    """How a picture becomes the input: resized, divided by 255, normalised, padded at the right and below with 0.

    shortest_edge, longest_edge  pixels: the shorter side becomes the first, unless the longer would exceed the second
    square                       instead, both sides become longest_edge
    pad_to                       the input's sides are multiples of so many pixels
    height, width                the one size that the graph takes; None where it takes any
    mean, std                    of red, green and blue, after the division
    whole_cells                  before that, each side is shrunk to a multiple of pad_to
    pixel_mask                   whether there is a second input, 1 on the picture and 0 on the padding
    """

    shortest_edge: Edge
    longest_edge: Edge
    square: bool = False
    pad_to: Stride = 32
    height: Edge | None = None
    width: Edge | None = None
    mean: Colours = MEAN
    std: Colours = STD
    pixel_mask: bool = True
    whole_cells: bool = False


class Outputs(msgspec.Struct, frozen=True):
    """The names of the graph's outputs: class logits (B, Q, C), and boxes (B, Q, 4) as cxcywh in [0, 1]."""

    logits: Name = LOGITS
    boxes: Name = BOXES


class Description(msgspec.Struct, frozen=True):
    """What a program needs to know to use an ONNX file of a DETR.

    names         of the classes, in the order of the logits
    top_k         how many detections of an image those are
    category_ids  their ids in the data set; None: 1, 2, 3, …
    score_rule    softmax: of each query the best class without the last, "no object"; sigmoid: the highest of all
    feature_stride  pixels of the input for each cell of the finest feature map; None where that is not known
    """

    preprocessing: Preprocessing
    names: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=10_000)]
    score_rule: ScoreRule
    category_ids: tuple[int, ...] | None = None
    outputs: Outputs = Outputs()
    model_type: Annotated[str, Meta(max_length=40)] = ""
    feature_stride: Stride | None = None
    top_k: Annotated[int, Meta(ge=1, le=100_000)] = 100

    @property
    def has_no_object(self) -> bool:
        """Whether the last logit is that of "no object"."""
        return self.score_rule == "softmax"

    @property
    def label_map(self) -> LabelMap:
        """The classes; raises DataError if two have one name or id."""
        return LabelMap(self.names, self.category_ids or tuple(range(1, len(self.names) + 1)))


def read_description(model: Path) -> Description:
    """Read the description beside an ONNX file; raises ModelError if there is none, or it cannot be used."""
    path = model.parent / DESCRIPTION
    try:
        description = decode(read_bytes(path, MOST_BYTES), Description)
        _ = description.label_map
    except FileNotFoundError:
        raise ModelError(
            f"Beside {short(model, 120)} is no {DESCRIPTION}, which says how pictures are made for it: copy it there, "
            "or write it as docs/onnx.md describes."
        ) from None
    except OSError as error:
        raise ModelError(f"{short(path, 120)} cannot be read: {error.strerror or error}.") from None
    except (msgspec.ValidationError, DataError) as error:
        reason = str(error).rstrip(".").replace("$.", "")
        raise ModelError(f"{short(path, 120)} cannot be used: {short(reason, 200)}: correct it there.") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ModelError(f"{short(path, 120)} is not valid JSON: correct it there, or export again.") from None
    if (description.preprocessing.height is None) != (description.preprocessing.width is None):
        raise ModelError(f"{short(path, 120)} cannot be used: it names one of height and width: name both, or none.")
    return description


def to_json(description: Description) -> dict[str, Any]:
    """Return the description for JSON, with a sentence on each part for whoever reads it without this project."""
    pixels, content = description.preprocessing, msgspec.to_builtins(description)
    fixed = "one size" if pixels.height else "any size"
    padding = (
        "pictures of a batch are padded at the right and below with 0, after the normalisation, to one size, a "
        f"multiple of {pixels.pad_to}"
        if pixels.pixel_mask
        else "nothing is padded"
    )
    edges = (
        "stretched bilinearly, antialiased where it shrinks, to a square of longest_edge"
        if pixels.square
        else "resized bilinearly, antialiased where it shrinks, until the shorter side is shortest_edge, or the longer "
        "one longest_edge if it would exceed that"
    )
    if pixels.whole_cells:
        edges += f", each side then down to a multiple of {pixels.pad_to}"
    steps = f"upright RGB; {edges}; divided by 255; minus mean, divided by std; {padding}"
    inputs = {PIXELS: f"float32 (batch, 3, height, width), {fixed}: {steps}"}
    if pixels.pixel_mask:
        inputs[MASK] = "int64 (batch, height, width): 1 on the picture, 0 on the padding; all 1 for one picture alone"
    rule = {
        "softmax": "softmax of each query's logits; the last one is no object: of the others the highest is the score",
        "sigmoid": "sigmoid of every logit: the highest over all queries and classes are the detections, as many as "
        "top_k says",
    }[description.score_rule]
    return {
        "about": {
            "inputs": inputs,
            "outputs": {
                description.outputs.logits: "float32 (batch, queries, classes)",
                description.outputs.boxes: "float32 (batch, queries, 4): centre x, centre y, width, height, as shares "
                "of the picture without its padding",
            },
            "scores": rule,
        },
        **content,
    }

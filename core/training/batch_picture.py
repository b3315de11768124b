"""The picture of a training's batch: what the model is shown, and the boxes that it is to learn.

In: a batch of the `Collator`. Out: one picture. Apart from `core.evaluation.draw`, whose boxes and labels it uses,
because a batch has no detection table: its pixels are normalised, its boxes DETR's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from core.boxes import cxcywh_normalized_to_xyxy
from core.evaluation.draw import CROWDED, DARK, FONT_SIZE, LARGEST, NARROWEST, WHITE, clamp_box, draw_box, draw_label
from core.evaluation.lettering import Lettering, lettering

if TYPE_CHECKING:
    from core.detr.input.batch import Batch  # loads torch, which is not needed here

MOST_SHOWN = 8  # images
PALE, HATCH = (233, 236, 240), (205, 211, 219)  # what is padding
TILE = 640  # pixels: the longest side to which an image is enlarged
GAP = 10  # pixels between images
NAMED = 40  # pixels: in an image with more than CROWDED boxes only those whose longer side has so many are named


def draw_batch(batch: Batch, names: Sequence[str], most: int = MOST_SHOWN) -> Image.Image:
    """Draw the first `most` images of a batch as the model gets them, with the boxes that it is to learn.

    batch  of the `Collator`; its tensors may also be arrays
    names  of the classes, by model index

    What is padding is hatched.
    """
    pixels, masks = np.asarray(batch["pixel_values"])[:most], np.asarray(batch["pixel_mask"])[:most]
    count, (height, width) = len(pixels), masks.shape[1:]
    line = FONT_SIZE + 10
    across, scale = _grid(count, width, height, line)
    wide, high = round(width * scale), round(height * scale)
    down = -(-count // across)
    size = (across * (wide + GAP) + GAP, down * (high + line) + line + 6)
    sheet, letters = Image.new("RGB", (max(size[0], NARROWEST), size[1]), WHITE), lettering(FONT_SIZE)
    draw = ImageDraw.Draw(sheet)
    for i in range(count):
        x, y = GAP + i % across * (wide + GAP), i // across * (high + line)
        labels = {key: np.asarray(value) for key, value in batch["labels"][i].items()}
        title = f"image {batch['image_id'][i]} · {_objects(len(labels['boxes']))}"
        letters.write(draw, (x, y + 5), _shortened(title, wide, letters), DARK)
        sheet.paste(_draw_sample(pixels[i], masks[i], labels, names, scale, letters), (x, y + line))
    others = len(batch["image_id"]) - count
    words = "As the model sees it" + "; hatched: padding" * bool(batch["padded"]) + f"; {others} more" * bool(others)
    letters.write(draw, (GAP, size[1] - line + 2), words, DARK)
    return sheet


def _grid(count: int, width: int, height: int, line: int) -> tuple[int, float]:
    """Choose how many images of a batch stand beside each other, and by what they are enlarged, to be largest."""

    def scale(across: int) -> float:
        down = -(-count // across)
        room = (LARGEST - GAP * (across + 1)) / (across * width), (LARGEST - line * (down + 2)) / (down * height)
        return min(*room, TILE / max(width, height))

    across = max(range(1, count + 1), key=lambda n: (scale(n), n))
    return across, scale(across)


def _objects(count: int) -> str:
    return "no objects" if not count else f"{count} object{'s' * (count > 1)}"


def _shortened(text: str, width: float, letters: Lettering) -> str:
    """Return as much of the beginning of a text as fits into `width` pixels."""
    while text and letters.width(text) > width:
        text = text[:-2].rstrip(" ·…") + "…" if len(text) > 2 else ""
    return text


def _draw_sample(
    pixels: np.ndarray, mask: np.ndarray, labels: dict, names: Sequence[str], scale: float, letters: Lettering
) -> Image.Image:
    """Draw one image of a batch, (3, H, W), with its boxes; `mask` (H, W) is true on the image."""
    inner = int(mask[0].sum()), int(mask[:, 0].sum())  # width and height of what is no padding
    height, width = mask.shape
    image = Image.fromarray(np.ascontiguousarray(pixels[:, : inner[1], : inner[0]].transpose(1, 2, 0)))
    size = max(1, round(inner[0] * scale)), max(1, round(inner[1] * scale))
    tile = _hatched((round(width * scale), round(height * scale)))
    tile.paste(image.resize(size, Image.Resampling.LANCZOS), (0, 0))
    draw = ImageDraw.Draw(tile)
    boxes = cxcywh_normalized_to_xyxy(labels["boxes"], size).tolist()
    ground_truth = {"kind": "ground_truth", "iscrowd": False, "crowd_only": False, "error": None}
    rows = [
        (
            ground_truth | {"class_name": names[label] if 0 <= label < len(names) else f"class {label}"},
            clamp_box(box, size),
        )
        for label, box in zip(labels["class_labels"].tolist(), boxes, strict=True)
    ]
    rows.sort(key=lambda pair: (pair[1][0] - pair[1][2]) * (pair[1][3] - pair[1][1]))  # the largest at the back
    for row, box in rows:
        draw_box(draw, box, row)
    taken: list[tuple] = []
    for row, box in rows:
        if len(rows) <= CROWDED or max(box[2] - box[0], box[3] - box[1]) >= NAMED:
            draw_label(draw, letters, box, row, tile.size, taken)
    return tile


def _hatched(size: tuple[int, int]) -> Image.Image:
    tile = Image.new("RGB", size, PALE)
    draw = ImageDraw.Draw(tile)
    for x in range(-size[1], size[0], 12):
        draw.line((x, size[1], x + size[1], 0), fill=HATCH, width=2)
    return tile

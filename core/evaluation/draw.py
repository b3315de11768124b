"""Drawing boxes on pictures: ground truths in green, predictions in red; cut-outs; and thumbnails.

In: a picture and its rows of the detection table (`threshold.image_rows`), whose boxes are `xyxy` in the picture's own
pixels, or a training's batch. Out: a new picture. The gallery does not come here: it draws boxes over thumbnails in the
browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from core import DataError
from core.boxes import context_box
from core.datasets.pictures import PictureError, open_picture, shrink
from core.datasets.pixels.eight_bits import decode
from core.datasets.pixels.upright import Size, meant_orientation, orientation_of, upright_size
from core.datasets.problems import ProblemKind
from core.evaluation.lettering import Lettering, lettering
from core.evaluation.table import CORNERS, ErrorType

Row = dict[str, Any]  # of `threshold.image_rows`
Box = tuple[float, float, float, float]  # xyxy, pixels of the picture that is drawn on
Color = tuple[int, int, int]

GREEN, RED, WHITE, DARK = (0, 200, 83), (255, 45, 60), (255, 255, 255), (24, 26, 31)
BEHIND = {GREEN: (0, 118, 48), RED: (200, 0, 24)}  # a label's ground, dark enough for white letters
SMALLEST, LARGEST = 640, 1600  # pixels: a picture's longest side is brought into this range, to make labels readable
CROWDED, ROOMY = 12, 1280  # with more boxes than that, it is brought to at least this
NARROWEST = 320  # pixels that the legend needs
SAMPLE = 34  # pixels: the width of a box in the legend
FONT_SIZE = 14
LINES = {GREEN: 2, RED: 4}  # pixels, inwards; green lies on red, which shows inside it where two boxes are the same
DASHED = 3  # pixels
SMALLEST_BOX = 4  # pixels to which the box of a tiny object grows
DASH, DOT = (10, 7), (3, 5)  # pixels drawn and left out: of missed objects, of crowds
MOST_LETTERS = 40


def draw_analysis(
    image: Image.Image, rows: Sequence[Row], title: str = "", legend: bool = True, longest: int | None = None
) -> Image.Image:
    """Return a copy of the picture with its boxes, labels and, if asked for, a legend below, as RGB.

    A small picture is enlarged. rows: of `threshold.image_rows`: kind, class_name, x1, y1, x2, y2 (pixels of `image`)
    and error, and for detections score and crowd_only, for ground truths iscrowd.
    longest: pixels of the copy's longest side, where its size is not to follow from the picture and its boxes; of more
    than CROWDED boxes none then has a label, for which there would be no room.
    """
    smallest = ROOMY if len(rows) > CROWDED else SMALLEST
    scale = (longest or min(max(*image.size, smallest), LARGEST)) / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    picture = _as_rgb(image).resize(size, Image.Resampling.LANCZOS)
    draw, letters = ImageDraw.Draw(picture), lettering(FONT_SIZE)
    # Rows come most important first, so they are drawn from the back; predictions' labels choose their places first.
    boxes = [(row, [row[corner] * scale for corner in CORNERS]) for row in rows]
    for row, box in reversed(boxes):
        draw_box(draw, clamp_box(box, size), row)
    taken: list[Box] = []
    labelled = boxes if longest is None or len(rows) <= CROWDED else []
    for row, box in sorted(labelled, key=lambda pair: not _is_ground_truth(pair[0])):
        draw_label(draw, letters, clamp_box(box, size), row, size, taken)
    return _with_legend(picture, rows, title, letters) if legend else picture


def draw_crop(
    image: Image.Image, rows: Sequence[Row], around: tuple[float, float, float, float], side: int
) -> Image.Image:
    """Return what lies around a box `xyxy` of the picture, `side` pixels square, with the boxes of `rows`.

    The rows are those of `draw_analysis`. How much is shown is decided by `boxes.context_box`.
    """
    left, top, right, bottom = context_box(around, image.size)
    scale = side / (right - left)
    corners = (left, top, right, bottom)
    crop = _as_rgb(image).transform((side, side), Image.Transform.EXTENT, corners, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(crop)
    for row in rows:
        x1, y1, x2, y2 = (
            (row[corner] - offset) * scale for corner, offset in zip(CORNERS, (left, top) * 2, strict=True)
        )
        if x2 > 0 and y2 > 0 and x1 < side and y1 < side:
            draw_box(draw, (x1, y1, x2, y2), row)
    return crop


def thumbnail(
    path: str | Path,
    longest: int,
    size: tuple[int, int] | None = None,
    crop: tuple[int, int, int, int] | None = None,
) -> bytes:
    """Return the picture as JPEG with its longest side at most `longest` pixels.

    With the `size` (width, height) that its JSON states, it is turned upright where that is meant (`read_picture`).
    crop: only this part, `xyxy` pixels of the upright picture. Raises DataError if the picture cannot be read, or the
    crop has no pixel inside.
    """
    if longest < 1:
        raise DataError(f"A thumbnail's longest side is {longest} pixels, but must be at least 1.")
    out = BytesIO()
    try:
        with open_picture(path) as image:
            is_drafted = crop is None and image.format in ("JPEG", "MPO")
            pixels = image if is_drafted else decode(image)  # a PNG may state its orientation after its pixels
            orientation = meant_orientation(orientation_of(image), image.size, size) or 1
            box = _cropped(crop, upright_size(image.size, orientation))
            shown = _shrunk_size((box[2] - box[0], box[3] - box[1]), longest)
            if is_drafted:  # decoded at a fraction of its size, the smallest that suffices
                image.draft(None, upright_size(shown, orientation))
                box = (0, 0, *upright_size(image.size, orientation))
                pixels = decode(image)
            # WebP would be a fifth smaller, and take four times as long
            shrink(pixels, box, shown, orientation).save(out, "JPEG", quality=85)
    except PictureError as error:
        if error.kind is ProblemKind.MISSING:
            raise DataError(f"There is no picture {path}.") from None
        raise DataError(f"The picture {path} cannot be read ({error.reason}): fetch or export it again.") from None
    return out.getvalue()


def _shrunk_size(size: Size, longest: int) -> Size:
    """Return a size with its longest side at most `longest`; one that is small enough stays."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _cropped(crop: tuple[int, int, int, int] | None, size: Size) -> tuple[int, int, int, int]:
    """Return what of a part `xyxy` lies inside a picture of that size; the whole picture without a part.

    Raises DataError if the part has no pixel inside.
    """
    x1, y1, x2, y2 = crop or (0, 0, *size)
    inner = max(x1, 0), max(y1, 0), min(x2, size[0]), min(y2, size[1])
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        raise DataError(f"The part {crop} lies outside the picture, which has {size[0]} × {size[1]} pixels.")
    return inner


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy all of a large picture


def _is_ground_truth(row: Row) -> bool:
    return bool(row["kind"] == "ground_truth")


def clamp_box(box: Sequence[float], size: tuple[int, int]) -> Box:
    """Cut a box off at the picture's border, and make it large enough to be drawn."""
    x1, y1 = (min(max(low, 0), limit - 1 - SMALLEST_BOX) for low, limit in zip(box[:2], size, strict=True))
    x2, y2 = (min(max(high, 0), limit - 1) for high, limit in zip(box[2:], size, strict=True))
    return x1, y1, max(x2, x1 + SMALLEST_BOX), max(y2, y1 + SMALLEST_BOX)


def _style(row: Row) -> tuple[Color, tuple[int, int] | None]:
    """Return the colour and the dashes (None: a solid line) of a row's box."""
    if not _is_ground_truth(row):
        return RED, None
    if row["iscrowd"]:
        return GREEN, DOT
    return GREEN, DASH if row["error"] == ErrorType.MISSED else None


def draw_box(draw: ImageDraw.ImageDraw, box: Box, row: Row) -> None:
    """Draw the box of a row in the colour and the line of its kind."""
    color, dashes = _style(row)
    x1, y1, x2, y2 = box
    if dashes is None:
        draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline=DARK)
        draw.rectangle(box, outline=color, width=LINES[color])
        return
    for line in ((x1, y1, x2, y1), (x2, y1, x2, y2), (x2, y2, x1, y2), (x1, y2, x1, y1)):
        _draw_dashes(draw, line, color, dashes)


def _draw_dashes(draw: ImageDraw.ImageDraw, line: Box, color: Color, dashes: tuple[int, int]) -> None:
    x1, y1, x2, y2 = line
    length = abs(x2 - x1) + abs(y2 - y1)  # every line is level or upright
    on, off = dashes
    place = 0.0
    while place < length:
        ends = [place / length, min(place + on, length) / length]
        points = [(x1 + (x2 - x1) * part, y1 + (y2 - y1) * part) for part in ends]
        draw.line(points, fill=DARK, width=DASHED + 2)
        draw.line(points, fill=color, width=DASHED)
        place += on + off


def _label(row: Row, letters: Lettering) -> str:
    """Return a row's label: "car 0.92 · localization error", "dog · missed", "person · crowd"."""
    text = _one_line(letters.legible(_one_line(row["class_name"])))
    if not _is_ground_truth(row):
        text += f" {row['score']:.2f}"
    if row["error"]:
        text += f" · {ErrorType(row['error']).label.lower()}"
    elif row["iscrowd"] or row["crowd_only"]:
        text += " · crowd"
    return text


def _one_line(text: str) -> str:
    """Return any text as one line of no more than MOST_LETTERS: names come from files."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 1] + "…"


def draw_label(
    draw: ImageDraw.ImageDraw, letters: Lettering, box: Box, row: Row, size: tuple[int, int], taken: list[Box]
) -> None:
    """Write a row's label where it covers the fewest other labels, and add its place to `taken`."""
    text = _label(row, letters)
    width, height = letters.width(text) + 8, FONT_SIZE + 6
    x1, y1, x2, y2 = box
    above, below, top, bottom = y1 - height, y2 + 1, y1, y2 - height
    # Predictions are labelled at the top, ground truths at the bottom: so two boxes of one object seldom collide.
    at_top = [(x1, above), (x1, top), (x2 - width, above), (x2 - width, top)]
    at_bottom = [(x1, below), (x1, bottom), (x2 - width, below), (x2 - width, bottom)]
    spots: list[Box] = []
    for x, y in at_bottom + at_top if _is_ground_truth(row) else at_top + at_bottom:
        x, y = max(0, min(x, size[0] - width)), max(0, min(y, size[1] - height))
        spots.append((x, y, x + width, y + height))
    spot = min(spots, key=lambda spot: sum(_shared_area(spot, other) for other in taken))  # of equals the first
    taken.append(spot)
    draw.rectangle(spot, fill=BEHIND[_style(row)[0]])
    letters.write(draw, (spot[0] + 4, spot[1] + 2), text, WHITE)


def _shared_area(a: Box, b: Box) -> float:
    """Return the area that two `xyxy` boxes share."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _with_legend(picture: Image.Image, rows: Sequence[Row], title: str, letters: Lettering) -> Image.Image:
    """Return the picture above a strip that explains the colours and counts boxes and errors."""
    n_objects = sum(_is_ground_truth(row) and not row["iscrowd"] for row in rows)
    n_predictions, n_errors = sum(not _is_ground_truth(row) for row in rows), sum(bool(row["error"]) for row in rows)
    sample = {"class_name": "", "kind": "ground_truth", "iscrowd": False, "error": None}
    items: list[tuple[Row | None, str]] = [
        (sample, "ground truth"),
        (sample | {"error": "missed"}, "missed"),
        (sample | {"iscrowd": True}, "crowd"),
        (sample | {"kind": "detection"}, "prediction with score"),
        (None, f"{n_objects} ground truth, {n_predictions} predicted, {n_errors} errors"),
    ]
    items += [(None, _one_line(letters.legible(_one_line(title))))] if title else []
    width, line = max(picture.width, NARROWEST), FONT_SIZE + 10
    placed, x, y = [], 8.0, 5
    for row, text in items:
        item_width = (SAMPLE + 6 if row else 0) + letters.width(text)
        if x > 8 and x + item_width > width - 8:  # the next line
            x, y = 8.0, y + line
        placed.append((row, text, x, y))
        x += item_width + 18
    sheet = Image.new("RGB", (width, picture.height + y + line), WHITE)
    sheet.paste(picture, ((width - picture.width) // 2, 0))
    draw = ImageDraw.Draw(sheet)
    for row, text, x, y in placed:
        y += picture.height
        if row:
            draw_box(draw, (x + 1, y + 2, x + SAMPLE - 3, y + FONT_SIZE), row)
        letters.write(draw, (x + (SAMPLE + 6 if row else 0), y), text, DARK)
    return sheet

"""Which size of a picture a label file's corners refer to: as stored, as shown, or that of another picture.

In: the size that the file states, and the picture's. Out: (width, height), or None. Apart because every format whose
corners are pixels needs it.
"""

from __future__ import annotations

from core.datasets.convert.format import Item, LabelledObject, PictureSize, ProblemCounter
from core.datasets.problems import ProblemKind

ROUNDING = 1.0  # pixels that a corner may lie beyond the picture


def meant_size(
    stated: tuple[float, float], item: Item, size: PictureSize, objects: list[LabelledObject], problems: ProblemCounter
) -> tuple[int, int] | None:
    """Return the size of the picture that the corners refer to; None if they refer to another picture."""
    if stated == size.stored:  # a tool that does not turn pictures means its boxes so
        return size.stored
    if stated == size.upright:
        return size.upright
    if min(stated) <= 0:
        problems.add(ProblemKind.SIZE_STATED, f"{item.label}: none", item)
        return size.upright
    right, bottom = (max((one.corners[side] for one in objects), default=0) for side in (2, 3))
    text = f"{item.label}: {stated[0]:g}×{stated[1]:g}, {item.picture} has {size.upright[0]}×{size.upright[1]}"
    beyond_stated = right > stated[0] + ROUNDING or bottom > stated[1] + ROUNDING
    if not objects or (beyond_stated and right <= size.upright[0] + ROUNDING and bottom <= size.upright[1] + ROUNDING):
        problems.add(ProblemKind.SIZE_STATED, text, item)
        return size.upright
    problems.add(ProblemKind.OTHER_SIZE, text, item)
    return None

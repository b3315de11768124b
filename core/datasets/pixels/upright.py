"""Which way up a picture is: its EXIF orientation, and whether the boxes of its JSON mean it.

In: an opened picture and the size that its JSON states. Out: the orientation that is to be applied, 1 to 8. The sizes
decide where they can. Where they cannot, for a square picture or one that is only mirrored or upside down, boxes refer
to the upright picture: browsers, OpenCV and the annotation tools that use them show it so.
"""

from __future__ import annotations

from typing import Any

from PIL import Image

Size = tuple[int, int]  # width, height
Box = tuple[int, int, int, int]  # xyxy, whole pixels

ORIENTATION = 0x0112  # EXIF tag

# what turns the stored pixels upright, by EXIF orientation
TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SWAPPED = (5, 6, 7, 8)  # orientations that swap width and height
X_BACKWARDS = (2, 3, 7, 8)  # the stored x runs against the side of the upright picture that it becomes
Y_BACKWARDS = (3, 4, 6, 7)  # the same of the stored y


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation that is still to be applied, 1 to 8; 1 if there is none or it makes no sense."""
    if image.format == "TIFF":  # Pillow applies it itself
        return 1
    try:
        # not PngImageFile's own, which decodes the picture to look for EXIF behind it
        orientation: Any = Image.Image.getexif(image).get(ORIENTATION)
    except Exception:  # damaged EXIF data: anything
        return 1
    return orientation if orientation in range(1, 9) else 1


def upright_size(stored: Size, orientation: int) -> Size:
    """Return the (width, height) of a picture after its orientation is applied."""
    return (stored[1], stored[0]) if orientation in SWAPPED else stored


def meant_orientation(orientation: int, stored: Size, stated: Size | None) -> int | None:
    """Return the orientation that makes a picture as its JSON means it; None if it has the stated size neither way.

    Its own where the upright picture has the stated size, or none is stated; 1 where only the stored pixels have it.

    >>> meant_orientation(6, (40, 30), (30, 40)), meant_orientation(6, (40, 30), (40, 30))
    (6, 1)
    """
    if stated is None or upright_size(stored, orientation) == tuple(stated):
        return orientation
    return 1 if stored == tuple(stated) else None


def turn_upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Return the picture with its orientation applied; itself where that is 1."""
    return picture.transpose(TRANSPOSES[orientation]) if orientation in TRANSPOSES else picture


def stored_box(box: Box, stored: Size, orientation: int) -> Box:
    """Return where a part of the upright picture lies in the file's pixels."""
    x1, y1, x2, y2 = box
    if orientation in SWAPPED:
        x1, y1, x2, y2 = y1, x1, y2, x2
    if orientation in X_BACKWARDS:
        x1, x2 = stored[0] - x2, stored[0] - x1
    if orientation in Y_BACKWARDS:
        y1, y2 = stored[1] - y2, stored[1] - y1
    return x1, y1, x2, y2

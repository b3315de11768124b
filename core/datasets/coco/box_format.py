"""What the four numbers of a box in a COCO file are: `BoxFormat`. Apart because the command line's help names them."""

from __future__ import annotations

from enum import Enum

ANSWER = "boxes"  # the key of a file's "info" under which stands that its boxes are COCO's


class BoxFormat(Enum):
    """What the four numbers of a box are; the names are those of the option --boxes."""

    XYWH = "xywh"
    XYXY = "xyxy"
    CXCYWH = "cxcywh"
    XYWH_SHARES = "xywh-normalized"
    XYXY_SHARES = "xyxy-normalized"
    CXCYWH_SHARES = "cxcywh-normalized"

    @property
    def is_normalized(self) -> bool:
        """Whether the numbers are shares of the image's width and height, from 0 to 1."""
        return self.value.endswith("-normalized")

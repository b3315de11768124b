"""How a training image is shown once: a `Look`, which the kinds of augmentation draw at random.

In: random numbers. Out: plain numbers, which `core/detr/input/` makes pixels and boxes of. Apart from both, and without
torch or numpy, because form and command line list the kinds, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class Light(NamedTuple):
    """A change of all pixels that moves no box: the name of one in `core/detr/input/augmented/light.py`: LIGHTS."""

    name: str
    amount: float


@dataclass
class Look:
    """What is done with an image, in this order; at first nothing.

    crops       gives the numbers of DETR's crop
    others      gives what else is to be chosen: other images, and what is shown of them
    cropped     shown in another size, every other time cropped, as in DETR's recipe
    mirrored    from left to right
    upside_down mirrored from top to bottom
    turns       quarter turns to the left
    zoom        by how much it is enlarged, in its frame; None: it fills that
    meeting     where four images meet, as shares of width and height; None: it is alone
    pasted      how many small objects of another image are copied into it, at most
    mixed       the share of another image that shines through, 0 to 1
    angle       degrees by which it is rotated
    corners     shares of width and height by which its four corners are moved: perspective
    lights      changes of its pixels
    """

    crops: np.random.Generator
    others: np.random.Generator
    cropped: bool = False
    mirrored: bool = False
    upside_down: bool = False
    turns: int = 0
    zoom: float | None = None
    meeting: tuple[float, float] | None = None
    pasted: int = 0
    mixed: float = 0.0
    angle: float = 0.0
    corners: tuple[tuple[float, float], ...] = ()
    lights: list[Light] = field(default_factory=list)

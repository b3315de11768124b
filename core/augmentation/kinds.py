"""The kinds of augmentation, `KINDS`, and the presets that name several of them, `PRESETS`.

In: a `Look` and random numbers. Out: the look, with what a kind has drawn. A kind is one object: its key in the
settings, its words for the user, how it is drawn, and whether it ends before the training does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.augmentation.look import Light, Look

if TYPE_CHECKING:
    import numpy as np

NONE = "none"  # how no augmentation is written
CROPS = "scale and crop"  # the kind whose images differ in size

# How far each goes
ZOOM = (0.6, 1.5)
DEGREES = 10.0
CORNER = 0.08  # of width and height
MEETING = (0.35, 0.65)  # of width and height
PASTED = 4  # objects at most
MIXED = (0.4, 0.6)
BRIGHTER, CONTRAST, SATURATION, HUE = 0.3, 0.3, 0.4, 0.03
BLUR, NOISE = (0.4, 1.6), (3.0, 16.0)  # standard deviations: of blur in pixels, of noise in steps of 255


@dataclass(frozen=True)
class Kind:
    """A kind of augmentation.

    key     in the settings
    words   what it does, for the user; begins with a small letter
    draw    draws what is done with one image
    closes  whether it makes images such as there are none: then it ends before the training does
    whole   whether all of the image is always shown, in its usual size
    """

    key: str
    words: str
    draw: Callable[[Look, np.random.Generator], None]
    closes: bool = False
    whole: bool = True


def _flip(look: Look, random: np.random.Generator) -> None:
    look.mirrored = bool(random.random() < 0.5)


def _upside_down(look: Look, random: np.random.Generator) -> None:
    look.upside_down = bool(random.random() < 0.5)


def _turn(look: Look, random: np.random.Generator) -> None:
    look.turns = int(random.integers(4))


def _crop(look: Look, random: np.random.Generator) -> None:
    look.cropped = True


def _zoom(look: Look, random: np.random.Generator) -> None:
    if random.random() < 0.7:
        smallest, largest = ZOOM
        look.zoom = float(smallest * (largest / smallest) ** random.random())


def _rotate(look: Look, random: np.random.Generator) -> None:
    if random.random() < 0.5:
        look.angle = float(random.uniform(-DEGREES, DEGREES))


def _perspective(look: Look, random: np.random.Generator) -> None:
    if random.random() < 0.3:
        look.corners = tuple((float(x), float(y)) for x, y in random.uniform(-CORNER, CORNER, (4, 2)))


def _colour(look: Look, random: np.random.Generator) -> None:
    for name, most, probability in (
        ("brightness", BRIGHTER, 0.6), ("contrast", CONTRAST, 0.6), ("saturation", SATURATION, 0.6), ("hue", HUE, 0.2),
    ):  # fmt: skip
        is_drawn, amount = random.random() < probability, float(random.uniform(-most, most))
        if is_drawn:
            look.lights.append(Light(name, amount))


def _blur(look: Look, random: np.random.Generator) -> None:
    chance, share = random.random(), float(random.random())
    if chance < 0.2:
        name, (low, high) = ("blur", BLUR) if chance < 0.1 else ("noise", NOISE)
        look.lights.append(Light(name, low + share * (high - low)))


def _mosaic(look: Look, random: np.random.Generator) -> None:
    if random.random() < 0.5:
        x, y = random.uniform(*MEETING, 2)
        look.meeting = float(x), float(y)


def _mixup(look: Look, random: np.random.Generator) -> None:
    if random.random() < 0.25:
        look.mixed = float(random.uniform(*MIXED))


def _paste(look: Look, random: np.random.Generator) -> None:
    if random.random() < 0.5:
        look.pasted = int(random.integers(1, PASTED, endpoint=True))


KINDS = (
    Kind("flip", "mirrored from left to right", _flip),
    # facebookresearch/detr, datasets/coco.py: make_coco_transforms("train")
    Kind(CROPS, "other sizes and cut-outs, as in DETR's recipe for hundreds of epochs", _crop, whole=False),
    Kind("upside down", "mirrored from top to bottom", _upside_down),
    Kind("quarter turns", "turned by 90, 180 or 270 degrees", _turn),
    Kind("zoom", f"{ZOOM[0]:g} to {ZOOM[1]:g} times as large", _zoom, whole=False),
    Kind("rotation", f"rotated by up to {DEGREES:g} degrees; boxes grow around their corners", _rotate, closes=True),
    Kind("perspective", "seen a little from the side", _perspective, closes=True),
    Kind("colour", "brighter or darker, with more or less contrast and colour, another hue", _colour),
    Kind("blur and noise", "every tenth blurred, every tenth grainy", _blur),
    # Bochkovskiy et al. 2020, "YOLOv4"
    Kind("mosaic", "four images in one, every other time", _mosaic, closes=True, whole=False),
    # Zhang et al. 2018, "mixup"; for boxes: Zhang et al. 2019, "Bag of Freebies for Training Object Detection Networks"
    Kind("mixup", "two images over each other, with the boxes of both", _mixup, closes=True, whole=False),
    # Kisantal et al. 2019, "Augmentation for small object detection"; Ghiasi et al. 2021, "Simple Copy-Paste"
    Kind("copy-paste", f"up to {PASTED} small objects of another image put into it", _paste, closes=True, whole=False),
)
BY_KEY = {kind.key: kind for kind in KINDS}
KEYS = (NONE, *BY_KEY)


@dataclass(frozen=True)
class AugmentPreset:
    """Kinds of augmentation that go together, and in a sentence for what."""

    name: str
    keys: tuple[str, ...]
    sentence: str


PRESETS = (
    AugmentPreset(NONE, (NONE,), "Images as they are."),
    AugmentPreset("flip", ("flip",), "Mirrored at random: changes nothing else, costs nothing."),
    AugmentPreset("DETR's own", ("flip", "scale and crop"), "For long trainings of large models."),
    AugmentPreset("photographs", ("flip", "zoom", "colour", "blur and noise"), "What a camera changes."),
    AugmentPreset(
        "seen from above",
        ("flip", "upside down", "quarter turns", "zoom", "colour"),
        "Without up and down: microscopes, satellites, drones.",
    ),
    AugmentPreset(
        "few images",
        ("flip", "zoom"),
        "Cost a small model nothing on sixty images, where mosaic and copy-paste cost it AP.",
    ),
)
PRESET_BY_NAME = {preset.name: preset for preset in PRESETS}


def with_presets(texts: Iterable[str]) -> tuple[str, ...]:
    """Return keys in the order of KINDS, each once, those of presets in the place of their names; NONE for no key.

    texts  names of presets and keys, in one text several with commas; what is neither stays as it is, at the end

    >>> with_presets(["seen from above, flip"]), with_presets(["scale and crop, flip", "none"])
    (('flip', 'upside down', 'quarter turns', 'zoom', 'colour'), ('flip', 'scale and crop'))
    """
    names = [name.strip() for text in texts for name in text.split(",")]
    wanted = [key for name in names for key in (PRESET_BY_NAME[name].keys if name in PRESET_BY_NAME else (name,))]
    kinds = [key for key in BY_KEY if key in wanted]
    unknown = [key for key in dict.fromkeys(wanted) if key and key not in KEYS]
    return tuple(kinds + unknown) or (NONE,)


def expanded(value: Any) -> Any:
    """Return texts as `with_presets` does, also of one text alone; anything else as it is, for whoever checks it."""
    texts = (value,) if isinstance(value, str) else value
    is_text = isinstance(texts, list | tuple) and all(isinstance(text, str) for text in texts)
    return with_presets(texts) if is_text else value


def preset_of(keys: Sequence[str]) -> AugmentPreset | None:
    """Return the preset that names exactly these kinds; None if there is none."""
    return next((preset for preset in PRESETS if with_presets(preset.keys) == with_presets(keys)), None)


def draw_look(keys: Iterable[str], seed: int, epoch: int, index: int) -> Look:
    """Draw how image `index` is shown in an epoch: the same on every machine, each kind whatever others there are.

    Raises KeyError for what is no key.
    """
    import numpy as np

    wanted = [BY_KEY[key] for key in keys if key != NONE]
    look = Look(np.random.default_rng((seed, epoch, index)), np.random.default_rng((seed, epoch, index, len(KINDS))))
    for place, kind in enumerate(KINDS):
        if kind in wanted:
            # the crops follow the flip in one stream, as they always did
            kind.draw(look, np.random.default_rng((seed, epoch, index, place)) if place else look.crops)
    return look

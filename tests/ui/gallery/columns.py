"""The gallery's data as the browser takes it: boxes are columns, one image after the other (gallery/columns.py)."""

import json

import orjson
import pytest

from ui.gallery import component as gallery
from ui.gallery.columns import columns_of


def sent(page: dict, marked=None) -> dict:
    """What `gallery.show_page` hands to its component."""
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "_component", lambda **how: calls.append(how["data"]))
        gallery.show_page(page, "gallery", on_turn=lambda: None, marked=marked)
    return calls[0]


def packed(columns) -> bytes:
    """As the gallery and the route of one image's boxes pack them."""
    return orjson.dumps(columns, default=lambda array: array.tolist(), option=orjson.OPT_SERIALIZE_NUMPY)


def in_browser(*args, **more) -> dict:
    """What `columns_of` says after its way through JSON."""
    return json.loads(packed(columns_of(*args, **more)))


def by_image(columns: dict) -> list[list[dict]]:
    """Each image's boxes, a dict of the columns each."""
    names = [name for name in columns if name not in ("n", "total")]  # these are of each image
    assert {len(columns[name]) for name in names} == {sum(columns["n"])}, "a column is shorter than the others"
    boxes = [dict(zip(names, row, strict=True)) for row in zip(*(columns[name] for name in names), strict=True)]
    first, images = 0, []
    for n in columns["n"]:
        images.append(boxes[first : first + n])
        first += n
    return images

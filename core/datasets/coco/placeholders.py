"""Categories that stand for no class: a row above the classes, or a background, on which no object is annotated.

Roboflow writes a row 0 with the name of the project or of the classes' supercategory; labelme's converters write
`_background_`. A category without objects that is none of these is a class, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from core.datasets.coco.entries import Entry, is_root

BACKGROUND = re.compile(r"_*background_*|_+ignore_+", re.IGNORECASE)


def placeholders(categories: list[Entry], used: Collection[str], titles: Collection[str] = ()) -> list[Entry]:
    """Return the categories without objects that stand for no class, unless nothing else would be left.

    used    names of the categories with objects
    titles  names of the data set, as its folder's
    """
    above = {c.get("supercategory") for c in categories if c.get("supercategory") != c["name"] and _is_text(c)}
    names = {_slug(title) for title in titles} - {""}
    unused = [
        category
        for category in categories
        if category["name"] not in used
        and (
            category["name"] in above
            or BACKGROUND.fullmatch(category["name"].strip())
            or (is_root(category) and len(categories) > 1 and _begins(names, _slug(category["name"])))
        )
    ]
    return unused if len(unused) < len(categories) else []


def _is_text(category: Entry) -> bool:
    return isinstance(category.get("supercategory"), str)


def _begins(titles: Collection[str], name: str) -> bool:
    """Check whether a title is the name, or begins with it, as "bccd v1 raw coco" with "bccd"."""
    return bool(name) and any(f"{title} ".startswith(f"{name} ") for title in titles)


def _slug(text: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", text.lower()))

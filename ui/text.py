"""Text from files and users, made fit for Streamlit, which takes what it shows for Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

MARKUP = re.compile(r"([!-/:-@\[-`{-~])")  # ASCII's punctuation: what may mean something to Markdown


def plain(text: object) -> str:
    r"""Return the text word for word and in one line: no Markdown, no HTML, no colour, no formula.

    >>> plain("a *b*")
    'a \\*b\\*'
    """
    return MARKUP.sub(r"\\\1", " ".join(str(text).split()))


def join_names(names: Sequence[str], limit: int = 6) -> str:
    """Return the names with commas, each `plain`, and the number of those beyond `limit`.

    >>> join_names(["cat", "dog", "car"], limit=2)
    'cat, dog and 1 more'
    """
    shown = names if len(names) <= limit else names[:limit]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(plain(name) for name in shown) + more

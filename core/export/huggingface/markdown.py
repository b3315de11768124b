"""Markdown with text of others in it: names of classes, folders and files, which must not act or break a table.

In: any text. Out: the same, word for word and in one line, to whoever renders it as CommonMark or GitHub's Markdown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from core.wording import short

MOST = 200  # characters of a name or a sentence
# what may mean something to Markdown, HTML, or what a hub adds to them: links, mentions, emoji, formulas
MARKUP = re.compile(r"([!#$&*:<=>@\[\\\]^_`{|}~])")
AT_BEGIN = re.compile(r"^(\d{0,9})([-+.)])(?=[\s-]|$)")  # what does so where a line begins: a list, a rule
ADDRESS = re.compile(r"(www)\.", re.IGNORECASE)


def text(value: object, most: int = MOST) -> str:
    r"""Return a text that Markdown shows as it is; of a long one the beginning and the end.

    >>> text("a *b* | <i>\n"), text("- c")
    ('a \\*b\\* \\| \\<i\\>\\\\n', '\\- c')
    """
    line = MARKUP.sub(r"\\\1", short(value, most))
    return AT_BEGIN.sub(r"\1\\\2", ADDRESS.sub(r"\1\\.", line))


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """Return a table with its first `left` columns to the left, the others to the right; cells are Markdown."""
    sides = [*[":--"] * left, *["--:"] * (len(heads) - left)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, sides, *rows])


def bullets(items: Iterable[str]) -> str:
    """Return a list of Markdown texts, one a line."""
    return "\n".join(f"- {item}" for item in items)

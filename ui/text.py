"""Text from files and users, made fit for Streamlit, which takes what it shows for Markdown.

Every text that Streamlit shows is a constant of ours, a number, or went through `plain`: `tests/test_foreign_text.py`
reads the code for that. `Markup` is text of ours with foreign text in it, which did.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NewType

from core.wording import sentence, short

Markup = NewType("Markup", str)

MARKUP = re.compile(r"([!#$&*<>@\[\\\]^_`{|}~]|:(?=\S))")  # what may mean something to Markdown
AT_BEGIN = re.compile(r"^(\d*)([-+=.)])")  # what does so only where a line begins: a list, a rule
# what Streamlit still looks for in a text whose Markdown is read: addresses, icons, arrows and dashes
STILL_READ = re.compile(
    r"(https?:/(?=/)|www(?=\.)|(?<=[-.\w+])@(?=[-\w])|:(?=[-+\w/]+:)"
    r"|(?<!\S)(?:<-(?=>(?!\S))|-(?=[->](?!\S))|[<>~](?=[=](?!\S))|<(?=-(?!\S))))",
    re.IGNORECASE,
)
JOINER = "\u2060"  # has no width: the text looks the same, and is not taken for one of those


def plain(text: object) -> Markup:
    r"""Return the text word for word and in one line: no Markdown, no HTML, no link, no colour, no formula.

    Of a long one the beginning and the end; what does not print is shown as an escape (`core.wording.sentence`).

    >>> plain("a *b*")
    'a \\*b\\*'
    """
    line = MARKUP.sub(r"\\\1", STILL_READ.sub(rf"\1{JOINER}", sentence(text)))
    return Markup(AT_BEGIN.sub(r"\1\\\2", line))


def join_names(names: Sequence[str], limit: int = 6) -> Markup:
    """Return the names with commas, each `plain`, and the number of those beyond `limit`.

    >>> join_names(["cat", "dog", "car"], limit=2)
    'cat, dog and 1 more'
    """
    shown = names if len(names) <= limit else names[:limit]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return Markup(", ".join(plain(short(name)) for name in shown) + more)

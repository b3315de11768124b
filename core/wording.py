r"""Text that somebody else wrote, made fit to be shown: in one line, bounded, and nothing in it acts or hides.

In: a name, a path, a message, a value out of a file. Out: text for an error's sentence, a terminal, a log or a table.
What is no sign of a script – control characters, escape sequences, marks that turn the direction of writing, line ends,
halves of characters that cannot be encoded – is shown as Python would write it: `\x1b`, `\u202e`, `\udcff`.
"""

from __future__ import annotations

import re
import unicodedata

MOST = 600  # characters of a message
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # begin one in some spreadsheet
NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?|[-+]?(inf|nan)", re.ASCII)
COMMAND = " $ "  # in a message: before each line of a shell that it tells, up to its end
JOINERS = "\u200c\u200d"  # of Persian and Indic scripts, and of emoji: they belong to a name and hide nothing


def visible(text: object) -> str:
    r"""Return the text in one line, with all that does not print shown as an escape.

    >>> visible("a\x1b[31mb\nc")
    'a\\x1b[31mb\\nc'
    """
    line = str(text)
    return line if line.isprintable() else "".join(map(_shown, line))


def short(text: object, most: int = 80) -> str:
    """Return the text `visible`, in at most `most` characters: of a longer one the beginning and the end.

    >>> short("a/very/long/path/to/picture.jpg", most=20)
    'a/very/long/p…re.jpg'
    """
    line = str(text)
    if len(line) > 2 * most:  # so that a name of 100 MB costs nothing
        line = f"{line[:most]}…{line[-most:]}"
    line = visible(line)
    if len(line) <= most:
        return line
    end = (most - 1) // 3
    return f"{line[: most - 1 - end]}…{line[len(line) - end :]}"


def sentence(message: object) -> str:
    """Return a message, of an error for example, in one line of at most MOST characters, `visible`."""
    return short(" ".join(str(message).split()), MOST)


def with_commands(message: object) -> tuple[str, list[str]]:
    """Return a message's `sentence`, and the lines of a shell that it tells after it, each `visible`.

    >>> with_commands("It is pickled: run these two lines: $ hf download a/b $ python c.py")
    ('It is pickled: run these two lines:', ['hf download a/b', 'python c.py'])
    """
    text, *lines = str(message).split(COMMAND)
    return sentence(text), [visible(line) for line in lines]


def cell(text: str) -> str:
    """Return a text for a cell of a CSV: one that a spreadsheet would take for a formula begins with an apostrophe.

    >>> cell("cat"), cell("-0.5"), cell("=1+1")
    ('cat', '-0.5', "'=1+1")
    """
    return f"'{text}" if text.startswith(FORMULAS) and not NUMBER.fullmatch(text) else text


def size_text(size: float) -> str:
    """Return a number of bytes in words.

    >>> size_text(0), size_text(1_001), size_text(2_500_000), size_text(1.26e9)
    ('0 kB', '2 kB', '2.5 MB', '1.3 GB')
    """
    if size >= 1e9:
        return f"{size / 1e9:,.1f} GB"
    return f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{-(-int(size) // 1000)} kB"


def is_utf8(text: str) -> bool:
    r"""Check whether a text can be stored and sent: a file's name that is not UTF-8 holds halves of characters.

    >>> is_utf8("naïve"), is_utf8("\udcff")
    (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(character: str) -> str:
    if character.isprintable() or character in JOINERS or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")

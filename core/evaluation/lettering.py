"""Text in pictures, in whatever script: with Pillow's font, with one of the machine that has the letters, or in Latin.

In: text and where to write it. Out: what of it can be written, its width, and its letters on the picture. Apart from
`draw.py`, which knows boxes. Pillow's font has English letters and shows all others as empty boxes.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path

from PIL import ImageDraw, ImageFont, features

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

ENDINGS = (".ttf", ".otf", ".ttc")
MOST_FONTS = 400  # files that are tried for a letter
NOBODYS = "\U0010fffe"  # no character, so that every font shows it as what it lacks
# names of fonts with many letters, upright and of one weight, of Linux, macOS and Windows, the best first
PREFERRED = (
    "dejavusans.", "notosans-regular", "notosanscjk-regular", "notosanscjksc", "sourcehansans", "arial unicode",
    "pingfang", "hiraginosans", "applesdgothicneo", "msyh", "yugothr", "malgun.", "nirmala", "leelawui.", "segoeui.",
    "wqy-", "droidsansfallback", "notosans", "unifont", "ibmplexsans-regular",
)  # fmt: skip
STYLED = ("bold", "italic", "oblique", "mono", "light", "black", "thin", "condensed", "narrow", "serif")
NO_LETTERS = ("lastresort", "adobeblank", "emoji", "stix", "symbol", "icon")  # boxes or pictures for every letter
BUNDLED = {"matplotlib": "mpl-data/fonts/ttf", "hotcoco": "_fonts"}  # fonts of packages that come with this project
LATIN = dict(
    zip(
        "абвгдезийклмнопрстуфыэіґαβγδεζηικλμνξοπρσςτυφω",
        "abvgdeziyklmnoprstufyeigabgdeziiklmnxoprsstyfo",
        strict=True,
    )
) | {
    "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ь": "", "ю": "yu", "я": "ya",
    "є": "ye", "θ": "th", "χ": "ch", "ψ": "ps",
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i",
}  # fmt: skip
SYLLABLES = ("HANGUL SYLLABLE ", "HIRAGANA LETTER ", "KATAKANA LETTER ")  # Unicode's names, which end with the sound


LEFT_TO_RIGHT = "ltr" if features.check("raqm") else None  # of the whole; Pillow turns what is written otherwise


def font_folders() -> list[Path]:
    """Return where fonts lie on Linux, macOS and Windows; most are not there."""
    home = Path.home()
    if sys.platform == "win32":
        local, windows = os.environ.get("LOCALAPPDATA", home), os.environ.get("WINDIR", "C:/Windows")
        return [Path(windows) / "Fonts", Path(local) / "Microsoft/Windows/Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    folders = [Path(part) / "fonts" for part in shared.split(":") if part]
    return [*folders, home / ".local/share/fonts", home / ".fonts"]


def font_files() -> list[Path]:
    """Return the files of fonts on this machine that may have other letters than Latin ones, the best first."""
    folders = font_folders()
    for package, folder in BUNDLED.items():
        spec = importlib.util.find_spec(package)
        folders += [Path(place) / folder for place in (spec.submodule_search_locations or ())] if spec else []
    files = [
        Path(place) / name
        for folder in folders
        for place, _, names in os.walk(folder)
        for name in sorted(names)
        if name.lower().endswith(ENDINGS) and not any(word in name.lower() for word in NO_LETTERS)
    ]
    return sorted(files, key=_rank)[:MOST_FONTS]


def _rank(path: Path) -> tuple[bool, int, str]:
    name = path.name.lower()
    preferred = next((i for i, word in enumerate(PREFERRED) if name.startswith(word)), len(PREFERRED))
    return any(word in name for word in STYLED), preferred, name


class Lettering:
    """Writes text of any script in letters of `size` pixels; `files` returns the fonts besides Pillow's own."""

    def __init__(self, size: int, files: Callable[[], Iterable[Path]] = font_files) -> None:
        self._size, self._files = size, files
        self._first = ImageFont.load_default(size)
        self._fonts: list[Font] = [self._first]
        self._unread: Iterator[Path] | None = None
        self._font_of: dict[str, Font | None] = {}
        self._missing: dict[int, tuple[tuple[int, int], bytes]] = {}  # by font, how it shows what it lacks
        self._is_there: dict[tuple[int, str], bool] = {}  # by font and letter: to find out takes as long as to write it

    def legible(self, text: str) -> str:
        """Return the text with the letters for which no font is there put into Latin ones, or as U+ and their number.

        >>> Lettering(14, list).legible("Straße, кот, 猫")
        'Strasse, kot, U+732B'
        """
        parts: list[str] = []
        is_written, was_named = True, False  # of the letter before
        for letter in text:
            if letter.isspace() or (is_written and _goes_with_the_last(letter)):
                parts.append(letter)
                was_named = was_named and not letter.isspace()
                continue
            is_written = not _goes_with_the_last(letter) and self._font_for(letter) is not None
            latin, is_name = (letter, False) if is_written else _in_latin(letter)
            parts.append("-" * (was_named and is_name) + latin)
            was_named = is_name or (was_named and not latin)
        return "".join(parts)

    def width(self, text: str) -> float:
        """Return the width of a legible text in pixels."""
        return sum(font.getlength(part) for font, part in self._runs(text))

    def write(
        self, draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, fill: tuple[int, int, int]
    ) -> None:
        """Write a legible text, its upper left corner at `place`."""
        x, y = place
        runs = list(self._runs(text))
        if len(runs) == 1 and runs[0][0] is self._first:
            draw.text(place, text, fill=fill, font=self._first)
            return
        baseline = y + self._first.getmetrics()[0] if isinstance(self._first, ImageFont.FreeTypeFont) else y
        for font, part in runs:
            draw.text((x, baseline), part, fill=fill, font=font, anchor="ls", direction=LEFT_TO_RIGHT)
            x += font.getlength(part)

    def _runs(self, text: str) -> Iterator[tuple[Font, str]]:
        """Yield parts of a text, each with its font: one for all where one has all letters."""
        fonts: list[Font] = []
        for letter in text:
            is_part = letter.isspace() or _goes_with_the_last(letter)
            fonts.append(fonts[-1] if is_part and fonts else self._font_for(letter) or self._first)
        letters = [letter for letter in text if not letter.isspace() and not _goes_with_the_last(letter)]
        used = dict(zip(map(id, fonts), fonts, strict=True)).values()
        if whole := next((font for font in used if all(self._has(font, letter) for letter in letters)), None):
            fonts = [whole] * len(text)
        pairs = zip(fonts, text, strict=True)
        for _, part in groupby(pairs, key=lambda pair: id(pair[0])):
            run = list(part)
            yield run[0][0], _in_order("".join(letter for _, letter in run))

    def _font_for(self, letter: str) -> Font | None:
        """Return the first font that has a letter."""
        if letter not in self._font_of:
            self._font_of[letter] = next((font for font in self._all_fonts() if self._has(font, letter)), None)
        return self._font_of[letter]

    def _all_fonts(self) -> Iterator[Font]:
        """Yield Pillow's font and the others, each of which is opened when it comes to it."""
        yield from list(self._fonts)
        if self._unread is None:
            self._unread = iter(self._files())
        for path in self._unread:
            try:
                font = ImageFont.truetype(os.fspath(path), self._size)
            except OSError:  # damaged, or of letters of another size only
                continue
            self._fonts.append(font)
            yield font

    def _has(self, font: Font, letter: str) -> bool:
        """Check whether a font shows a letter otherwise than it shows what it lacks."""
        key = id(font), letter
        if key not in self._is_there:
            if id(font) not in self._missing:
                self._missing[id(font)] = _shape(font, NOBODYS)
            shape = _shape(font, letter)
            self._is_there[key] = shape != self._missing[id(font)] and any(shape[1])
        return self._is_there[key]


def _shape(font: Font, letter: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)


def _goes_with_the_last(letter: str) -> bool:
    """Check whether it is an accent, a vowel sign or what joins letters, and so no letter by itself."""
    return unicodedata.category(letter) in ("Mn", "Mc", "Me", "Cf")


def _in_latin(letter: str) -> tuple[str, bool]:
    """Return a letter in Latin ones, and whether they are its name or number rather than its sound."""
    plain, name = unicodedata.normalize("NFKD", letter).replace("\u2044", "/"), unicodedata.name(letter, "")
    base = plain[0]
    if base.isascii():
        return "".join(c for c in plain if c.isascii()), False
    if (small := base.lower()) in LATIN:
        return LATIN[small] if small == base else LATIN[small].capitalize(), False
    if any(name.startswith(script) for script in SYLLABLES):
        return name.rpartition(" ")[2].lower(), False
    if unicodedata.category(letter) in ("Mn", "Me", "Cf") or letter == "ー":  # which makes a sound longer
        return "", False
    if not name or name.startswith("CJK"):
        return f"U+{ord(letter):04X}", True
    for word in (" LETTER ", " CHARACTER ", " VOWEL SIGN ", " SIGN "):
        name = name.rpartition(word)[2]
    name = name.partition(" WITH ")[0]
    return (name if letter.isupper() else name.lower()), len(name) > 1


def _in_order(text: str) -> str:
    """Return the letters in the order in which they stand from left to right, where Pillow does not see to it."""
    if LEFT_TO_RIGHT or not any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text):
        return text
    return text[::-1]


@lru_cache
def lettering(size: int) -> Lettering:
    """Return what writes text in letters of so many pixels, with the fonts of this machine."""
    return Lettering(size)

"""docs/how-to/keyboard.md says of every key what the code says: no key is left out, none is there that does nothing."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/how-to/keyboard.md").read_text()
CODE = {path: path.read_text() for path in sorted((ROOT / "ui").rglob("*.js"))}
LISTED = re.findall(r'^  \["([^"]+)", "([^"]+)"\],$', CODE[ROOT / "ui/gallery/controls/keys.js"], re.MULTILINE)
OF_GALLERY = ("Pictures", "One picture", "Correcting labels")
OTHER_NAMES = {"ArrowLeft": "←", "ArrowRight": "→", "Escape": "Esc", " ": "space bar", "=": "+", "-": "−"}


def sections() -> dict[str, str]:
    return {part.split("\n")[0]: part for part in PAGE.split("\n## ")[1:]}


def keys_of(text: str) -> set[str]:
    """The keys in the first column of a text's tables."""
    rows = re.findall(r"^\| (`[^|]+?) \| ", text, re.MULTILINE)
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def test_the_page_has_the_keys_that_the_app_lists_and_no_others():
    listed = {key for keys, _ in LISTED for key in keys.split()}
    assert len(listed) > 20
    told = {key for name, text in sections().items() if name.startswith(OF_GALLERY) for key in keys_of(text)}
    # the list says of A in the words on a, of the other two keys for deleting nothing
    assert told - {"A"} == listed
    assert any("A: as a label of its own" in words for _, words in LISTED)


def test_every_key_that_the_code_asks_for_is_on_the_page():
    asked = {key for text in CODE.values() for key in re.findall(r'\b(?:key|letter) (?:=|!)== "(.|[A-Z]\w+)"', text)}
    toggles = re.findall(
        r'^  \["\w+", "[\w-]*", "[^"]+", "(\w)"\],$', CODE[ROOT / "ui/gallery/controls/toolbar.js"], re.MULTILINE
    )
    assert {"Enter", "ArrowLeft", "w", "Delete", "U"} <= asked and set(toggles) == set("gple")
    zooming = re.search(r"ZOOMING = new Set\(\[(.+)\]\)", CODE[ROOT / "ui/gallery/controls/keys.js"])
    asked |= set(toggles) | set(re.findall(r'"(.)"', zooming[1]))
    names = {OTHER_NAMES.get(key, key) for key in asked} - {"z", "y"}
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE and name not in PAGE.replace("`", "")] == []
    assert "`Ctrl+Z`, `Ctrl+Y`" in PAGE


def test_it_begins_with_what_one_sees_and_ends_with_what_to_do():
    assert [*sections()][-1] == "What to do" and PAGE.index("What one sees") < PAGE.index("| key |")

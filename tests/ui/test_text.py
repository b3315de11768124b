"""Foreign text for Streamlit: what a browser makes of it stands in `tests/test_hostile_browser.py`."""

import re

import pytest

from core.wording import MOST
from ui.text import JOINER, join_names, plain


def read(text: str) -> str:
    """What is shown: escapes undone, and without what has no width."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text).replace(JOINER, "")


@pytest.mark.parametrize(
    "text",
    [
        "cat", "", "![x](http://a.b/hit)", "[link](https://example.invalid)", ":red[colour]", ":material/delete:",
        ":material_delete:", ":streamlit:", ":smile:",
        "**bold**", "~~gone~~", "`code`", "$x^2$", "<img src=x>", "&amp;",
        "https://example.invalid", "http://a_b.c/d", "www.example.invalid", "me@example.invalid", "# head", "- item",
        "+ item", "1. item", "12) item", "> quote", "---", "***", "===", "| a | b |", "->", "a <-> b -- c >= d ~= e",
        "C:\\pictures\\_x_", "[^1]", "[ref]: https://a.b",
    ],
)  # fmt: skip
def test_a_text_is_shown_word_for_word(text):
    assert read(plain(text)) == text


@pytest.mark.parametrize("mark", list("!#$&*<>@[\\]^_`{|}~"))
def test_what_means_something_to_markdown_is_escaped(mark):
    assert plain(f"a{mark}b").replace(JOINER, "") == f"a\\{mark}b"


@pytest.mark.parametrize(
    "text", ["https://a.b", "http://a", "www.a.b", "a@b.c", ":a:", ":streamlit:", ":+1:", ":material/a:"]
)
def test_what_streamlit_looks_for_afterwards_is_broken_up(text):
    assert JOINER in plain(text)


@pytest.mark.parametrize("text", ["a cat, dog; 3/4 (good) 50 % \"x\" 'y': 1.5?", "4 + 3 = 7 - 0", "16 images in a/b.c"])
def test_a_usual_sentence_stays_as_it_is(text):
    assert plain(text) == text


def test_a_text_is_one_line_bounded_and_printable():
    assert plain(" a\n\n  b\t\u2028c ") == "a b c"
    assert read(plain("\x1b[0m\u202e\ud800")) == "\\x1b[0m\\u202e\\ud800"
    assert len(read(plain("x" * 5000))) == MOST


def test_names_are_plain_and_few():
    assert join_names(["a*", "b"]) == "a\\*, b"
    assert join_names(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"
    assert len(join_names(["x" * 1000] * 50)) < 600

"""Foreign text, made fit to be shown."""

import sys
import unicodedata

import pytest

from core.wording import MOST, cell, sentence, short, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("cat", "cat"),
        ("Straße 日本 🚲 c:\\x", "Straße 日本 🚲 c:\\x"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b31m", "\\x9b31m"),  # an escape sequence's beginning in one character
        ("a\r\nb\tc\x00", "a\\r\\nb\\tc\\x00"),
        ("gpj.\u202etac", "gpj.\\u202etac"),
        ("\u2066a\u2069\u200f\u061c", "\\u2066a\\u2069\\u200f\\u061c"),
        ("a\u2028b\u2029c\x85d\x0be\x0cf", "a\\u2028b\\u2029c\\x85d\\x0be\\x0cf"),
        ("\udcff\ud800", "\\udcff\\ud800"),
        ("\ufeffa\u200bb\u00adc", "\\ufeffa\\u200bb\\xadc"),
        ("\U000e0041", "\\U000e0041"),
        ("می\u200cخواهم 👩\u200d💻 5\u202fpm\u00a0", "می\u200cخواهم 👩\u200d💻 5\u202fpm\u00a0"),
        (None, "None"),
        (["a\n"], "['a\\n']"),
    ],
)
def test_what_does_not_print_is_shown_as_an_escape(text, shown):
    assert visible(text) == short(text) == shown


def test_no_character_acts_or_hides():
    shown = visible("".join(map(chr, range(sys.maxunicode + 1))))
    assert len(shown.splitlines()) == 1
    shown.encode()
    kinds = {unicodedata.category(character) for character in set(shown) - {"\u200c", "\u200d"}}
    assert not kinds & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@pytest.mark.parametrize("most", [3, 10, 79, 80, 600])
def test_a_long_text_keeps_its_beginning_and_its_end(most):
    text = "".join(chr(65 + number % 26) for number in range(10_000))
    shown = short(text, most)
    begin, end = shown.split("…")
    assert len(shown) == most and begin and text.startswith(begin) and text.endswith(end)
    assert short(text[:most], most) == text[:most]


def test_escapes_count_as_they_are_shown():
    assert len(short("\x1b" * 80)) == 80 and len(short("\x1b" * 10_000)) == 80
    assert "…" not in short("\x1b" * 20)


@pytest.mark.parametrize(
    "text", ["=1+1", "+a", "-a", "@a", "\ta", "\ra", "\na", "＝a", "－a", "-", "=", "-1-1", "+1=2"]
)
def test_a_cell_is_no_formula(text):
    assert cell(text) == "'" + text


@pytest.mark.parametrize("text", ["", "cat", "a=b", "1", "-1", "+1.5e-7", "-.5", "-inf", "nan", "'=a", " =a"])
def test_other_cells_stay_as_they_are(text):
    assert cell(text) == text


def test_a_message_is_one_bounded_line():
    assert sentence("a\n  b\t\x1bc ") == "a b \\x1bc"
    assert len(sentence("x" * 100_000)) == MOST


def test_a_huge_text_is_cut_before_it_is_looked_at():
    assert len(short("\n" * 50_000_000)) == 80

"""One value is one id, whoever reads it and however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.coco.ids import EXACT_LIMIT, ID_LIMIT, is_text_id, to_id, to_number

whole = st.integers(1 - ID_LIMIT, ID_LIMIT - 1)


@given(whole, st.integers(0, 12))
def test_a_whole_number_is_itself_however_it_is_written(number, zeros):
    sign, digits = ("-", str(-number)) if number < 0 else ("", str(number))
    assert to_id(number) == to_id(f" {sign}{'0' * zeros}{digits} ") == to_id(f"{number}.0") == number
    if abs(number) < EXACT_LIMIT:
        assert to_id(float(number)) == number


@given(st.text(min_size=1).filter(str.strip) | st.integers().map(lambda i: i + ID_LIMIT if i >= 0 else i - ID_LIMIT))
def test_any_other_id_is_a_number_that_every_tool_can_hold(value):
    number = to_id(value)
    assert type(number) is int and -ID_LIMIT < number < ID_LIMIT and number == to_id(value)
    if is_text_id(value) or not isinstance(value, str):
        assert EXACT_LIMIT // 2 <= number < EXACT_LIMIT


@pytest.mark.parametrize(
    "value", [None, True, False, "", "  ", [1], {}, float("nan"), float("inf"), 2.5, float(EXACT_LIMIT), 1e300]
)
def test_what_is_no_id_is_none(value):
    assert to_id(value) is None


def test_texts_that_differ_are_different_ids():
    texts = ["abc-1", "abc-2", "ABC-1", "1e3", "2.5", "0x10", "x.jpg", "9" * 30, "9" * 31]
    assert len({to_id(text) for text in texts}) == len(texts)
    assert to_id(int("9" * 30)) == to_id("9" * 30)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1", 1), ("1.5", 1.5), (" -2e1 ", -20), (".5", 0.5), (7, 7), (2.5, 2.5), ("nan", None), ("inf", None),
        ("1,5", None), ("", None), ("0x1", None), ("1_000", None), ("١", None), (True, None), ([1], None),
        ("1e400", None), ("9" * 5000, None), (10**400, None),
    ],
)  # fmt: skip
def test_a_number_may_be_text(value, number):
    assert to_number(value) == number

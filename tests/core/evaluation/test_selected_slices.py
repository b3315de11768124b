"""Slices in a selection: in an address, whatever they are called, and as images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evaluation.selection import Selection


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=8)), max_size=4, unique=True))
def test_slices_of_any_name_go_through_an_address(slices):
    selection = Selection(slices=tuple(slices))
    query = {name: value if isinstance(value, list) else [value] for name, value in selection.to_query().items()}
    assert Selection.from_query(query, ()).slices == tuple(slices)


@pytest.mark.parametrize("text", ["", ":", "weather", "weather:", ":rain"])
def test_what_names_no_slice_is_left_out_of_an_address(text):
    assert Selection.from_query({"slice": [text, "weather:rain", "weather:rain"]}, ()).slices == (("weather", "rain"),)


def test_slices_select_images_and_no_boxes():
    selection = Selection(slices=(("weather", "rain"),))
    assert selection.restricts and not selection.selects_boxes
    assert selection.on_images([3, 4]).on_images([4, 5]).images == (4,)

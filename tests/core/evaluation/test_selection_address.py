"""A selection in the address of a page: there and back, and what is nonsense."""

from dataclasses import replace
from urllib.parse import parse_qs, urlencode

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.evaluation.selection import (
    Selection,
    select_images,
)
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases
from tests.core.evaluation.test_selection import GT, RESULTS, selections


def through_an_address(query: dict) -> dict[str, list[str]]:
    return parse_qs(urlencode(query, doseq=True), keep_blank_values=True)


@settings(max_examples=60, deadline=None)
@given(cases(), st.data())
def test_a_selection_goes_through_an_address_and_back(case, data):
    names = [c["name"] for c in case[0]["categories"]]
    chosen = data.draw(selections(case[0]))
    kept = tuple(name for name in chosen.classes if name in names)
    chosen = replace(chosen, classes=kept, marked=data.draw(st.booleans()), score_to=max(chosen.score_to, chosen.score))
    back = Selection.from_query(through_an_address(chosen.to_query()), names)
    assert replace(back, iou=chosen.iou) == chosen
    assert np.float32(back.iou).tolist() == np.float32(chosen.iou).tolist()


def test_an_address_says_only_what_restricts():
    assert Selection(0.25).to_query() == {"score": "0.25"}
    some = Selection(0.25, score_to=0.75, iou=(0.25, 1.0), crowd=True, marked=True)
    expected = {"score": "0.25", "score_to": "0.75", "iou_from": "0.25", "crowd": "1", "marked": "1"}
    assert some.to_query() == expected


@given(st.floats(0, 1, width=32))
def test_a_score_in_an_address_stays_the_same_threshold(score):
    back = Selection.from_query(through_an_address(Selection(score).to_query()), [])
    assert np.float32(back.score) == np.float32(score)


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"score": ["nan"]}, {"score": ["1e400"]}, {"score": ["-0.1"]}, {"score": [""]}, {"score": ["half"]},
        {"class": ["<b>"]}, {"class": [""]}, {"size": ["huge"]}, {"error": ["odd"]}, {"error": [""]},
        {"image": ["--5", "1.5", "../7", "", "²", "9" * 5000, "1" * 30]}, {"true": ["car"]},
        {"predicted": ["dog"]}, {"true": ["car"], "predicted": ["<b>"]}, {"true": [""], "predicted": [""]},
        {"other": ["car"]}, {"score_to": ["0.4"]}, {"score_to": ["2"]}, {"score_to": ["nan"]}, {"score_to": []},
        {"iou_from": ["0.8"], "iou_to": ["0.2"]}, {"iou_from": ["-1"]}, {"iou_to": ["x"]}, {"truncated": ["yes"]},
        {"crowd": ["0"]}, {"marked": []}, {"marked": ["true", "1"]},
    ],
)  # fmt: skip
def test_nonsense_in_an_address_is_left_out(query):
    assert Selection.from_query(query, ["car", "dog"]) == Selection()


def test_what_makes_sense_in_an_address_stays_beside_nonsense():
    query = {"class": ["dog", "bus", "dog"], "size": ["small", "tiny"], "image": ["7", "x", "-3", "7"]}
    expected = Selection(classes=("dog",), sizes=("small",), images=(7, -3))
    assert Selection.from_query(query, ["car", "dog"]) == expected


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(
    st.sampled_from(sorted({"score", "class", "size", "error", "true", "predicted", "image", "score_to", "iou_from",
                            "iou_to", "truncated", "crowd", "marked"})),
    st.lists(st.text(max_size=8) | st.sampled_from(["0", "1", "0.5"])),
))  # fmt: skip
def test_no_address_is_too_odd_to_be_read_and_used(query):
    select_images(detection_table(GT, RESULTS), Selection.from_query(query, ["car", "dog"]))

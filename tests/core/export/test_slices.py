"""Slices as text for a terminal and as JSON."""

import json

import pytest

from core.datasets.attributes.attribute import NOTHING_KNOWN
from core.evaluation.findings.slices import slice_counts, verdict
from core.export.slices import NOTHING, slices_json, slices_text
from tests.core.evaluation.findings.test_slices import attributes, evaluated, street

BAD = set(range(1, 31))


@pytest.fixture(scope="module")
def slices():
    known = attributes(range(1, 81), night=BAD, few={1, 2}, **{"x" * 90: set(range(1, 81, 2))})
    table = street(80, bad=BAD)
    slices = evaluated(table, known)
    return slices, slice_counts(table, slices)


def test_the_table_has_a_line_for_each_slice_and_the_sentence_last(slices):
    lines = slices_text(*slices).split("\n")
    assert lines[1].startswith("night: yes") and lines[1].endswith(" *")
    assert lines[2].startswith("few: yes") and lines[2].endswith("too few")
    assert "…" in lines[3] and max(map(len, lines[:4])) < 120
    assert lines[-1] == verdict(slices[0])


def test_json_has_percents_and_nothing_that_json_does_not_know(slices):
    answer = json.loads(json.dumps(slices_json(*slices), allow_nan=False))
    first, second, _ = answer["slices"]
    assert answer["worst"] == ["night", "yes"] and answer["compared"] == 2
    assert first["AP"] == pytest.approx(100 * slices[0].slices[0].AP) and first["is_clear"] and first["high"] < 0
    assert second["low"] is None and not second["is_clear"]
    assert sum(first["errors"].values()) > 0


def test_where_nothing_is_known_it_says_what_to_do():
    slices = evaluated(street(5), NOTHING_KNOWN)
    assert slices_text(slices, []) == NOTHING
    assert slices_json(slices, [])["worst"] is None

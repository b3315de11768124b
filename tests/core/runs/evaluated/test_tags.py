"""Tags that were given elsewhere are slices like any other."""

import numpy as np

from core.datasets.attributes.attribute import Attribute, ImageAttributes
from core.runs.evaluated.tags import MOST_TAGS, keep_tags, with_tags

KNOWN = ImageAttributes(
    np.array([7, 8, 9]), (Attribute("weather", "a.csv", ("rain",), np.array([[True, False, True]])),)
)


def test_tags_of_several_models_are_joined_the_most_frequent_first(tmp_path):
    keep_tags(tmp_path / "1.json", {"tags": {7: ["blurred"], 8: ["odd", "blurred"]}, "label_tags": {9: ["wrong"]}})
    keep_tags(tmp_path / "2.json", {"tags": {7: ["blurred"], 99: ["gone"]}, "label_tags": {}})
    known = with_tags(KNOWN, [tmp_path / "1.json", tmp_path / "2.json"])
    assert [one.name for one in known.attributes] == ["weather", "FiftyOne tags", "FiftyOne label tags"]
    assert known.values_of("FiftyOne tags") == ("blurred", "odd")
    assert known.images_of([("FiftyOne tags", "blurred")]) == {7, 8}
    assert known.images_of([("FiftyOne tags", "odd")]) == {8}
    assert known.images_of([("FiftyOne label tags", "wrong")]) == {9}


def test_without_tags_nothing_is_added(tmp_path):
    keep_tags(tmp_path / "1.json", {"tags": {}, "label_tags": {}})
    assert with_tags(KNOWN, [tmp_path / "1.json"]) is KNOWN
    assert with_tags(KNOWN, []) is KNOWN


def test_a_file_that_cannot_be_read_is_passed_over(tmp_path):
    (tmp_path / "1.json").write_text('{"tags": {"7": [')
    (tmp_path / "2.json").write_text('{"tags": 7}')
    keep_tags(tmp_path / "3.json", {"tags": {7: ["blurred"]}})
    known = with_tags(KNOWN, [tmp_path / f"{n}.json" for n in (1, 2, 3, 4)])
    assert known.values_of("FiftyOne tags") == ("blurred",)


def test_there_are_no_more_tags_than_can_be_chosen_from(tmp_path):
    keep_tags(tmp_path / "1.json", {"tags": {7: [f"tag {n}" for n in range(2 * MOST_TAGS)]}})
    assert len(with_tags(KNOWN, [tmp_path / "1.json"]).values_of("FiftyOne tags")) == MOST_TAGS

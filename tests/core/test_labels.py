"""LabelMap: the one mapping between names, category ids and model indices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import DataError
from core.labels import COCO_TEN, LabelMap

CATEGORIES = [{"id": i, "name": name} for name, i in COCO_TEN.items()]


def test_category_ids_with_gaps_become_indices_without():
    labels = LabelMap.from_categories(CATEGORIES)
    assert labels.to_labels([62, 1]).tolist() == [9, 0]
    assert labels.no_object == len(labels) == 10


@given(st.sets(st.integers(1, 90), min_size=1, max_size=80))
def test_every_id_comes_back(ids):
    labels = LabelMap(tuple(f"class {i}" for i in ids), tuple(ids))
    assert set(labels.to_category_ids(np.arange(len(ids)))) == ids
    assert labels.to_labels(labels.category_ids).tolist() == list(range(len(ids)))


def test_an_id_that_was_not_chosen_is_marked():
    labels = LabelMap.from_categories(CATEGORIES, ["dog", "cat"])
    assert labels.names == ("cat", "dog")  # the file's order, whatever was asked
    assert labels.to_labels([1, 18]).tolist() == [-1, 1]


def test_no_ids_give_no_labels():
    labels = LabelMap(("cat",), (17,))
    assert labels.to_labels([]).shape == (0,)
    assert labels.to_category_ids([]).shape == (0,)


def test_it_is_saved_and_read_back():
    labels = LabelMap.from_categories(CATEGORIES)
    assert LabelMap.from_dict(labels.to_dict()) == labels


@pytest.mark.parametrize(
    ("names", "ids", "said"),
    [
        ((), (), "No class is chosen"),
        (("cat", "cat"), (1, 2), "'cat' occurs twice"),
        (("cat", "dog"), (1, 1), "category id 1 occurs twice"),
        (("cat",), (1, 2), "1 class names but 2"),
    ],
)
def test_what_is_no_mapping_is_refused(names, ids, said):
    with pytest.raises(DataError, match=said):
        LabelMap(names, ids)


def test_an_unknown_class_is_named_with_those_there_are():
    with pytest.raises(DataError, match="no class 'unicorn'; it has: person"):
        LabelMap.from_categories(CATEGORIES, ["unicorn"])


@pytest.mark.parametrize(
    "data",
    [
        None, 5, "ab", [], {}, {"names": ["a"]}, {"names": "ab", "category_ids": [1, 2]},
        {"names": ["a"], "category_ids": 1}, {"names": ["a"], "category_ids": ["1"]},
        {"names": ["a"], "category_ids": [True]}, {"names": ["a"], "category_ids": [1.5]},
        {"names": ["a"], "category_ids": [2**63]}, {"names": [1], "category_ids": [1]},
        {"names": ["a", "a"], "category_ids": [1, 2]}, {"names": ["x" * 9999] * 2, "category_ids": [1, 2]},
    ],
)  # fmt: skip
def test_what_was_saved_and_changed_is_one_sentence(data):
    with pytest.raises(DataError) as error:
        LabelMap.from_dict(data)
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_many_classes_are_compared_at_once():
    """Each with all others would take minutes."""
    names = tuple(map(str, range(100_000)))
    assert len(LabelMap(names, tuple(range(100_000)))) == 100_000

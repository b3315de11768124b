"""A part's name is read whatever its case and the words around it, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.names.part_names import PARTS, part_of, part_of_folders


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("train", "train"), ("Train.txt", "train"), ("TRAIN2017", "train"), ("instances_Train.json", "train"),
        ("myTrainSet.json", "train"), ("training-images", "train"), ("minitrain", "train"), ("obj_train_data", "train"),
        ("val", "val"), ("Valid", "val"), ("custom_val.json", "val"), ("instances_minival2014.json", "val"),
        ("validation", "val"), ("eval.json", "val"), ("obj_valid_data", "val"),
        ("test", "test"), ("image_info_test-dev2017.json", "test"), ("Testing", "test"),
        ("instances_test2017.json", "test"),
        ("trainval.txt", None), ("train_val.txt", None), ("contrail", None), ("values", None), ("latest", None),
        ("instances_default.json", None), ("result.json", None), ("_annotations.coco.json", None), ("", None),
        ("тест", None), ("strain", None), ("valley.jpg", None), ("protest", None),
    ],
)  # fmt: skip
def test_a_part_is_a_word_of_the_name(name, part):
    assert part_of(name) == part


@given(st.sampled_from(sorted(PARTS)), st.sampled_from(["", "2017", "_01", "-x", ".json", " (1)"]), st.booleans())
def test_case_numbers_and_other_words_do_not_matter(part, end, upper):
    name = f"instances_{part}{end}"
    assert part_of(name.upper() if upper else name) == part


def test_of_folders_the_innermost_counts_and_the_file_does_not():
    assert part_of_folders("train/val/x.jpg") == "val"
    assert part_of_folders("train/a/x.jpg") == "train"
    assert part_of_folders("images/train.jpg") is None

"""model.json beside an ONNX file: read back as it was written, and refused in one sentence where it is not sound."""

import json

import pytest

from core import ModelError
from core.inference.onnx.description import DESCRIPTION, Description, Preprocessing, read_description, to_json
from tests.core.inference.onnx.tiny import describe

SQUARE = Description(
    Preprocessing(320, 320, True, 32, 320, 320, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), False), ("a", "b"), "sigmoid"
)


@pytest.mark.parametrize(
    "description", [SQUARE, Description(Preprocessing(800, 1333), ("x",), "softmax", (7,), feature_stride=32)]
)
def test_it_is_read_as_it_was_written(description, tmp_path):
    describe(tmp_path, description)
    assert read_description(tmp_path / "model.onnx") == description
    assert description.has_no_object == (description.score_rule == "softmax")


def test_without_ids_the_classes_count_from_1():
    assert SQUARE.label_map.category_ids == (1, 2)


def test_it_says_in_words_what_a_program_has_to_do():
    about = to_json(SQUARE)["about"]
    assert set(about["inputs"]) == {"pixel_values"} and "one size" in about["inputs"]["pixel_values"]
    assert "stretched" in about["inputs"]["pixel_values"] and "sigmoid" in about["scores"]
    about = to_json(Description(Preprocessing(800, 1333), ("x",), "softmax"))["about"]
    assert "1 on the picture" in about["inputs"]["pixel_mask"] and "multiple of 32" in about["inputs"]["pixel_values"]


def test_a_missing_one_is_told_with_its_name(tmp_path):
    with pytest.raises(ModelError, match=f"is no {DESCRIPTION}, which says how pictures are made"):
        read_description(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"names": []}, "names"), ({"names": ["a", "a"]}, "a"), ({"score_rule": "guess"}, "score_rule"),
        ({"preprocessing": {"shortest_edge": 0, "longest_edge": 9}}, "shortest_edge"),
        ({"preprocessing": {"shortest_edge": 64, "longest_edge": 96, "height": 64}}, "height and width"),
        ({"names": "person"}, "names"), ({"category_ids": [1]}, ""), ({"outputs": {"logits": ""}}, "logits"),
    ],
)  # fmt: skip
def test_what_is_not_sound_is_refused_by_its_name(changes, words, tmp_path):
    describe(tmp_path, **changes)
    with pytest.raises(ModelError) as error:
        read_description(tmp_path / "model.onnx")
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 5000])
def test_what_is_no_json_is_refused(content, tmp_path):
    (tmp_path / DESCRIPTION).write_bytes(content)
    with pytest.raises(ModelError):
        read_description(tmp_path / "model.onnx")


def test_fields_that_are_not_known_are_left_alone(tmp_path):
    describe(tmp_path, made_by="another program")
    assert json.loads((tmp_path / DESCRIPTION).read_text())["made_by"]
    assert read_description(tmp_path / "model.onnx").names == ("person", "car")

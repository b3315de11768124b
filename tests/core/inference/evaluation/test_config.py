"""An evaluation's settings: what they refuse, and how their input is written and read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import PROJECT, ConfigError
from core.inference.evaluation.config import EvaluationConfig, read_input


@pytest.mark.parametrize(("values", "says"), [
    ({"model": ()}, "model is empty"), ({"model": (" ",)}, "model is empty"), ({"model": 3}, "must be a list of names"),
    ({"part": "all"}, "must be one of: val, test, train"), ({"size": 31}, "must be 0 or lie between 32 and 4096"),
    ({"size": 5000}, "must lie between 0 and 4096"), ({"tiles": 0}, "must lie between 1 and 8"),
    ({"data": ""}, "data is empty"), ({"tiles": 2.0}, "must be of type int"), ({"data": "\udcff"}, "not UTF-8"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_field(values, says):
    with pytest.raises(ConfigError, match=says):
        EvaluationConfig(**{"model": ("starter",), **values})


@given(st.integers(32, 4096) | st.just(0), st.integers(1, 8))
def test_settings_and_input_come_back(size, tiles):
    config = EvaluationConfig(("a", "b, c"), size=size, tiles=tiles)
    assert EvaluationConfig.from_dict(config.to_dict()) == config
    text = f"{size}/{tiles}x{tiles}" if size else f"{tiles}x{tiles}"
    assert read_input(text) == (size, tiles)


@pytest.mark.parametrize("text", ["", "x", "2x", "x2", "2x3", "640/", "640/2", "-1", "6e2", "640 px", "²", "1/2x2x2"])
def test_another_input_is_told(text):
    with pytest.raises(ConfigError, match="write a size as 640, tiles as 2x2, or both as 640/2x2"):
        read_input(text)


def test_the_same_images_are_those_of_one_model_and_part_whatever_the_input_and_the_machine():
    config = EvaluationConfig(("a",), "data", "test")
    assert config.same_images(EvaluationConfig(("a",), "data", "test", size=640, tiles=3, threads=2, device="cpu"))
    assert EvaluationConfig(("a",), "data/x").same_images(EvaluationConfig(("a",), str(PROJECT / "data/../data/x")))
    for other in ({"model": ("b",)}, {"data": "other"}, {"part": "val"}):
        assert not config.same_images(EvaluationConfig(**{"model": ("a",), "data": "data", "part": "test", **other}))


@pytest.mark.parametrize("setting", ["unknown", "score"])
def test_a_setting_of_another_version_is_named(setting):
    with pytest.raises(ConfigError, match=f"Unknown setting '{setting}'"):
        EvaluationConfig.from_dict({"model": ["a"], setting: 1})

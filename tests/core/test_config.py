"""TrainConfig: what is refused, what is kept, and that presets are valid."""

import json
import math

import pytest

from core import ConfigError
from core.config import TrainConfig
from core.presets import PRESETS


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lr": math.nan}, "lr is nan"),
        ({"lr": -1.0}, "lr is -1.0"),
        ({"lr": "1e-4"}, "must be of type float"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 2.5}, "must be of type int"),
        ({"batch_size": True}, "must be of type int"),
        ({"schedule": "sometimes"}, "one of: constant, step, cosine"),
        ({"data": "  "}, "data is empty"),
        ({"shortest_edge": 1400}, "larger than longest_edge"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_may_be(changes, said):
    with pytest.raises(ConfigError, match=said):
        TrainConfig(**changes)


def test_settings_survive_json():
    config = TrainConfig(classes=("cat", "dog"), lr=3e-4, augment=("none",), deterministic=True)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_setting_of_another_version_is_refused():
    with pytest.raises(ConfigError, match="Unknown setting 'magic'"):
        TrainConfig.from_dict({**TrainConfig().to_dict(), "magic": 1})


def test_classes_may_be_written_with_commas():
    assert TrainConfig(classes="cat, traffic light,").classes == ("cat", "traffic light")


def test_a_whole_number_serves_as_a_rate():
    assert TrainConfig(clip=1).clip == 1.0


def test_the_defaults_are_the_experiments():
    config = PRESETS["Experiment"].apply()
    assert (config.batch_size, config.lr, config.epochs, config.clip) == (4, 1e-5, 10, 0.1)
    assert (config.shortest_edge, config.longest_edge) == (800, 1333)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_keeps_data_model_and_classes(preset):
    mine = TrainConfig(data="mine", model="random", classes=("cat",))
    assert preset.apply(mine).data == "mine" and preset.apply(mine).classes == ("cat",)


@pytest.mark.parametrize(
    "saved, augment",
    [
        ({"flip": True}, ("flip",)), ({"flip": False}, ("none",)), ({"augment": "flip"}, ("flip",)),
        ({"augment": "none"}, ("none",)), ({"augment": "flip, scale and crop"}, ("flip", "scale and crop")),
    ],
)  # fmt: skip
def test_settings_of_an_older_version_are_read(saved, augment):
    older = {name: value for name, value in TrainConfig().to_dict().items() if name != "augment"}
    assert TrainConfig.from_dict({**older, **saved}).augment == augment


@pytest.mark.parametrize(
    "value",
    [None, 5, -1, 1.5, 10**400, math.nan, math.inf, True, "x" * 10_000, "\x1b[31m", [1], ["x", None], {"a": 1}],
    ids=lambda value: repr(value)[:12],
)  # fmt: skip
def test_whatever_a_saved_setting_was_changed_to_is_a_setting_or_one_sentence(value):
    saved = TrainConfig().to_dict()
    for name in [*saved, "flip", "magic"]:
        sentence = refusal({**saved, name: value})
        assert len(sentence) < 300 and "\x1b" not in sentence
        assert not sentence or name.replace("flip", "augment") in sentence


def refusal(settings):
    """The sentence with which they are refused, or an empty one."""
    try:
        TrainConfig.from_dict(settings)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("settings", [None, 5, "abc", [], [["epochs", 1]], {1: 2}])
def test_what_are_no_settings_is_one_sentence(settings):
    with pytest.raises(ConfigError):
        TrainConfig.from_dict(settings)

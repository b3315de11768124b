import pytest

from core.config import TrainConfig
from core.config_diff import TRAIN_SETTINGS, compare_settings, value_text

PLAIN = TrainConfig().to_dict()


def by_name(*configs: dict) -> dict:
    return {setting.name: setting for setting in compare_settings(configs)}


def test_every_field_is_there_in_the_order_of_the_form_with_its_words():
    found = compare_settings([PLAIN, PLAIN])
    assert [setting.name for setting in found] == [name for name in TRAIN_SETTINGS if name != "trackers"]
    assert all(setting.label and setting.help for setting in found)
    assert not any(setting.differs for setting in found)


def test_where_a_record_is_sent_is_no_difference():
    assert "trackers" not in by_name(PLAIN, TrainConfig(trackers=("wandb",)).to_dict())


def test_only_what_differs_differs():
    found = by_name(PLAIN, TrainConfig(lr=2e-5, classes=("car",), seed=3).to_dict())
    assert [name for name, setting in found.items() if setting.differs] == ["classes", "seed", "lr"]
    assert found["lr"].values == (1e-5, 2e-5)
    assert found["classes"].values == ((), ("car",))


def test_an_older_run_has_the_defaults_of_what_it_did_not_know():
    older = {name: value for name, value in PLAIN.items() if name not in ("ema", "augment")} | {"flip": True}
    found = by_name(older, PLAIN)
    assert not any(setting.differs for setting in found.values())
    assert "flip" not in found


def test_a_newer_runs_unknown_setting_is_shown_by_its_name():
    found = by_name(PLAIN, PLAIN | {"temperature": 7})
    assert found["temperature"].values == (None, 7)
    assert found["temperature"].label == "temperature" and found["temperature"].differs


def test_an_imported_run_has_files_and_no_settings():
    imported = {"imported": {"gt": "gt.json", "dt": "dt.json", "images": None}}
    found = by_name(imported, PLAIN)
    assert found["gt"].values == ("gt.json", None)
    assert found["lr"].values == (None, 1e-5) and found["lr"].differs
    assert not found["lr"].is_number
    assert found["images"].values == (None, None) and not found["images"].differs


def test_numbers_are_numbers_and_switches_are_not():
    found = by_name(PLAIN)
    assert found["lr"].is_number and found["epochs"].is_number
    assert not found["deterministic"].is_number and not found["schedule"].is_number


def test_of_no_run_there_is_nothing_to_say():
    assert compare_settings([]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-5, "1e-05"),
        (0.1, "0.1"),
        (4, "4"),
        (True, "yes"),
        ((), "all"),
        (("a", "b"), "a, b"),
        (None, "–"),
        ("x", "x"),
    ],
)
def test_values_in_words(value, text):
    assert value_text(value) == text

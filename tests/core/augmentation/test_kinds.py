"""The kinds of augmentation: each draws the same whatever others there are, and a preset is its kinds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.augmentation.kinds import BY_KEY, KEYS, KINDS, NONE, PRESETS, draw_look, preset_of, with_presets
from core.augmentation.look import Look
from core.config import TrainConfig

some = st.lists(st.sampled_from([kind.key for kind in KINDS]), unique=True)
FIELDS = [name for name in Look.__dataclass_fields__ if name not in ("crops", "others", "lights")]


def changed(look: Look) -> dict:
    """What a look changes."""
    still = draw_look((), 0, 0, 0)
    return {name: getattr(look, name) for name in FIELDS if getattr(look, name) != getattr(still, name)}


@given(some, st.sampled_from(KINDS), st.integers(0, 2**31), st.integers(0, 1000), st.integers(0, 10**6))
def test_a_kind_draws_the_same_whatever_others_there_are(others, kind, seed, epoch, index):
    alone = draw_look([kind.key], seed, epoch, index)
    look = draw_look([kind.key, *others], seed, epoch, index)
    assert changed(alone).items() <= changed(look).items()
    assert set(alone.lights) <= set(look.lights)
    assert look.others.random() == alone.others.random()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.key)
def test_a_kind_changes_something_often_and_seldom_always(kind):
    looks = [draw_look([kind.key], 0, 0, index) for index in range(300)]
    share = np.mean([bool(changed(look) or look.lights) for look in looks])
    assert 0.15 < share <= 1 and (share < 0.99 or kind.key == "scale and crop")
    assert len({repr(changed(look)) + repr(look.lights) for look in looks}) > (1 if share < 1 else 0)


def test_without_a_kind_nothing_is_changed():
    for keys in ((), (NONE,)):
        look = draw_look(keys, 3, 4, 5)
        assert not changed(look) and not look.lights


def test_an_unknown_kind_is_refused():
    with pytest.raises(KeyError):
        draw_look(["shake"], 0, 0, 0)


@given(some)
def test_kinds_come_in_one_order_and_an_order_is_no_other_setting(keys):
    config, other = TrainConfig(augment=tuple(keys)), TrainConfig(augment=", ".join(reversed(keys)))
    assert config == other and set(config.augment) - {NONE} == set(keys)
    assert TrainConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_preset_is_the_kinds_that_it_names(preset):
    assert TrainConfig(augment=preset.name).augment == with_presets(preset.keys)
    assert preset_of(TrainConfig(augment=preset.name).augment) == preset
    assert set(preset.keys) <= set(KEYS) and preset.sentence.endswith(".")


def test_names_of_presets_and_kinds_are_apart_but_where_they_mean_the_same():
    both = {preset.name for preset in PRESETS} & set(KEYS)
    assert both == {NONE, "flip"} and not any("," in key for key in KEYS)
    assert preset_of(("mixup",)) is None and all(BY_KEY[kind.key] is kind for kind in KINDS)

"""core/presets.py: each family has its recipe, with the figures that its repository has."""

from dataclasses import replace

import pytest

from core.config import RANDOM_MODELS, STARTERS, TrainConfig
from core.datasets.demo import BUILT_IN
from core.detr.pretrained import FAMILY_NAMES, fits_first, preset_config
from core.detr.sources.released import FAMILIES, RELEASED
from core.presets import PRESETS

# images a step, rate of the decoder, of the backbone, EMA, epochs: read in the file that the preset's comment names
PUBLISHED = {
    "RF-DETR": (4 * 4, 1e-4 * 0.7, 1.5e-4 * 0.7**2, 0.993, 100),
    "D-FINE": (32, 0.00025, 0.0000125, 0.9999, 36),
    "RT-DETRv2": (16, 0.0001, 0.00001, 0.9999, 72),
    "RT-DETR": (16, 0.0001, 0.00001, 0.9999, 72),
    "DEIMv2": (32, 0.0008, 0.0004, 0.9999, 160),
    "LW-DETR": (4 * 8, 1e-4 * 0.7, 1.5e-4 * 0.7**2, 0.9997, 60),
    "DAB-DETR": (16, 1e-4, 1e-5, 0.0, 50),
    "Deformable DETR": (32, 2e-4, 2e-5, 0.0, 50),
    "YOLOS": (8, 2.5e-5, 2.5e-5, 0.0, 150),
    "Table Transformer": (2, 5e-5, 1e-5, 0.0, 20),
    "Full recipe": (16, 1e-4, 1e-5, 0.0, 50),
}


def test_each_family_has_one_recipe():
    of_families = [family for preset in PRESETS.values() for family in preset.families]
    assert sorted(of_families) == sorted(FAMILIES)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_has_the_published_figures(name):
    config = PRESETS[name].apply()
    recipe = (config.batch_size * config.accumulate, config.lr, config.lr_backbone, config.ema, config.epochs)
    assert recipe == pytest.approx(PUBLISHED[name])
    assert config.clip == 0.1 and PRESETS[name].families


def test_a_description_is_a_few_lines():
    assert all(preset.description[-1] in ".?" and len(preset.description) < 300 for preset in PRESETS.values())


@pytest.mark.parametrize("family", [*FAMILY_NAMES, None, "other"])
def test_a_familys_recipe_is_offered_first_and_others_last(family):
    names = fits_first(family)
    places = [0 if family in (of := PRESETS[name].families) else 1 if not of else 2 for name in names]
    assert places == sorted(places) and set(names) <= set(PRESETS)
    assert (places[0] == 0) == (family in FAMILY_NAMES)
    assert all(not PRESETS[name].families or set(PRESETS[name].families) & set(FAMILY_NAMES) for name in names)


def test_a_recipe_takes_the_chosen_models_size_of_pictures(tmp_path):
    for name, model in RELEASED.items():
        preset = next(p for p in PRESETS.values() if model.family in p.families)
        config = preset_config(preset.name, name, tmp_path)
        assert (config.shortest_edge, config.longest_edge, config.square) == (*model.edges, model.square)
        assert preset_config("Built-in demo", name, tmp_path) == PRESETS["Built-in demo"].apply()
    (tmp_path / "config.json").write_text('{"model_type": "detr"}')
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"shortest_edge": 480, "longest_edge": 640}}')
    config = preset_config("Full recipe", str(tmp_path))
    assert (config.shortest_edge, config.longest_edge) == (480, 640)


@pytest.mark.parametrize("name", [name for name, preset in PRESETS.items() if preset.data or preset.model])
def test_a_story_names_a_built_in_data_set_and_a_model_that_is_here(name):
    preset = PRESETS[name]
    assert preset.data in {scenes.folder for scenes in BUILT_IN} and preset.model in {*STARTERS, *RANDOM_MODELS}
    config = preset.apply()
    assert (config.data, config.model) == (f"data/{preset.data}", preset.model)
    chosen = preset.apply(TrainConfig(data="mine", model="yours", classes=("car",)))
    assert (chosen.data, chosen.model, chosen.classes) == ("mine", "yours", ("car",))
    assert chosen == replace(config, data="mine", model="yours", classes=("car",))


@pytest.mark.parametrize("model", ["", "random", "/nowhere", "someone/else"])
def test_without_a_model_that_says_it_a_recipe_has_its_own(model, tmp_path):
    assert preset_config("Full recipe", model, tmp_path) == PRESETS["Full recipe"].apply()
    assert isinstance(PRESETS["Full recipe"].apply(), TrainConfig)

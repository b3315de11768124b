"""core/detr/sources/released.py: the released models, compared with transformers' own layouts."""

import pytest
import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES

from bench.layouts import LAYOUTS, model_of
from core.detr.model_folder import FAMILY_NAMES
from core.detr.pretrained import COCO_CLASSES, OFFERED, expected_classes, family_of
from core.detr.sources.hub import is_hub_name
from core.detr.sources.released import FAMILIES, RELEASED, ReleasedModel


def test_each_model_is_of_a_family_that_transformers_detects_with():
    families = {model.family for model in RELEASED.values()}
    assert families == set(FAMILIES) <= set(MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES)
    assert all(is_hub_name(name) and model.name == name for name, model in RELEASED.items())


def test_families_stand_together_in_their_order():
    families = [model.family for model in RELEASED.values()]
    assert list(dict.fromkeys(families)) == list(FAMILIES)
    assert sorted(families, key=list(FAMILIES).index) == families


def test_only_families_that_can_be_used_are_offered():
    assert {model.family for model in OFFERED.values()} == set(FAMILY_NAMES) & set(FAMILIES)
    assert all(OFFERED[name] is RELEASED[name] for name in OFFERED)


@pytest.mark.few(6)
@pytest.mark.parametrize("name", RELEASED)
def test_it_has_as_many_parameters_as_its_layout_in_transformers(name):
    with torch.device("meta"):  # no memory, no time for random numbers
        model = model_of(name)
    assert model.config.model_type == RELEASED[name].family
    assert model.config.num_labels == {"COCO": 91, "PubTables-1M": 2}[RELEASED[name].data] or (
        model.config.num_labels == len(COCO_CLASSES)
    )
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(RELEASED[name].parameters, abs=0.051)


def test_each_has_a_layout():
    assert set(LAYOUTS) == set(RELEASED)


@pytest.mark.parametrize(
    ("edges", "square", "words"),
    [((800, 1333), False, "800 to 1333"), ((640, 640), True, "640 × 640"), ((800, 800), False, "at most 800")],
)
def test_the_size_of_its_pictures_in_words(edges, square, words):
    assert ReleasedModel("a/b", "detr", 1.0, 50.0, "a/b", edges, square).pictures == words


def test_what_it_will_know_is_said_before_it_is_here():
    assert expected_classes("facebook/detr-resnet-50") == COCO_CLASSES
    assert expected_classes("microsoft/table-transformer-detection") is None
    assert expected_classes("someone/else") is None


def test_the_family_of_a_released_model_needs_no_file(tmp_path):
    for name, model in RELEASED.items():
        assert family_of(name, tmp_path) == model.family
    assert family_of("random", tmp_path) is None

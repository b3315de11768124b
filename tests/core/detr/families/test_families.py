"""Each family says of itself what the rest asks, and leaves transformers' model as it was loaded."""

import copy
import json

import pytest
import torch
from transformers import TimmBackboneConfig

from core.detr.class_loss import CrossEntropy, FocalLoss
from core.detr.families.base import inverse_sigmoid
from core.detr.families.class_outputs import ClassOutput
from core.detr.families.detr import Detr
from core.detr.model import FAMILIES, load_model, save_model
from core.detr.model_folder import FAMILY_NAMES
from core.labels import LabelMap
from tests.core.detr.released import DENSE, LAST_ONLY, SOFTMAX, TEN, released, small_config


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory):
    return load_model(str(released(request.param, tmp_path_factory.mktemp("released"))), TEN)[0]


def test_the_page_knows_the_families_that_can_be_loaded():
    assert tuple(FAMILIES) == FAMILY_NAMES
    assert all(family.model_class.config_class.model_type == name for name, family in FAMILIES.items())


@pytest.mark.parametrize("auxiliary", [False, True])
@pytest.mark.parametrize("kind", FAMILIES)
def test_the_model_inside_is_transformers_own_with_its_own_config(kind, auxiliary, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path, auxiliary=auxiliary)), TEN)
    original = FAMILIES[kind].model_class.from_pretrained(tmp_path)
    ours, theirs = model.inner.config.to_dict(), original.config.to_dict()
    changed = {key for key in ours if ours[key] != theirs.get(key)}
    allowed = {"id2label", "label2id", "num_labels", *FAMILIES[kind].published}  # the file does not state all of these
    assert type(model.inner) is FAMILIES[kind].model_class and changed <= allowed
    assert list(model.inner.state_dict()) == list(original.state_dict())
    types = ([type(m) for m in one.base_model.modules()] for one in (model.inner, original))
    for own, theirs in zip(*types, strict=True):
        assert own is theirs or (own, theirs) == (ClassOutput, torch.nn.Linear)
    assert model.inner.loss_function.__module__.startswith("transformers.")


def test_a_model_begins_in_the_mode_in_which_transformers_gives_it(model):
    assert not model.training  # as `from_pretrained`
    assert Detr(Detr.model_class(small_config("detr"))).training


def test_scores_are_a_softmax_with_no_object_or_a_sigmoid_of_each_class(model):
    logits = torch.randn(2, 5, 10 + model.has_no_object)
    probabilities, scores = model.probabilities(logits), model.class_scores(logits)
    assert probabilities.shape == logits.shape and scores.shape == (2, 5, 10)
    assert torch.equal(probabilities[..., :10], scores)
    assert torch.allclose(probabilities.sum(-1), torch.ones(2, 5)) == model.has_no_object
    assert model.loss_config.class_loss.has_no_object == model.has_no_object == (model.model_type in SOFTMAX)


def pixels_of(images: int) -> torch.Tensor:
    return torch.randint(256, (images, 3, 64, 64), dtype=torch.uint8)


def test_it_knows_its_queries_and_layers(model):
    with torch.no_grad():
        layers = model(pixels_of(1))
    answers = 1 if model.model_type in LAST_ONLY else 3
    assert layers.boxes.shape == (model.num_layers, 1, model.num_queries, 4) == (answers, 1, 12, 4)


def test_each_pattern_of_a_box_is_a_query():
    config = small_config("dab-detr")
    config.num_patterns = 2
    model = FAMILIES["dab-detr"](FAMILIES["dab-detr"].model_class(config).eval())
    with torch.no_grad():
        assert model(pixels_of(1)).boxes.shape == (3, 1, model.num_queries, 4) == (3, 1, 24, 4)


@pytest.mark.parametrize("kind", DENSE)
@pytest.mark.parametrize("auxiliary", [False, True])
def test_a_decoder_of_one_layer_answers(kind, auxiliary):
    config = small_config(kind, layers=1)
    config.auxiliary_loss = auxiliary
    inner = FAMILIES[kind].model_class(config).eval()
    values = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        layers, answer = FAMILIES[kind](inner).answer(values, None), inner(values)
    assert torch.equal(layers.logits, answer.logits[None]) and torch.equal(layers.boxes, answer.pred_boxes[None])


def test_the_stride_is_that_of_the_map_that_the_transformer_reads():
    """A released DETR's backbone gives the maps of all its stages; only the last goes to the encoder."""
    config = small_config("detr")
    config.backbone_config = TimmBackboneConfig(
        backbone="resnet18", use_pretrained_backbone=False, out_indices=[1, 2, 3, 4]
    )
    assert Detr(Detr.model_class(config)).feature_stride() == 32


def test_class_outputs_are_float32_wherever_they_are_called(model):
    outputs = []
    model.map_class_outputs(lambda old: outputs.append(old) or old)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert {output(torch.randn(3, 32)).dtype for output in outputs} == {torch.float32}
        layer = next(m for m in model.inner.modules() if type(m) is torch.nn.Linear and m.in_features == 32)
        assert layer(torch.randn(3, 32)).dtype == torch.bfloat16


def test_in_two_stages_the_encoder_proposes_with_the_new_class_outputs():
    config = small_config("deformable_detr")
    config.two_stage = config.with_box_refine = True
    config.two_stage_num_proposals = 12
    model = FAMILIES["deformable_detr"](FAMILIES["deformable_detr"].model_class(config).eval())
    model.replace_head(LabelMap(("dog", "scooter"), (18, 200)))
    assert model.inner.model.decoder.class_embed is model.inner.class_embed and len(model.inner.class_embed) == 4
    with torch.no_grad():
        assert model(pixels_of(1)).logits.shape == (3, 1, 12, 2)


def test_a_copy_hides_padding_by_its_own_mask(model):
    """As an average of weights is one, which is evaluated between the steps."""
    other = copy.deepcopy(model)
    pixels, mask = pixels_of(1), torch.ones(1, 64, 64, dtype=torch.bool)
    mask[:, 32:] = False
    with torch.no_grad():
        masked, plain = other(pixels, mask), model(pixels)
        assert torch.equal(model(pixels, mask).logits, masked.logits) and not torch.equal(plain.logits, masked.logits)
        assert torch.equal(other(pixels).logits, plain.logits)  # the mask is forgotten


def test_the_inverse_of_the_sigmoid_is_finite_at_its_ends():
    values = torch.tensor([-1.0, 0.0, 0.25, 1.0, 2.0])
    assert torch.isfinite(inverse_sigmoid(values)).all()
    assert inverse_sigmoid(values)[2].sigmoid() == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("kind", "stated", "expected"),
    [
        ("detr", {}, (1, 1)), ("conditional_detr", {}, (2, 2)), ("deformable_detr", {}, (2, 2)),
        ("deformable_detr", {"class_cost": 1}, (1, 2)), ("deformable_detr", {"cls_loss_coefficient": 1}, (2, 1)),
        ("conditional_detr", {"cls_loss_coefficient": 3, "class_cost": 4}, (4, 3)),
        ("deformable_detr", {"class_loss_coefficient": 5}, (2, 5)), ("detr", {"cls_loss_coefficient": 0.5}, (1, 0.5)),
        ("dab-detr", {}, (2, 1)), ("dab-detr", {"cls_loss_coefficient": 2, "class_cost": 3}, (3, 1)),
        ("table-transformer", {}, (1, 1)), ("table-transformer", {"ce_loss_coefficient": 2}, (1, 2)),
        ("yolos", {}, (1, 1)), ("yolos", {"eos_coefficient": 0.1}, (1, 1)),
    ],
)  # fmt: skip
def test_losses_weigh_as_the_config_states_else_as_published(kind, stated, expected, tmp_path):
    folder = released(kind, tmp_path / "model")
    settings = json.loads((folder / "config.json").read_text())
    numbers = ("class_cost", "bbox_cost", "giou_cost", "cls_loss_coefficient", "bbox_loss_coefficient",
               "giou_loss_coefficient", "eos_coefficient", "focal_alpha")  # fmt: skip
    rest = {name: value for name, value in settings.items() if name not in numbers}
    (folder / "config.json").write_text(json.dumps(rest | stated))
    model, _ = load_model(str(folder), TEN)
    save_model(model, TEN, tmp_path / "saved")
    for config in (model.loss_config, load_model(str(tmp_path / "saved"), TEN)[0].loss_config):
        assert (config.class_cost, config.class_weight) == expected
        assert (config.bbox_cost, config.giou_cost, config.bbox_weight, config.giou_weight) == (5, 2, 5, 2)
        no_object = {"detr": 0.1, "yolos": 0.1, "table-transformer": 0.4}.get(kind)
        assert config.class_loss == (CrossEntropy(no_object) if no_object else FocalLoss(0.25))

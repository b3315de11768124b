"""Every decoder layer's answer, and none of the model's changed by asking for them."""

import copy
import json

import pytest
import torch

from core.detr.detect import forward
from core.detr.model import FAMILIES, load_model, save_model
from core.detr.small import small_detr
from tests.core.detr.plain_pictures import normalized
from tests.core.detr.released import COCO, HYBRID, LAST_ONLY, SQUARE, TEN, columns, released

CPU = torch.device("cpu")


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(3)
    pixels = torch.randint(256, (2, 3, 64, 96), generator=random, dtype=torch.uint8)
    mask = torch.ones(2, 64, 96, dtype=torch.bool)
    return {"pixel_values": pixels, "pixel_mask": mask, "padded": False, "labels": []}


def suited(batch, kind):
    """The batch, or of a family whose model in transformers takes squares alone its left part."""
    left = {"pixel_values": batch["pixel_values"][..., :64], "pixel_mask": batch["pixel_mask"][..., :64]}
    return {**batch, **left} if kind in SQUARE else batch


@pytest.mark.parametrize("auxiliary", [False, True])
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_loaded_model_answers_as_transformers_own(batch, kind, auxiliary, tmp_path):
    folder = released(kind, tmp_path, auxiliary=auxiliary)
    original = FAMILIES[kind].model_class.from_pretrained(folder).eval()
    # an encoder that chooses its queries by all classes chooses others by fewer
    label_map = COCO if kind in HYBRID else TEN
    batch = suited(batch, kind)
    model, _ = load_model(str(folder), label_map)
    with torch.no_grad():
        expected = original(pixel_values=model.normalize(batch["pixel_values"]))
        for one in (model.eval(), copy.deepcopy(model)):
            layers = forward(one, batch, CPU)
            torch.testing.assert_close(layers.logits[-1], expected.logits[..., columns(original, label_map)])
            torch.testing.assert_close(layers.boxes[-1], expected.pred_boxes)


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in (*HYBRID, "yolos")])
def test_with_auxiliary_losses_every_layer_answers_as_transformers_own(batch, kind, tmp_path):
    folder = released(kind, tmp_path, auxiliary=True)
    original = FAMILIES[kind].model_class.from_pretrained(folder).eval()
    model, batch = load_model(str(folder), TEN)[0], suited(batch, kind)
    nothing = [{"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)}] * 2
    with torch.no_grad():
        layers = forward(model.eval(), batch, CPU)
        others = original(pixel_values=normalized(batch), labels=nothing).auxiliary_outputs
    assert len(layers.logits) == model.num_layers == 1 + len(others) == 3
    for logits, boxes, other in zip(layers.logits, layers.boxes, others, strict=False):
        torch.testing.assert_close(logits, other["logits"][..., columns(original)])
        torch.testing.assert_close(boxes, other["pred_boxes"])


@pytest.mark.parametrize("kind", ["detr", "conditional_detr", "dab-detr"])
def test_the_inner_layers_are_normalised_beside_the_way_as_published(batch, kind, tmp_path):
    """An oracle of its own: cut after each layer, the published decoder normalises and answers."""
    folder = released(kind, tmp_path)
    model, _ = load_model(str(folder), TEN)
    with torch.no_grad():
        layers = forward(model.eval(), batch, CPU)
        for n in (1, 2, 3):
            cut = FAMILIES[kind].model_class.from_pretrained(folder).eval()
            cut.model.decoder.layers, cut.model.decoder.num_layers = cut.model.decoder.layers[:n], n
            answer = cut(pixel_values=normalized(batch))
            torch.testing.assert_close(layers.logits[n - 1], answer.logits[..., columns(cut)])
            torch.testing.assert_close(layers.boxes[n - 1], answer.pred_boxes)


@pytest.mark.parametrize("kind", LAST_ONLY)
def test_of_a_family_that_was_trained_so_only_the_last_layer_answers_but_all_layers_learn(batch, kind, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    layers = forward(model.train(), batch, CPU)
    layers.logits.sum().backward()
    assert len(layers.logits) == 1
    assert all(parameter.grad is not None for name, parameter in model.inner.named_parameters() if "layer" in name
               and "bbox" not in name)  # fmt: skip


def test_the_switch_would_have_changed_a_released_model(batch, tmp_path):
    """Else the tests above would hold nothing."""
    folder = released("detr", tmp_path)
    original = FAMILIES["detr"].model_class.from_pretrained(folder).eval()
    switched = FAMILIES["detr"].model_class.from_pretrained(folder, auxiliary_loss=True).eval()
    with torch.no_grad():
        one, other = (m(pixel_values=normalized(batch)).logits for m in (original, switched))
    assert (one - other).abs().max() > 0.05


@pytest.mark.parametrize("auxiliary", [False, True])
def test_a_saved_model_says_how_it_was_trained(auxiliary, tmp_path):
    model, _ = load_model(str(released("detr", tmp_path / "one", auxiliary=auxiliary)), TEN)
    save_model(model, TEN, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text()).get("auxiliary_loss", False) == auxiliary
    assert model.inner.config.auxiliary_loss == auxiliary


def test_gradients_reach_every_layer_through_its_own_answer(batch):
    model = small_detr(TEN).train()
    layers = forward(model, batch, CPU)
    layers.logits[0].sum().backward()
    reached = [any(p.grad is not None and p.grad.any() for p in layer.parameters())
               for layer in model.inner.model.decoder.layers]  # fmt: skip
    assert reached == [True, False, False]

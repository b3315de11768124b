"""Every decoder layer's answer, and none of the model's changed by asking for them."""

import copy
import json

import pytest
import torch

from core.detr.detect import forward
from core.detr.model import FAMILIES, load_model, save_model
from core.detr.small import small_detr
from tests.core.detr.plain_pictures import normalized
from tests.core.detr.released import COCO, HYBRID, TEN, columns, released

CPU = torch.device("cpu")


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(3)
    pixels = torch.randint(256, (2, 3, 64, 96), generator=random, dtype=torch.uint8)
    mask = torch.ones(2, 64, 96, dtype=torch.bool)
    return {"pixel_values": pixels, "pixel_mask": mask, "padded": False, "labels": []}


@pytest.mark.parametrize("auxiliary", [False, True])
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_loaded_model_answers_as_transformers_own(batch, kind, auxiliary, tmp_path):
    folder = released(kind, tmp_path, auxiliary=auxiliary)
    original = FAMILIES[kind].model_class.from_pretrained(folder).eval()
    # an encoder that chooses its queries by all classes chooses others by fewer
    label_map = COCO if kind in HYBRID else TEN
    model, _ = load_model(str(folder), label_map)
    with torch.no_grad():
        expected = original(pixel_values=model.normalize(batch["pixel_values"]))
        for one in (model.eval(), copy.deepcopy(model)):
            layers = forward(one, batch, CPU)
            torch.testing.assert_close(layers.logits[-1], expected.logits[..., columns(original, label_map)])
            torch.testing.assert_close(layers.boxes[-1], expected.pred_boxes)


@pytest.mark.parametrize("kind", ["detr", "conditional_detr"])
def test_the_inner_layers_are_normalised_beside_the_way_as_published(batch, kind, tmp_path):
    """An oracle of its own: cut after each layer, the published decoder normalises and answers."""
    folder = released(kind, tmp_path)
    model, _ = load_model(str(folder), TEN)
    with torch.no_grad():
        layers = forward(model.eval(), batch, CPU)
        for n in (1, 2, 3):
            cut = FAMILIES[kind].model_class.from_pretrained(folder).eval()
            cut.model.decoder.layers = cut.model.decoder.layers[:n]
            answer = cut(pixel_values=normalized(batch))
            torch.testing.assert_close(layers.logits[n - 1], answer.logits[..., columns(cut)])
            torch.testing.assert_close(layers.boxes[n - 1], answer.pred_boxes)


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

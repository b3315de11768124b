"""An image gives the same result alone and in a batch that pads it."""

import pytest
import torch
from torch import nn

from core.detr.detect import forward
from core.detr.families.padding import PaddingGuard
from core.detr.input.batch import Collator
from core.detr.model import FAMILIES, load_model
from core.detr.small import small_detr
from tests.core.detr.released import DENSE, HYBRID, TEN, WINDOWED, released

CPU = torch.device("cpu")
SIZES = [(96, 64), (64, 96), (50, 71), (33, 120)]  # height, width


@pytest.fixture
def samples():
    random = torch.Generator().manual_seed(0)
    nothing = {"class_labels": torch.zeros(0, dtype=torch.int64), "boxes": torch.zeros(0, 4)}
    return [
        {
            "pixel_values": torch.randint(256, (3, h, w), generator=random, dtype=torch.uint8),
            "labels": nothing,
            "image_id": i,
            "size": (w, h),
        }
        for i, (h, w) in enumerate(SIZES)
    ]


def answers(model, samples):
    with torch.no_grad():
        return forward(model, Collator()(samples), CPU)


def unpadded(model, sample):
    """As transformers runs an image of any size by itself."""
    pixels = sample["pixel_values"][None]
    with torch.no_grad():
        return forward(model, {"pixel_values": pixels, "padded": False}, CPU)


@pytest.mark.parametrize("backbone", ["transformers", "timm"])
@pytest.mark.parametrize("kind", [*DENSE, "yolos"])
def test_padding_does_not_change_the_result_of_an_image(samples, kind, backbone, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path, timm=backbone == "timm")), TEN)
    model.eval()
    together = answers(model, samples)
    for i, sample in enumerate(samples):
        alone = unpadded(model, sample)
        torch.testing.assert_close(together.logits[:, i], alone.logits[:, 0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together.boxes[:, i], alone.boxes[:, 0], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in {**HYBRID, **WINDOWED}])  # which see it
def test_padding_to_whole_cells_does_not_change_the_result_of_an_image(samples, kind, tmp_path):
    """Of any family, also one with group norms and a map that is coarser than the backbone's."""
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    model.eval()
    for sample in samples:
        padded, alone = answers(model, [sample]), unpadded(model, sample)
        torch.testing.assert_close(padded.logits, alone.logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(padded.boxes, alone.boxes, atol=1e-5, rtol=1e-4)


def test_a_group_norm_without_weights_takes_the_images_statistics():
    norm, values = nn.GroupNorm(2, 4, affine=False), torch.randn(2, 4, 6, 6)
    guard, mask = PaddingGuard(norm), torch.ones(2, 6, 6, dtype=torch.bool)
    mask[0, 4:], mask[1, :, 3:] = False, False
    with guard.hide(mask):
        normed = norm(values)
    torch.testing.assert_close(normed[0, :, :4], norm(values[:1, :, :4])[0])
    torch.testing.assert_close(normed[1, :, :, :3], norm(values[1:, :, :, :3])[0])


def test_without_the_guard_padding_would_leak(samples, monkeypatch):
    """Else the test above would hold nothing."""
    monkeypatch.setattr("core.detr.families.padding.PaddingGuard._zero_padding", lambda *_: None)
    torch.manual_seed(0)
    model = small_detr(TEN).eval()
    difference = answers(model, samples).logits[:, 3] - unpadded(model, samples[3]).logits[:, 0]
    assert difference.abs().max() > 1e-3


@pytest.mark.parametrize("kind", FAMILIES)
def test_images_of_one_size_need_no_mask(samples, kind, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    model.eval()
    same = [{**sample, "pixel_values": samples[0]["pixel_values"] // (i + 1)} for i, sample in enumerate(samples)]
    assert not Collator()(same)["padded"]
    torch.testing.assert_close(answers(model, same).logits[:, 1], answers(model, same[1:2]).logits[:, 0],
                               atol=1e-4, rtol=1e-4)  # fmt: skip

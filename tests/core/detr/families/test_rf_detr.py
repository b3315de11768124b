"""RF-DETR and LW-DETR: groups of queries, their losses as transformers', squares, and what a place of the ViT sees."""

import math

import pytest
import torch
from transformers.loss.loss_lw_detr import LwDetrForObjectDetectionLoss

from core import ConfigError
from core.config import TrainConfig
from core.detr.detect import LossSums, forward
from core.detr.losses import LossNormalizers, set_losses, total
from core.detr.model import FAMILIES, load_model, parameter_groups
from core.labels import LabelMap
from tests.core.detr.families.test_rt_detr import batch_of
from tests.core.detr.released import TEN, WINDOWED, released, small_config

CPU = torch.device("cpu")
GROUPS, QUERIES = 3, 12


def as_trained(kind, folder, **settings):
    """As after a training: boxes are moved, not left where the places chose them, and the groups differ."""
    torch.manual_seed(1)
    config = small_config(kind)
    for name, value in settings.items():
        setattr(config, name, value)
    model = FAMILIES[kind].model_class(config)
    for name, parameter in model.named_parameters():
        if "bbox_embed" in name or "reference_point" in name:
            torch.nn.init.normal_(parameter, std=0.1)
        if "class_embed" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=WINDOWED)
def folder(request, tmp_path_factory):
    return as_trained(request.param, tmp_path_factory.mktemp("released"))


def loaded(folder, label_map=TEN):
    return load_model(str(folder), label_map, dropout=0.0)[0]


@pytest.mark.parametrize("counts", [(3, 1), (0, 4), (0, 0), (14, 2)])
@pytest.mark.parametrize("groups", [1, GROUPS])
@pytest.mark.parametrize("kind", WINDOWED)
def test_losses_and_gradients_equal_transformers_in_each_number_of_groups(kind, groups, counts, tmp_path):
    batch = batch_of(counts)
    model = loaded(as_trained(kind, tmp_path, group_detr=groups, class_loss_coefficient=1.5)).train()
    config = model.loss_config
    layers = model(batch["pixel_values"])
    ours = set_losses(layers, batch["labels"], LossNormalizers.of(batch["labels"], QUERIES, config), config)
    assert layers.groups == groups and layers.boxes.shape == (3, 2, groups * QUERIES, 4)
    theirs, parts, _ = LwDetrForObjectDetectionLoss(
        layers.logits[-1], batch["labels"], CPU, layers.boxes[-1], model.inner.config, layers.logits, layers.boxes,
        layers.before.logits[0], layers.before.boxes[0],
    )  # fmt: skip
    torch.testing.assert_close(total(ours, config), theirs)
    for name, _, _ in config.terms:
        expected = [parts[f"{name}_enc"], parts[f"{name}_0"], parts[f"{name}_1"], parts[name]]
        torch.testing.assert_close(ours[name], torch.stack(expected))
    answers = [layers.logits, layers.boxes, layers.before.logits, layers.before.boxes]
    for one, other in zip(
        torch.autograd.grad(total(ours, config), answers, retain_graph=True),
        torch.autograd.grad(theirs, answers, retain_graph=True),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    if kind == "rf_detr":  # LW-DETR's batch norms have gone on
        theirs = model.inner(model.normalize(batch["pixel_values"]), labels=batch["labels"]).loss
        torch.testing.assert_close(total(ours, config), theirs)


def test_an_evaluation_has_the_first_group_alone_with_its_losses(folder):
    batch, model = batch_of((3, 1)), loaded(folder)
    with torch.no_grad():
        alone = model(batch["pixel_values"])
        for norm in (module for module in model.train().modules() if isinstance(module, torch.nn.BatchNorm2d)):
            norm.eval()
        layers = model(batch["pixel_values"])
    assert (alone.groups, layers.groups) == (1, GROUPS)
    for one, all_groups in ((alone, layers), (alone.before, layers.before)):
        torch.testing.assert_close(one.logits, all_groups.logits[:, :, :QUERIES])
        torch.testing.assert_close(one.boxes, all_groups.boxes[:, :, :QUERIES])
    assert (layers.logits[:, :, :QUERIES] - layers.logits[:, :, QUERIES : 2 * QUERIES]).abs().max() > 1e-3
    sums = LossSums(model.loss_config)
    sums.add(alone, batch["labels"])
    assert all(math.isfinite(value) for value in sums.values().values())


def test_each_layers_boxes_are_counted_from_those_that_were_chosen(folder):
    """Source: rfdetr lwdetr.py: LWDETR.forward, with bbox_reparam and lite_refpoint_refine."""
    model, pixels = loaded(folder), batch_of((1,))["pixel_values"]
    with torch.no_grad():
        layers = model(pixels)
        decoded = model.inner.model(model.normalize(pixels))
        first = model.inner.model.reference_point_embed.weight[:QUERIES]
        x, y, width, height = layers.before.boxes[0, 0].unbind(-1)
        chosen = torch.stack(
            [x + first[:, 0] * width, y + first[:, 1] * height, first[:, 2].exp() * width, first[:, 3].exp() * height],
            -1,
        )
        for states, boxes in zip(decoded.intermediate_hidden_states, layers.boxes, strict=True):
            dx, dy, dw, dh = model.inner.bbox_embed(states[0]).unbind(-1)
            x, y, width, height = chosen.unbind(-1)
            moved = torch.stack([x + dx * width, y + dy * height, width * dw.exp(), height * dh.exp()], -1)
            torch.testing.assert_close(boxes[0], moved)


def test_class_rows_of_layers_and_of_each_groups_places_are_copied_by_name(folder):
    label_map = LabelMap(("dog", "scooter", "person"), (18, 200, 1))
    model, head = load_model(str(folder), label_map)
    original = model.model_class.from_pretrained(folder)
    assert head.copied == ("dog", "person") and head.fresh == ("scooter",)
    pairs = [(model.inner.class_embed, original.class_embed)]
    pairs += zip(model.inner.model.enc_out_class_embed, original.model.enc_out_class_embed, strict=True)
    assert len(pairs) == 1 + GROUPS
    for ours, theirs in pairs:
        assert torch.equal(ours.weight[[0, 2]], theirs.weight[[18, 1]]) and ours.out_features == 3
        assert ours.bias[1].sigmoid().item() == pytest.approx(0.01)


def test_what_is_no_square_is_answered_as_if_padded_to_one(tmp_path):
    """Of other pictures the published ViT mixes up the places of its windows: so they must not reach it."""
    model = loaded(as_trained("rf_detr", tmp_path))
    pixels = batch_of((1,))["pixel_values"]
    wide, mask = pixels[:, :, :64], torch.ones(1, 96, 96, dtype=torch.bool)
    square = pixels.clone()
    square[:, :, 64:], mask[:, 64:] = 0, False
    with torch.no_grad():
        for one in (model(wide), model(wide, mask[:, :64])):
            torch.testing.assert_close(one.boxes, model(square, mask).boxes)
        inside = model.inner.model.backbone.backbone.embeddings.window_partition
        tokens = torch.arange(1.0 + 8 * 12).view(1, -1, 1)
        places = inside(tokens, 64, 96)[0, 1:, 0] - 1  # of the first window, which is to hold rows 0 to 3
        assert set(places.tolist()) != {12.0 * row + column for row in range(4) for column in range(6)}


def test_padding_is_seen(folder):
    """Said in the docs, and why squares are to be taken: else this could be left out there."""
    model, pixels = loaded(folder), batch_of((1,))["pixel_values"]
    padded, mask = torch.nn.functional.pad(pixels, (0, 32, 0, 32)), torch.ones(1, 128, 128, dtype=torch.bool)
    mask[:, 96:], mask[:, :, 96:] = False, False
    with torch.no_grad():
        assert (model(pixels).logits - model(padded, mask).logits).abs().max() > 1e-3


PUBLISHED = {
    # get_dinov2_lr_decay_rate: maps to the fourth layer, so five count; get_vit_lr_decay_rate: four layers
    "rf_detr": (5, {"embeddings.cls_token": 0, "embeddings.position_embeddings": 0, "layernorm.weight": 6}),
    "lw_detr": (4, {"embeddings.projection.weight": 0, "embeddings.position_embeddings": 0}),
}


def test_each_layer_of_the_backbone_learns_as_slowly_as_published(folder):
    model = loaded(folder)
    config = TrainConfig(lr=1e-3, lr_backbone=1e-2, lr_head=1e-3, freeze="none", layer_decay=0.8)
    names = {id(parameter): name for name, parameter in model.inner.named_parameters()}
    rates = {names[id(p)]: group["lr"] for group in parameter_groups(model, config) for p in group["params"]}
    layers, others = PUBLISHED[model.model_type]
    numbers = {f"encoder.layer.{n}.": n + 1 for n in range(4)} | others
    of_backbone = {name: rate for name, rate in rates.items() if name.startswith("model.backbone.backbone.")}
    for start, number in numbers.items():
        matching = [rate for name, rate in of_backbone.items() if name.startswith(f"model.backbone.backbone.{start}")]
        assert matching and all(rate == pytest.approx(1e-2 * 0.8 ** (layers + 1 - number)) for rate in matching), start
    assert {rate for name, rate in rates.items() if name not in of_backbone} == {1e-3}
    assert model.part_of("model.backbone.projector.layer_norm.weight") == "transformer"


def test_what_embeds_a_picture_is_the_stem(folder):
    model = loaded(folder)
    parameter_groups(model, TrainConfig(freeze="stem"))
    frozen = {name for name, p in model.inner.named_parameters() if not p.requires_grad}
    assert frozen and all(name.startswith("model.backbone.backbone.embeddings.") for name in frozen)


def test_too_small_a_picture_is_told(folder):
    model = loaded(folder)
    side = model.smallest_side
    with torch.no_grad():
        model(torch.zeros(1, 3, side, side, dtype=torch.uint8))
    model.inner.model.num_queries = model.inner.config.num_queries = 1000
    with pytest.raises(ConfigError, match="fewer places than the 1000 boxes"):
        model(torch.zeros(1, 3, side, side, dtype=torch.uint8))


@pytest.mark.parametrize("windows", [1, 2])
def test_a_place_sees_what_the_last_attention_beyond_windows_says(folder, windows, tmp_path):
    """Token by token, against transformers' own order of windows."""
    kind = loaded(folder).model_type
    config = small_config(kind)
    config.backbone_config.num_windows = windows if kind == "rf_detr" else windows**2
    config.backbone_config.num_windows_side = windows
    FAMILIES[kind].model_class(config).save_pretrained(tmp_path)
    model, side = loaded(tmp_path), 8  # places along each side of 64 pixels
    vit, weights = model.backbone, []
    attention = vit.encoder.layer[2].attention  # of the layers below the last map the one that looks at all
    hook = attention.register_forward_hook(lambda _, __, output: weights.append(output[1]))
    with torch.no_grad(), model.record_attention() as record:
        model(batch_of((1,))["pixel_values"][:, :, :64, :64])
    hook.remove()
    order = [
        [(row, column) for row in range(y, y + side // windows) for column in range(x, x + side // windows)]
        for y in range(0, side, side // windows)
        for x in range(0, side, side // windows)
    ]
    tokens = [place for window in order for place in [None] * (kind == "rf_detr") + window]
    scale = 1 if kind == "rf_detr" else 2  # cells of the decoder's finest map for each place
    seen = weights[0][0].mean(0)
    for row, column in ((0, 0), (5, 2), (7, 7)):
        shown = record.encoder_map((row * scale * side + column) * scale)
        expected = torch.zeros(side, side)
        for token, place in enumerate(tokens):
            if place is not None:
                expected[place] = seen[tokens.index((row, column)), token]
        for y in range(scale):
            torch.testing.assert_close(shown[y::scale, y::scale], expected)


def test_where_no_layer_looks_beyond_its_window_a_place_sees_its_window(tmp_path):
    config = small_config("lw_detr")
    config.backbone_config.window_block_indices = [0, 1, 2, 3]
    FAMILIES["lw_detr"].model_class(config).save_pretrained(tmp_path)
    model = loaded(tmp_path)
    with torch.no_grad(), model.record_attention() as record:
        model(batch_of((1,))["pixel_values"][:, :, :64, :64])
    shown = record.encoder_map(15)  # of 16 cells in a row
    assert shown[:8, 8:].min() > 0 and shown[:8, :8].max() == shown[8:].max() == 0


@pytest.mark.few(1)
def test_one_batch_is_learned_and_half_precision_answers_in_float32(folder):
    batch = batch_of((2, 3))
    model = loaded(folder).train()
    config = model.loss_config
    rate = 3e-3
    groups = parameter_groups(model, TrainConfig(lr=rate, lr_backbone=rate / 10, lr_head=rate, freeze="none"))
    optimizer, normalizers = torch.optim.AdamW(groups), LossNormalizers.of(batch["labels"], QUERIES, config)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = total(set_losses(forward(model, batch, CPU), batch["labels"], normalizers, config), config)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0], losses
    with torch.no_grad():
        half = forward(model, batch, CPU, "bf16")
    tensors = [half.logits, half.boxes, half.before.logits, half.before.boxes]
    assert all(one.dtype == torch.float32 for one in tensors) and half.groups == GROUPS


@pytest.mark.parametrize("kind", WINDOWED)
def test_weights_are_saved_under_the_names_of_the_publication(kind, tmp_path):
    """And both are read: these, and transformers' own."""
    original = FAMILIES[kind].model_class.from_pretrained(released(kind, tmp_path / "one"))
    original.save_pretrained(tmp_path / "two", save_original_format=False)
    one, two = loaded(tmp_path / "one"), loaded(tmp_path / "two")
    assert list(one.inner.state_dict()) == list(two.inner.state_dict())
    for ours, theirs in zip(one.inner.parameters(), two.inner.parameters(), strict=True):
        assert torch.equal(ours, theirs)

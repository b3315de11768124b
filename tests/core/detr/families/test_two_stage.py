"""Deformable DETR in two stages: the encoder's class head says where an object is, whatever the classes are."""

import copy

import pytest
import torch

from core import ConfigError
from core.config import TrainConfig
from core.detr.detect import LossSums, forward
from core.detr.losses import LossNormalizers, set_losses, total
from core.detr.matching import Layers
from core.detr.model import FAMILIES, load_model, parameter_groups, save_model
from core.labels import LabelMap
from tests.core.detr.released import TEN, small_config

CPU = torch.device("cpu")
SHUFFLED = LabelMap(("dog", "scooter", "person"), (18, 200, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A released model in two stages, with boxes refined, as SenseTime/deformable-detr-with-box-refine-two-stage."""
    config = small_config("deformable_detr")
    config.two_stage = config.with_box_refine = True
    config.two_stage_num_proposals = config.num_queries
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = FAMILIES["deformable_detr"].model_class(config)
        for output in model.class_embed:  # as after a training: rows that differ, and in each layer
            torch.nn.init.normal_(output.weight)
            torch.nn.init.normal_(output.bias)
        path = tmp_path_factory.mktemp("two-stage")
        model.save_pretrained(path)
    return path


@pytest.fixture
def batch():
    random = torch.Generator().manual_seed(3)
    boxes = torch.tensor([[0.3, 0.4, 0.2, 0.3], [0.7, 0.6, 0.3, 0.2]])
    labels = [{"class_labels": torch.tensor(rows), "boxes": boxes[: len(rows)]} for rows in ([2, 1], [0])]
    pixels = torch.randint(256, (2, 3, 64, 96), generator=random, dtype=torch.uint8)
    return {"pixel_values": pixels, "padded": False, "labels": labels,
            "pixel_mask": torch.ones(2, 64, 96, dtype=torch.bool)}  # fmt: skip


def answer(model, batch):
    with torch.no_grad():
        return forward(model.eval(), batch, CPU)


@pytest.mark.parametrize("labels", [TEN, SHUFFLED])
def test_the_proposals_and_the_known_classes_stay_as_they_were(folder, batch, labels):
    original = FAMILIES["deformable_detr"].model_class.from_pretrained(folder).eval()
    model, head = load_model(str(folder), labels)
    with torch.no_grad():
        expected = original(pixel_values=model.normalize(batch["pixel_values"]))
    layers = answer(model, batch)
    known = [row for row, name in enumerate(labels.names) if name in head.copied]
    ids = [labels.category_ids[row] for row in known]
    torch.testing.assert_close(layers.logits[-1][..., known], expected.logits[..., ids])
    torch.testing.assert_close(layers.boxes[-1], expected.pred_boxes)
    torch.testing.assert_close(layers.proposals.logits[0][..., 0], expected.enc_outputs_class[..., 0])
    assert layers.proposals.logits.shape[-1] == len(labels)


def test_making_the_head_over_again_and_saving_keep_them_too(folder, batch, tmp_path):
    model, _ = load_model(str(folder), SHUFFLED)
    save_model(model, SHUFFLED, tmp_path)
    again, head = load_model(str(tmp_path), LabelMap(("person", "dog"), (1, 18)))
    assert head.fresh == ()
    first, second = answer(model, batch), answer(again, batch)
    torch.testing.assert_close(second.boxes, first.boxes)
    torch.testing.assert_close(second.logits, first.logits[..., [2, 0]])
    torch.testing.assert_close(second.proposals.logits[..., 0], first.proposals.logits[..., 0])
    assert again.inner.model.decoder.class_embed is again.inner.class_embed
    copied = copy.deepcopy(again)
    torch.testing.assert_close(answer(copied, batch).boxes, second.boxes)


def test_the_encoder_learns_where_objects_are_of_whatever_class(folder, batch):
    """Source: Deformable-DETR, SetCriterion.forward: the encoder's answers against the same boxes, all of class 0."""
    model, _ = load_model(str(folder), SHUFFLED)
    config = model.loss_config
    layers = forward(model.train(), batch, CPU)
    normalizers = LossNormalizers.of(batch["labels"], model.num_queries, config)
    losses = set_losses(layers, batch["labels"], normalizers, config)
    assert {len(losses[name]) for name in config.names} == {1 + model.num_layers} == {4}
    objects = [{**target, "class_labels": torch.zeros_like(target["class_labels"])} for target in batch["labels"]]
    alone = set_losses(Layers(layers.proposals.logits, layers.proposals.boxes), objects, normalizers, config)
    rest = set_losses(Layers(layers.logits, layers.boxes), batch["labels"], normalizers, config)
    for name in config.names:
        torch.testing.assert_close(losses[name], torch.cat([alone[name][1:], rest[name][1:]]))
    total(losses, config).backward()
    row = model.inner.class_embed[-1].weight.grad[0]
    assert row.abs().max() > 0 and model.inner.model.enc_output.weight.grad.abs().max() > 0


def test_its_loss_counts_in_an_evaluation_and_its_last_layer_stays_the_last(folder, batch):
    model, _ = load_model(str(folder), SHUFFLED)
    layers, sums = answer(model, batch), LossSums(model.loss_config)
    sums.add(layers, batch["labels"])
    losses = set_losses(layers, batch["labels"], sums.normalizers, model.loss_config)
    values = sums.values()
    assert values["loss"] == pytest.approx(float(total(losses, model.loss_config)), rel=1e-5)
    assert values["loss_ce"] == pytest.approx(float(losses["loss_ce"][-1]), rel=1e-5)


def test_every_parameter_learns_once(folder):
    model, _ = load_model(str(folder), SHUFFLED)
    groups = parameter_groups(model, TrainConfig(freeze="none"))
    ours = [id(p) for group in groups for p in group["params"]]
    assert sorted(ours) == sorted(id(p) for p in model.parameters())
    assert model.part_of("model.decoder.class_embed.3.weight") == "head"


def test_pictures_with_fewer_places_than_proposals_are_a_sentence(folder, batch):
    model, _ = load_model(str(folder), SHUFFLED)
    assert model.num_queries == 12
    model.inner.config.two_stage_num_proposals = 10_000
    with pytest.raises(ConfigError, match="fewer places than the 10000 boxes"):
        answer(model, batch)

"""D-FINE: its losses over the matches of all answers united, its edges' gradients, and what of it never learns."""

from contextlib import closing
from dataclasses import replace

import pytest
import torch
from transformers.loss.loss_d_fine import DFineLoss

from core.config import TrainConfig
from core.detr.detect import forward
from core.detr.input.batch import split_batch
from core.detr.losses import LossNormalizers, set_losses, total
from core.detr.matching import Targets, match, unite
from core.detr.model import FAMILIES, load_model
from core.training.distributed import ProcessGroup
from core.training.events import StepDone
from core.training.step import Stepper
from core.training.train import train
from tests.core.detr.families.test_rt_detr import answers, batch_of
from tests.core.detr.released import TEN, released, small_config

CPU = torch.device("cpu")
QUERIES = 12


def distributed(kind, folder):
    """A folder with a model as after a training: edges are distributed, and each layer's class output is its own."""
    torch.manual_seed(1)
    model = FAMILIES[kind].model_class(small_config(kind))
    for name, parameter in model.named_parameters():
        if any(head in name for head in ("bbox", "lqe", "class_embed", "score")):
            torch.nn.init.normal_(parameter, std=0.15)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return distributed("d_fine", tmp_path_factory.mktemp("released"))


@pytest.fixture
def model(folder):
    return load_model(str(folder), TEN)[0].train()


def losses_of(model, layers, batch, normalizers=None):
    config = model.loss_config
    normalizers = normalizers or LossNormalizers.of(batch["labels"], QUERIES, config)
    return set_losses(layers, batch["labels"], normalizers, config)


def by_image(matches, answer, counts):
    """Matches of one answer as transformers has them: the queries and objects of each image."""
    first, pairs = 0, []
    for count in counts:
        kept = (matches.layer == answer) & (matches.target >= first) & (matches.target < first + count)
        pairs.append((matches.query[kept], matches.target[kept] - first))
        first += count
    return pairs


@pytest.mark.parametrize("counts", [(3, 1), (0, 4), (14, 2)])
def test_losses_are_transformers_parts_put_together_as_published(model, counts):
    """Source: Peterande/D-FINE, dfine_criterion.py, DFINECriterion.forward; the parts are transformers' own."""
    batch = batch_of(counts)
    layers = answers(model, batch)
    ours = losses_of(model, layers, batch)
    criterion, boxes = DFineLoss(model.inner.config), max(sum(counts), 1)
    criterion.num_classes = 10
    targets, every = Targets.of(batch["labels"], CPU), layers.every
    matches = match(every, targets, model.loss_config)
    united = by_image(unite(matches, counts, 5), 0, counts)
    expected, pairs = [], sum(len(queries) for queries, _ in united)
    for answer in range(5):  # the encoder's, the first box head's, three layers'
        outputs = {"logits": every.logits[answer], "pred_boxes": every.boxes[answer]}
        parts = criterion.loss_labels_vfl(outputs, batch["labels"], by_image(matches, answer, counts), boxes)
        parts |= criterion.loss_boxes(outputs, batch["labels"], united, pairs)
        if answer > 1:
            outputs |= {"pred_corners": layers.corners[answer - 2], "ref_points": layers.references,
                     "teacher_corners": layers.corners[-1], "teacher_logits": layers.logits[-1]}  # fmt: skip
            parts |= criterion.loss_local(outputs, batch["labels"], united, pairs)
        expected.append(parts)
    for name, _, _ in model.loss_config.terms:
        torch.testing.assert_close(ours[name][1:], torch.stack([one[name] for one in expected[2:]]))
    assert ours["loss_ddf"][-1] == 0 < ours["loss_ddf"][1]
    early = losses_of(model, replace(layers, denoising=None), batch)
    for name in ("loss_vfl", "loss_bbox", "loss_giou"):
        torch.testing.assert_close(early[name][0], expected[0][name] + expected[1][name])
    assert early["loss_fgl"][0] == early["loss_ddf"][0] == 0


def test_denoising_queries_learn_edges_from_their_own_objects(model):
    batch = batch_of((3, 1))
    layers = answers(model, batch)
    noised, criterion = layers.denoising.layers, DFineLoss(model.inner.config)
    objects = [torch.arange(count).repeat(layers.denoising.groups) for count in (3, 1)]
    pairs = list(zip(layers.denoising.positives, objects, strict=True))
    parts = [
        criterion.loss_local(
            {"logits": noised.logits[n], "pred_boxes": noised.boxes[n], "pred_corners": noised.corners[n],
             "ref_points": noised.references, "teacher_corners": noised.corners[-1],
             "teacher_logits": noised.logits[-1]},
            batch["labels"], pairs, 4 * layers.denoising.groups,
        )["loss_fgl"]
        for n in range(3)
    ]  # fmt: skip
    torch.testing.assert_close(losses_of(model, layers, batch)["loss_fgl"][0], torch.stack(parts).sum())
    assert losses_of(model, layers, batch)["loss_ddf"][0] > 0


def test_without_objects_only_classes_and_distillation_are_learned(model):
    batch = batch_of((0, 0))
    layers = answers(model, batch)
    losses = losses_of(model, layers, batch)
    assert layers.denoising is None and torch.isfinite(total(losses, model.loss_config))
    assert not any(losses[name].any() for name in ("loss_bbox", "loss_giou", "loss_fgl"))
    assert losses["loss_vfl"].all() and losses["loss_ddf"][1:3].all()


def test_of_a_step_in_parts_the_class_losses_are_exact_and_the_others_near(model):
    batch = batch_of((3, 1))
    model.eval()
    whole = losses_of(model, model(batch["pixel_values"]), batch)
    normalizers = LossNormalizers.of(batch["labels"], QUERIES, model.loss_config)
    parts = [losses_of(model, model(part["pixel_values"]), part, normalizers) for part in split_batch(batch, 1)]
    for name, tolerance in (("loss_vfl", 1e-5), ("loss_bbox", 0.2), ("loss_giou", 0.2), ("loss_ddf", 0.2)):
        torch.testing.assert_close(sum(part[name] for part in parts), whole[name], rtol=tolerance, atol=1e-5)


def test_a_layers_box_teaches_the_edges_of_all_layers_before_but_not_the_first_box(model):
    layers = model(batch_of((2,))["pixel_values"])
    decoder = model.inner.model.decoder
    biases = [*(head.layers[-1].bias for head in decoder.bbox_embed), decoder.pre_bbox_head.layers[-1].bias]
    for layer in range(3):
        gradients = torch.autograd.grad(layers.boxes[layer].sum(), biases, retain_graph=True, allow_unused=True)
        assert [one is not None and bool(one.any()) for one in gradients] == [n <= layer for n in range(3)] + [False]
    assert torch.autograd.grad(layers.before.boxes[1].sum(), biases[-1])[0].any()


def test_every_layer_answers_in_an_evaluation_as_in_a_training(model):
    batch = batch_of((2, 1))
    with torch.no_grad():
        model.inner.model.eval()
        decoder, pixels = model.inner.model.decoder, model.normalize(batch["pixel_values"])
        decoder.training = True  # then transformers' answers for each layer
        decoded = model.inner.model(pixels)
        decoder.training = False
        layers = model(batch["pixel_values"])
    torch.testing.assert_close(layers.logits, decoded.intermediate_logits[:, 1:].transpose(0, 1))
    torch.testing.assert_close(layers.boxes, decoded.intermediate_reference_points[:, 1:].transpose(0, 1))
    torch.testing.assert_close(layers.before.logits[1], decoded.intermediate_logits[:, 0])
    torch.testing.assert_close(layers.before.boxes[1], decoded.intermediate_reference_points[:, 0])


def test_heads_are_computed_in_float32(model):
    batch = batch_of((2, 1))
    with torch.no_grad():
        layers = forward(model.eval(), batch, CPU, "bf16")
    parts = (layers.logits, layers.boxes, layers.corners, layers.references, layers.before.boxes)
    assert {part.dtype for part in parts} == {torch.float32}
    boxes = layers.boxes.to(torch.bfloat16).float()
    assert (boxes != layers.boxes).float().mean() > 0.9  # no numbers of bfloat16


def stepper_of(folder):
    config = TrainConfig(
        lr=2e-3, lr_backbone=1e-3, lr_head=2e-3, freeze="none", dropout=0.0, batch_size=2, weight_decay=0.1, ema=0.5
    )
    torch.manual_seed(0)
    return Stepper(load_model(str(folder), TEN)[0].train(), config, 100, CPU, ProcessGroup())


def test_it_learns_and_constants_stay(tmp_path):
    stepper, batch = stepper_of(released("d_fine", tmp_path)), batch_of((2, 1))
    losses = [stepper.step(step, [batch]) for step in range(40)]
    assert losses[-1]["train/loss"] < 0.7 * losses[0]["train/loss"]
    assert all(losses[-1][f"train/{name}"] < losses[0][f"train/{name}"] for name in ("loss_bbox", "loss_giou"))
    assert {"train/loss_vfl", "train/loss_fgl", "train/loss_ddf"} <= set(losses[0])
    for model in (stepper.model, stepper.average):
        decoder = model.inner.model.decoder
        assert (decoder.reg_scale, decoder.up) == (4.0, 0.5)
        assert not decoder.reg_scale.requires_grad and not decoder.up.requires_grad


def test_stopped_and_resumed_it_goes_on_bit_for_bit(street, tmp_path):
    config = TrainConfig(
        data=str(street), model=str(released("d_fine", tmp_path / "model")), epochs=2, batch_size=4, lr=1e-3, ema=0.5,
        lr_backbone=1e-4, lr_head=1e-3, shortest_edge=96, longest_edge=96, square=True, workers=0, device="cpu",
        seed=5, freeze="none", dropout=0.0,
    )  # fmt: skip
    whole, stopped = list(train(config, tmp_path / "whole")), []
    with closing(train(config, tmp_path / "stopped")) as running:
        for progress in running:
            stopped.append(progress)
            if isinstance(progress, StepDone) and progress.step == 4:
                break
    stopped.extend(train(config, tmp_path / "stopped", resume=True))
    first, second = (
        [(p.step, p.metrics["train/loss"], p.metrics["train/loss_ddf"]) for p in events if isinstance(p, StepDone)]
        for events in (whole, stopped)
    )
    assert len(first) == 6 and first == second
    weights = [(tmp_path / name / "last/model.safetensors").read_bytes() for name in ("whole", "stopped")]
    assert weights[0] == weights[1]


def test_head_is_made_over_by_name(folder):
    model, head = load_model(str(folder), TEN)
    original = FAMILIES["d_fine"].model_class.from_pretrained(folder)
    rows = [next(r for r, n in original.config.id2label.items() if n == name) for name in TEN.names]
    assert head.fresh == ()
    ours, theirs = model.inner.model, original.model
    for n in range(3):
        assert torch.equal(ours.decoder.class_embed[n].weight, theirs.decoder.class_embed[n].weight[rows])
    assert torch.equal(ours.enc_score_head.weight, theirs.enc_score_head.weight[rows])
    assert torch.equal(ours.denoising_class_embed.weight, theirs.denoising_class_embed.weight[[*rows, 80]])

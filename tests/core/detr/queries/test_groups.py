"""Groups of queries: the first answers as if there were no other, each learns by itself, nothing of them is left."""

from dataclasses import replace

import pytest
import torch

from core import ConfigError
from core.config import TrainConfig
from core.detr.class_loss import CrossEntropy, FocalLoss
from core.detr.input.batch import Collator
from core.detr.losses import LossNormalizers, set_losses, total
from core.detr.matching import Layers, LossConfig
from core.detr.model import FAMILIES, load_model, save_model, use_query_groups
from core.detr.queries.groups import NOISE, QueryGroups, QueryInputs
from core.training.distributed import ProcessGroup
from core.training.step import Stepper
from tests.core.detr.released import TEN, released, small_config

CPU = torch.device("cpu")
ABLE = [kind for kind, family in FAMILIES.items() if family.query_inputs]
WITH_THEIR_OWN = ["rf_detr", "lw_detr", "yolos"]
VARIANTS = [*ABLE, "deformable_detr in two stages", "deformable_detr that refines", "dab-detr with patterns"]


def batch_of(counts, seed=0):
    """A batch with so many objects in each of its images, all of one size."""
    random = torch.Generator().manual_seed(seed)
    samples = [
        {
            "pixel_values": torch.randint(256, (3, 96, 96), generator=random, dtype=torch.uint8),
            "labels": {
                "class_labels": torch.randint(10, (count,), generator=random),
                "boxes": torch.rand(count, 4, generator=random) * 0.4 + 0.3,
            },
            "image_id": image,
            "size": (96, 96),
        }
        for image, count in enumerate(counts)
    ]
    return Collator()(samples)


@pytest.fixture(scope="module", params=VARIANTS)
def model(request):
    """In training, without dropout, of weights with which queries differ in what they answer."""
    kind, _, variant = request.param.partition(" ")
    config = small_config(kind)
    config.dropout = config.attention_dropout = config.activation_dropout = 0.0
    if variant == "in two stages":
        config.two_stage = config.with_box_refine = True
        config.two_stage_num_proposals = 12
    if variant == "that refines":
        config.with_box_refine = True
    if variant == "with patterns":
        config.num_patterns = 2
    with torch.random.fork_rng():
        torch.manual_seed(1)
        inner = FAMILIES[kind].model_class(config)
        for name, parameter in inner.named_parameters():
            if parameter.ndim > 1 and "backbone" not in name:
                torch.nn.init.normal_(parameter, std=0.15)
    model = FAMILIES[kind](inner).train()
    model.replace_head(TEN)
    return model


def answers(model, batch, count=1, seed=0) -> Layers:
    """What it says in training with so many groups; of noised objects the same each time."""
    model.groups = QueryGroups(count, model.num_queries, seed) if count > 1 else None
    try:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return model(batch["pixel_values"], None, batch["labels"])
    finally:
        model.groups = None


def group(layers: Layers, number: int) -> Layers:
    size = layers.boxes.shape[2] // layers.groups
    return layers.queries(slice(number * size, (number + 1) * size))


def same(one: Layers, other: Layers) -> bool:
    return all(torch.allclose(a, b, atol=1e-6) for a, b in ((one.logits, other.logits), (one.boxes, other.boxes)))


@pytest.mark.parametrize("counts", [(3, 1), (0, 0)])
def test_the_first_group_answers_as_without_the_others_which_answer_otherwise(model, counts):
    batch = batch_of(counts)
    alone, three, reseeded = (answers(model, batch, *way) for way in ((1,), (3, 0), (3, 1)))
    assert alone.groups == 1 and three.groups == 3 and three.boxes.shape[2] == 3 * model.num_queries
    for layers in (three, reseeded):  # so the noise of the copies does not reach it
        assert same(group(layers, 0).every, alone.every)
        assert (layers.denoising is None) == (alone.denoising is None)
        if alone.denoising:
            assert same(layers.denoising.layers.every, alone.denoising.layers.every)
    groups = [group(three, 0), group(three, 1), group(three, 2), group(reseeded, 1)]
    assert not any(same(groups[a], groups[b]) for a in range(4) for b in range(a))
    assert same(answers(model, batch, 3), three)


def test_copies_teach_the_models_own_weights(model):
    queries = [p for name, p in model.inner.named_parameters() if "query_" in name and "_embeddings" in name]
    layers = answers(model, batch_of((3, 1)), 2)
    learning = [parameter for parameter in model.inner.parameters() if parameter.requires_grad]
    copies = group(layers, 1)
    gradients = torch.autograd.grad(copies.boxes.sum() + copies.logits.square().sum(), learning, allow_unused=True)
    by_parameter = dict(zip(map(id, learning), gradients, strict=True))
    assert all(by_parameter[id(one)].abs().sum() > 0 for one in queries)
    by_encoder = getattr(model.inner.config, "two_stage", False) or "denoising" in str(model.inner.config)
    assert bool(queries) != by_encoder
    assert sum(gradient is not None for gradient in gradients) > len(learning) / 2


def test_losses_and_gradients_are_finite_and_of_one_groups_scale(model):
    batch, config = batch_of((3, 1)), model.loss_config
    values = []
    for count in (1, 4):
        layers = answers(model, batch, count)
        normalizers = LossNormalizers.of(batch["labels"], model.num_queries, config).of_groups
        losses = set_losses(layers, batch["labels"], normalizers, config)
        whole = total(losses, config)
        gradients = torch.autograd.grad(whole, [*model.inner.parameters()], allow_unused=True)
        assert all(torch.isfinite(gradient).all() for gradient in gradients if gradient is not None)
        values.append((float(whole.detach()), losses["miscounted"][1:].tolist(), losses["right"][1:].tolist()))
    (one, *counts), (four, *counts_of_four) = values
    assert 0.8 * one < four < 1.25 * one
    assert counts == counts_of_four  # the first group's


@pytest.mark.parametrize("class_loss", [CrossEntropy(0.1), FocalLoss(0.25)])
@pytest.mark.parametrize("counts", [(3, 0, 2), (0, 0), (9, 1)])
def test_the_losses_of_groups_are_the_mean_of_each_groups_own(class_loss, counts):
    random, queries = torch.Generator().manual_seed(0), 7
    shape = (2, len(counts), 3 * queries)
    logits = torch.randn(*shape, 4 + class_loss.has_no_object, generator=random)
    layers = Layers(logits, torch.rand(*shape, 4, generator=random) * 0.5 + 0.2, groups=3)
    labels = [
        {
            "class_labels": torch.randint(4, (count,), generator=random),
            "boxes": torch.rand(count, 4, generator=random) * 0.5 + 0.2,
        }
        for count in counts
    ]
    config = LossConfig(1, 5, 2, 1, 5, 2, class_loss)
    normalizers = LossNormalizers.of(labels, queries, config).of_groups
    each = [set_losses(group(layers, number), labels, normalizers, config) for number in range(3)]
    for name, losses in set_losses(layers, labels, normalizers, config).items():
        values = [one[name] for one in each]
        expected = torch.stack(values).mean(0) if name in config.names else values[0]
        torch.testing.assert_close(losses, expected)


@pytest.mark.parametrize("kind", ["detr", "deformable_detr", "dab-detr"])
def test_a_step_in_parts_is_the_step_of_the_whole_batch(kind, tmp_path):
    batch, parts = batch_of((3, 1, 0, 2)), [batch_of((3, 1)), batch_of((0, 2))]
    pixels, labels = batch["pixel_values"], batch["labels"]
    for number, part in enumerate(parts):
        images = slice(2 * number, 2 * number + 2)
        part |= {"pixel_values": pixels[images], "labels": labels[images]}
    config = TrainConfig(lr=1e-3, lr_backbone=1e-4, lr_head=1e-3, dropout=0.0, device="cpu", query_groups=3)
    metrics = []
    for batches in ([batch], parts):
        model, _ = load_model(str(released(kind, tmp_path / str(len(batches)))), TEN, 0.0)
        use_query_groups(model.train(), config.query_groups, config.seed)
        stepper = Stepper(model, config, 100, CPU, ProcessGroup())
        metrics.append([stepper.step(number, batches) for number in range(2)])
    for one, cut in zip(*metrics, strict=True):
        assert cut == pytest.approx(one, rel=1e-4)


@pytest.mark.parametrize("kind", ["detr", "deformable_detr"])
def test_without_objects_a_step_of_groups_has_one_groups_loss(kind, tmp_path):
    config = TrainConfig(dropout=0.0, device="cpu")
    losses = []
    for count in (1, 4):
        model, _ = load_model(str(released(kind, tmp_path / str(count))), TEN, 0.0)
        use_query_groups(model.train(), count, 0)
        stepper = Stepper(model, config, 100, CPU, ProcessGroup())
        losses.append(stepper.step(0, [batch_of((0, 0))])["train/loss"])
    assert losses[1] == pytest.approx(losses[0], rel=0.05)


def test_in_half_precision_copies_are_of_the_queries_type(model):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layers = answers(model, batch_of((2,)), 2)
    assert layers.boxes.dtype == layers.logits.dtype == torch.float32 and torch.isfinite(layers.boxes).all()


@pytest.mark.few(3)
@pytest.mark.parametrize("kind", ABLE)
def test_evaluation_and_checkpoint_know_nothing_of_groups(kind, tmp_path):
    plain, _ = load_model(str(released(kind, tmp_path / "model")), TEN, 0.0)
    model, _ = load_model(str(tmp_path / "model"), TEN, 0.0)
    batch = batch_of((2, 1))
    use_query_groups(model, 3, 0)
    with torch.no_grad():
        assert model.train()(batch["pixel_values"], None, batch["labels"]).groups == 3
        plain.inner.load_state_dict(model.inner.state_dict())  # batch norms have seen something
        layers, expected = model.eval()(batch["pixel_values"]), plain.eval()(batch["pixel_values"])
    equal = torch.equal(layers.boxes, expected.boxes) and torch.equal(layers.logits, expected.logits)
    assert layers.groups == 1 and equal
    assert list(model.state_dict()) == list(plain.state_dict())
    save_model(model, TEN, tmp_path / "saved")
    again, _ = load_model(str(tmp_path / "saved"), TEN)
    assert list(again.inner.state_dict()) == list(plain.inner.state_dict()) and again.groups is None


def test_a_pass_that_fails_leaves_the_model_as_it_was(tmp_path):
    model, _ = load_model(str(released("detr", tmp_path)), TEN, 0.0)
    use_query_groups(model.train(), 3, 0)
    attention = model.inner.model.decoder.layers[0].self_attn
    model.inner.model.decoder.layernorm.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model(batch_of((1,))["pixel_values"])
    assert "forward" not in vars(attention) and not model.inner.model.decoder._forward_pre_hooks


def test_the_noise_is_a_share_of_how_much_queries_differ_whatever_the_batch():
    spread = torch.tensor([0.0, 1.0, 10.0, 100.0])
    queries = torch.randn(1, 500, 4, generator=torch.Generator().manual_seed(0)) * spread + 7
    groups, inputs = QueryGroups(3, 500, 0), QueryInputs(("queries",), same=("places",))
    given = {"queries": torch.cat([queries, queries * 2]), "places": torch.rand(2, 500, 4), "others": None}
    multiplied = groups.multiply(given, inputs)
    assert set(multiplied) == {"queries", "places"}
    assert torch.equal(multiplied["queries"][:, :500], given["queries"])
    assert torch.equal(multiplied["places"], given["places"].repeat(1, 3, 1))
    apart = (multiplied["queries"][:, 500:1000] - given["queries"]).std(1)
    torch.testing.assert_close(apart[0], NOISE * spread, rtol=0.2, atol=0)
    torch.testing.assert_close(apart[1], 2 * apart[0])
    alone = groups.multiply({name: given[name][:1] for name in multiplied}, inputs)
    assert torch.equal(alone["queries"], multiplied["queries"][:1])
    assert not torch.equal(replace(groups, seed=1).multiply(given, inputs)["queries"], multiplied["queries"])


@pytest.mark.parametrize("kind", WITH_THEIR_OWN)
def test_a_family_that_cannot_have_them_says_which_can(kind, tmp_path):
    assert set(ABLE) | set(WITH_THEIR_OWN) == set(FAMILIES)
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    use_query_groups(model, 1, 0)
    with pytest.raises(ConfigError) as error:
        use_query_groups(model, 2, 0)
    assert kind in str(error.value) and all(able in str(error.value) for able in ABLE) and model.groups is None

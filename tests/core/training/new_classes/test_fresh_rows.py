"""The rows of fresh classes learn at their own rate, and nothing else does."""

from dataclasses import replace

import pytest
import torch

from core.config import TrainConfig
from core.datasets.split import read_split
from core.detr.input.batch import Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.model import FAMILIES, load_model
from core.training.distributed import ProcessGroup
from core.training.new_classes.fresh_rows import FreshRows
from core.training.step import Stepper
from tests.core.detr.released import TEN, released, small_config

CONFIG = TrainConfig(
    lr=1e-4, lr_backbone=1e-5, lr_head=1e-4, lr_fresh=1e-3, weight_decay=0.1, dropout=0.0, freeze="none", device="cpu"
)
FRESH = (2, 5)


@pytest.fixture
def samples(street):
    data = DetectionDataset(read_split(street, "train"), TEN, 72, 96)
    return [data[i] for i in range(2)]


def weights_after(samples, path, rows, **changes):
    """The weights before and after one step."""
    torch.manual_seed(0)
    model, _ = load_model(str(path), TEN, 0.0)
    before = {name: value.clone() for name, value in model.inner.state_dict().items()}
    run = Stepper(model, replace(CONFIG, **changes), 10, torch.device("cpu"), ProcessGroup(), (), rows)
    run.step(0, [Collator()(samples)])
    return before, model.inner.state_dict()


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_fresh_row_makes_the_step_of_its_rate_and_all_else_that_of_its_own(samples, kind, tmp_path):
    path = released(kind, tmp_path / "model")
    before, plain = weights_after(samples, path, (), lr_fresh=0.0)
    _, after = weights_after(samples, path, FRESH)
    _, fast = weights_after(samples, path, (), lr_fresh=0.0, lr_head=1e-3)
    changed = {name for name in plain if not torch.equal(plain[name], after[name])}
    assert changed and all("class" in name or "score" in name for name in changed)
    for name in changed:
        known = [row for row in range(len(plain[name])) if row not in FRESH]
        assert torch.equal(after[name][known], plain[name][known])
        assert not torch.equal(before[name][list(FRESH)], after[name][list(FRESH)])
        # as if all of the heads had that rate, decay included
        torch.testing.assert_close(after[name][list(FRESH)], fast[name][list(FRESH)], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("rows", "changes"), [(FRESH, {"lr_fresh": 0.0}), ((), {}), (FRESH, {"lr_fresh": 1e-4}), (FRESH, {"lr_head": 0.0})]
)
def test_without_fresh_classes_or_a_rate_of_theirs_every_step_is_as_it_was(samples, rows, changes, tmp_path):
    path = released("detr", tmp_path / "model")
    _, expected = weights_after(samples, path, (), **{**changes, "lr_fresh": 0.0})
    _, after = weights_after(samples, path, rows, **changes)
    assert all(torch.equal(expected[name], after[name]) for name in expected)


def test_the_row_that_says_whether_there_is_an_object_is_no_class(tmp_path):
    config = small_config("deformable_detr")
    config.two_stage = config.with_box_refine = True
    config.two_stage_num_proposals = config.num_queries
    FAMILIES["deformable_detr"].model_class(config).save_pretrained(tmp_path)
    model, _ = load_model(str(tmp_path), TEN, 0.0)
    outputs = list(model.inner.class_embed)
    before = [output.weight.detach().clone() for output in outputs]
    with FreshRows(model, (0,), CONFIG).at_their_rate(), torch.no_grad():
        for output in outputs:
            output.weight += 1.0
    moved = [(output.weight - start)[0, 0].item() for output, start in zip(outputs, before, strict=True)]
    assert moved == pytest.approx([10.0] * (len(moved) - 1) + [1.0], rel=1e-4)  # the last is the encoder's


def test_a_row_of_no_class_is_refused(tmp_path):
    model, _ = load_model(str(released("detr", tmp_path / "model")), TEN, 0.0)
    FreshRows(model, (len(TEN) - 1,), CONFIG).require_rows()
    with pytest.raises(ValueError, match="none of the model's"):
        FreshRows(model, (len(TEN),), CONFIG).require_rows()

"""How the starter model is made: the dense task's targets and losses, and how the decoder starts."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers.models.detr.modeling_detr import DetrFrozenBatchNorm2d, DetrSinePositionEmbedding

from checkpoints import make_starter
from checkpoints.make_starter import Round
from checkpoints.warm_up import (
    COLUMNS,
    GRID,
    ROWS,
    STRIDE,
    dense_loss,
    dense_targets,
    sine,
    start_decoder,
    swap_norms,
)
from core.datasets.split import read_split
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.model import load_model
from core.detr.model_folder import read_label_map
from core.detr.small import small_detr
from core.labels import COCO_TEN, LabelMap

TEN = LabelMap(tuple(COCO_TEN), tuple(COCO_TEN.values()))
NONE = {"class_labels": torch.empty(0, dtype=torch.int64), "boxes": torch.empty(0, 4)}


@pytest.fixture
def model():
    torch.manual_seed(0)
    return small_detr(TEN).eval()


def places() -> torch.Tensor:
    """The embeddings of all cells, (R·C, 128), as DETR makes them."""
    shape, mask = (1, 128, ROWS, COLUMNS), torch.ones(1, ROWS, COLUMNS)
    made = DetrSinePositionEmbedding(64, normalize=True)(shape=shape, device="cpu", dtype=torch.float32, mask=mask)
    return made.flatten(2)[0].T


def test_an_image_without_objects_wants_nothing_of_any_cell():
    classes, _, weights = dense_targets(NONE, no_object=10)
    assert classes.tolist() == [10] * (ROWS * COLUMNS) and weights.unique().tolist() == [1]


def test_every_object_has_a_cell_and_the_smaller_one_lies_on_top():
    boxes = torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.5, 0.5, 0.2, 0.2], [0.999, 0.999, 0.001, 0.001]])
    classes, wanted, weights = dense_targets({"class_labels": torch.tensor([4, 7, 2]), "boxes": boxes}, no_object=10)
    grid = classes.view(ROWS, COLUMNS)
    assert grid[ROWS // 2, COLUMNS // 2] == 7 and grid[ROWS // 2, 3] == 4 and grid[-1, -1] == 2 and grid[0, 0] == 10
    assert torch.equal(wanted.view(ROWS, COLUMNS, 4)[-1, -1], boxes[2])
    assert weights.view(ROWS, COLUMNS)[-1, -1] == 1 > weights.view(ROWS, COLUMNS)[ROWS // 2, 3]


def test_norms_are_swapped_there_and_back_without_a_trace(model):
    pixels, mask = torch.randint(256, (1, 3, 96, 128), dtype=torch.uint8), torch.ones(1, 96, 128, dtype=torch.bool)
    norm = next(m for m in model.modules() if isinstance(m, DetrFrozenBatchNorm2d))
    norm.running_mean.fill_(0.3)
    with torch.no_grad():
        before = model(pixels, mask).logits
        swap_norms(model.backbone, DetrFrozenBatchNorm2d, nn.BatchNorm2d)
        assert not any(isinstance(m, DetrFrozenBatchNorm2d) for m in model.modules())
        swapped = model.eval()(pixels, mask).logits
        swap_norms(model.backbone, nn.BatchNorm2d, DetrFrozenBatchNorm2d)
        after = model(pixels, mask).logits
    torch.testing.assert_close(swapped, before)
    assert torch.equal(after, before)


def test_places_are_embedded_as_detr_embeds_them():
    x, y = torch.arange(1, COLUMNS + 1) / COLUMNS, torch.arange(1, ROWS + 1) / ROWS
    made = torch.cat([sine(y.repeat_interleave(COLUMNS), 64), sine(x.repeat(ROWS), 64)], dim=1)
    torch.testing.assert_close(made, places(), atol=1e-4, rtol=1e-4)


def test_every_query_first_attends_around_its_own_place(model):
    start_decoder(model)
    model.inner.set_attn_implementation("eager")
    queries = model.inner.model.query_position_embeddings.weight[None]
    empty = torch.zeros(1, ROWS * COLUMNS, 128)  # no image: attention by place alone
    for layer in model.inner.model.decoder.layers:
        _, attention = layer.encoder_attn(
            torch.zeros_like(queries), empty, position_embeddings=queries, encoder_position_embeddings=places()[None]
        )
        peak = attention[0].mean(0).argmax(-1)  # of each query, over heads
        for query, cell in enumerate(peak.tolist()):
            x, y = (query % GRID[0] + 0.5) / GRID[0], (query // GRID[0] + 0.5) / GRID[1]
            assert abs((cell % COLUMNS + 0.5) / COLUMNS - x) <= 1.5 / COLUMNS
            assert abs((cell // COLUMNS + 0.5) / ROWS - y) <= 1.5 / ROWS


def test_the_dense_loss_reaches_backbone_encoder_and_both_heads(model, street):
    split = read_split(street, "val")
    data = DetectionDataset(split, TEN, ROWS * STRIDE, COLUMNS * STRIDE)
    dense_loss(model.requires_grad_(True), next(iter(loader(data, 2)))).backward()
    learned = {name for name, p in model.inner.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    for part in ("model.backbone", "model.encoder", "model.input_projection", "class_labels", "bbox_predictor"):
        assert any(name.startswith(part) for name in learned), part
    assert not any(name.startswith("model.decoder") for name in learned)


@pytest.mark.ci
@pytest.mark.parametrize("name", make_starter.RECIPES)
def test_the_command_goes_through_all_rounds_and_on_from_what_is_there(name, tmp_path, monkeypatch):
    recipe, rounds = make_starter.RECIPES[name], (Round(7, 8, 1, 4, 3e-4), Round(9, 4, 1, 4, 3e-4))
    monkeypatch.setattr(make_starter, "HERE", tmp_path)
    monkeypatch.setattr(make_starter, "WORK", tmp_path / "work")
    monkeypatch.setattr(make_starter, "HELD_OUT", 4)
    monkeypatch.setattr(make_starter, "WARM_UP_STEPS", 3)
    monkeypatch.setitem(make_starter.RECIPES, name, replace(recipe, rounds=rounds))
    starter = tmp_path / recipe.folder
    make_starter.main([name])
    record = json.loads((starter / "figures.json").read_text())
    assert [r["seed"] for r in record["rounds"]] == [7, 9] and set(record["figures"]) == {"day", "dusk"}
    model, head = load_model(str(starter), read_label_map(starter))
    assert set(head.copied) == set(COCO_TEN)
    before = dict(model.named_parameters())
    make_starter.main([name, "--go-on", "--images", "8", "--batch-size", "4", "--epochs", "1"])
    after = dict(load_model(str(starter), TEN)[0].named_parameters())
    changes = [(after[name] - before[name]).abs().max() for name in before]
    assert 0 < max(changes) < 0.01
    assert len(json.loads((starter / "figures.json").read_text())["rounds"]) == 3


def test_the_scenes_of_the_figures_are_never_learned_from(capsys):
    with pytest.raises(SystemExit):
        make_starter.main(["detr", "--go-on", "--seed", str(make_starter.TEST_SEED)])
    assert "take another one" in capsys.readouterr().err

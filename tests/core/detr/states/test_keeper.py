"""The states that are kept are those that the heads read, of the queries that count, and no more than that."""

import numpy as np
import pytest
import torch

from core.boxes import Detections, cxcywh_normalized_to_xyxy, iou
from core.datasets.split import read_split
from core.detr.detect import detect, forward
from core.detr.families.class_outputs import ClassOutput
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.model import FAMILIES, load_model
from core.detr.small import small_detr
from core.detr.states.keeper import FITS, StateKeeper
from core.detr.states.query_states import QueryStates
from tests.core.detr.released import TEN, released

CPU = torch.device("cpu")


@pytest.fixture
def data(street):
    return DetectionDataset(read_split(street, "val"), TEN, 72, 96)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_familys_states_are_what_its_last_class_output_reads(data, kind, training, tmp_path):
    model, _ = load_model(str(released(kind, tmp_path)), TEN)
    model.train(training)
    batch, read = next(iter(loader(data, 2))), []
    outputs = [module for module in model.modules() if isinstance(module, ClassOutput)]
    heads = [model.inner.class_labels_classifier] if kind == "yolos" else outputs  # of several layers
    for output in heads:
        output.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].float()))
    with torch.no_grad():
        if training:
            layers = model(batch["pixel_values"], batch["pixel_mask"], batch["labels"])
        else:
            layers = forward(model, batch, CPU)
    states = layers.states.float()
    assert states.shape[:2] == layers.boxes.shape[1:3] and states.ndim == 3
    seen = [one[..., -states.shape[1] :, :] for one in read if one.shape[-2] >= states.shape[1]]
    parts = [part for one in seen for part in one.reshape(-1, *states.shape)]
    assert any(torch.allclose(states, part) for part in parts)


def plainly(model, batches, from_score):
    """(image, query) of those that count, and their states, one by one."""
    kept = {}
    for batch in batches:
        with torch.no_grad():
            layers = forward(model, batch, CPU)
        scores = model.class_scores(layers.logits[-1]).max(-1).values
        for place, image_id in enumerate(batch["image_id"]):
            boxes = cxcywh_normalized_to_xyxy(layers.boxes[-1, place].numpy(), batch["size"][place])
            objects = cxcywh_normalized_to_xyxy(batch["labels"][place]["boxes"].numpy(), batch["size"][place])
            overlap = iou(boxes, objects)
            counts = set(np.flatnonzero(scores[place].numpy() >= np.float32(from_score)).tolist())
            counts |= set(np.flatnonzero((overlap >= FITS).any(1)).tolist()) | set(overlap.argmax(0).tolist())
            for query in counts:
                state = layers.states[place, query].numpy()
                kept[image_id, query] = state / np.linalg.norm(state)
    return kept


@pytest.mark.parametrize("from_score", [0.0, 0.12, 1.1])
def test_kept_are_queries_that_reach_the_score_or_may_have_found_an_object(data, from_score):
    torch.manual_seed(0)
    model, keeper = small_detr(TEN).eval(), StateKeeper(from_score)
    batches = list(loader(data, 4))
    detections = Detections.concat(detect(model, batches, CPU, keeper=keeper))
    states, expected = keeper.take(), plainly(model, batches, from_score)
    names = list(zip(states.image_id.tolist(), states.query.tolist(), strict=True))
    assert len(names) == len(set(names)) and set(names) == set(expected)
    np.testing.assert_allclose(states.values, np.stack([expected[name] for name in names]), atol=1e-3)
    score = dict(
        zip(zip(detections.image_id.tolist(), detections.query.tolist(), strict=True), detections.score, strict=True)
    )
    assert states.score.tolist() == [score[name] for name in names]
    assert keeper.take() is None  # it has forgotten them


def test_a_batch_that_is_cut_in_halves_gives_the_same_states(data, monkeypatch):
    model = small_detr(TEN).eval()
    batches = list(loader(data, 4))
    whole, halved = StateKeeper(0.1), StateKeeper(0.1)
    list(detect(model, batches, CPU, keeper=whole))
    real = forward

    def full(model, batch, *options):
        if len(batch["image_id"]) > 2:
            raise torch.OutOfMemoryError
        return real(model, batch, *options)

    monkeypatch.setattr("core.detr.detect.forward", full)
    list(detect(model, batches, CPU, keeper=halved))
    one, other = whole.take(), halved.take()
    assert one.query.tolist() == other.query.tolist() and one.image_id.tolist() == other.image_id.tolist()
    np.testing.assert_allclose(one.values, other.values, atol=2e-3)


def invented(count, width=8, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(count, width)).astype(np.float16)
    return QueryStates(np.arange(count), np.zeros(count, np.int32), rng.random(count).astype(np.float32), values)


def test_of_too_many_the_surest_stay_however_they_come():
    states, keeper = invented(1000), StateKeeper(0.0, most=100)
    for first in range(0, 1000, 7):
        keeper._keep([states[first : first + 7]])
        assert sum(map(len, keeper._parts)) <= 125 + 7
    kept = keeper.take()
    surest = np.sort(np.argsort(-states.score)[:100])
    assert kept.image_id.tolist() == states.image_id[surest].tolist()


def test_several_processes_states_are_joined_and_without_any_there_are_none():
    one, other = invented(3), invented(4, seed=1)
    joined = StateKeeper.join([one, None, other])
    assert len(joined) == 7 and joined.score.tolist() == [*one.score.tolist(), *other.score.tolist()]
    assert len(StateKeeper.join([one, other], most=2)) == 2
    assert StateKeeper.join([None, None]) is None and StateKeeper(0.0).take() is None

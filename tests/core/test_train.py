"""The training loop: it learns, its stops and resumes leave no trace, and its checkpoints are whole."""

import json
import math
import shutil
from contextlib import closing
from dataclasses import replace

import pytest
import torch

from core import ConfigError, DataError, ModelError, RunError
from core.coco import read_split
from core.config import TrainConfig
from core.model import load_model, read_label_map, save_model, small_detr
from core.train import choose_device, latest, learning_rate_factor, train


@pytest.fixture(scope="module")
def config(street):
    return TrainConfig(
        data=str(street), model="random", epochs=2, batch_size=4, lr=1e-3, lr_backbone=1e-4, lr_head=1e-3,
        shortest_edge=72, longest_edge=96, workers=0, device="cpu", seed=5,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """One uninterrupted training of 2 epochs of 3 steps: its Progress and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return list(train(config, folder)), folder


def losses(progress) -> dict[int, dict]:
    """Step to its metrics, but the speed."""
    return {
        p.step: {k: v for k, v in p.metrics.items() if k != "train/images_per_second"}
        for p in progress
        if p.kind == "step"
    }


def test_the_untouched_model_is_evaluated_first_then_every_epoch(whole):
    progress, _ = whole
    seen = [(p.kind, p.epoch, p.step) for p in progress if p.kind not in ("evaluating", "loading")]
    steps = [("step", 0, n) for n in (1, 2, 3)], [("step", 1, n) for n in (4, 5, 6)]
    assert seen == [("baseline", 0, 0), *steps[0], ("epoch", 1, 3), *steps[1], ("epoch", 2, 6)]


def test_an_evaluation_has_every_query_of_every_image(whole, street):
    evaluations = [p for p in whole[0] if p.figures]
    assert len(evaluations) == 3
    for progress in evaluations:
        assert len(progress.detections) == 6 * 30 and len(set(progress.detections.image_id)) == 6
        assert {f"val/{name}" for name in ("loss", "loss_ce", "loss_bbox", "loss_giou", "AP")} <= set(progress.metrics)
        assert progress.metrics["val/AP"] == progress.figures.AP


def test_a_step_reports_losses_gradient_and_rate(whole):
    for metrics in losses(whole[0]).values():
        assert set(metrics) == {f"train/{n}" for n in ("loss", "loss_ce", "loss_bbox", "loss_giou", "grad_norm", "lr")}
        assert all(math.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("stop_at", [("evaluating", 0), ("step", 1), ("step", 3), ("evaluating", 3), ("step", 4)])
def test_stopped_and_resumed_gives_the_losses_of_an_uninterrupted_training(config, whole, tmp_path, stop_at):
    before, after = [], []
    with closing(train(config, tmp_path)) as running:
        for progress in running:
            before.append(progress)
            if (progress.kind, progress.step) == stop_at:
                break
    assert latest(tmp_path) == tmp_path / "last"
    after = list(train(config, tmp_path, resume=True))
    assert losses([*before, *after]) == losses(whole[0])
    figures = {p.epoch: p.figures for p in [*before, *after] if p.figures}
    assert figures == {p.epoch: p.figures for p in whole[0] if p.figures}


def test_the_last_checkpoint_holds_the_trained_weights_and_the_label_map(config, whole, street):
    _, folder = whole
    label_map = read_label_map(folder / "last")
    assert len(label_map) == 10
    trained, head = load_model(str(folder / "last"), label_map)
    assert head.fresh == ()
    torch.manual_seed(5)
    fresh = small_detr(label_map)
    assert not torch.equal(trained.bbox_predictor.layers[0].weight, fresh.bbox_predictor.layers[0].weight)
    assert json.loads((folder / "last" / "config.json").read_text())["model_type"] == "detr"


def test_best_is_the_epoch_of_the_highest_ap(config, tmp_path):
    progress = list(train(replace(config, epochs=3), tmp_path))
    best = [p.epoch for p in progress if p.is_best]
    aps = {p.epoch: p.figures.AP for p in progress if p.kind == "epoch"}
    assert aps[best[-1]] == max(aps.values())
    state = torch.load(tmp_path / "best" / "trainer.pt", weights_only=True)
    assert (state["epoch"], state["best_ap"]) == (best[-1], aps[best[-1]])


def test_the_loss_of_one_batch_falls_when_it_is_seen_again_and_again(config, tmp_path):
    settings = replace(config, epochs=30, batch_size=12, flip=False, eval_every=30, clip=0.1)
    seen = losses(train(settings, tmp_path))
    assert seen[30]["train/loss"] < 0.9 * seen[1]["train/loss"]


def test_a_training_leaves_torchs_generator_alone(config, tmp_path):
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    with closing(train(replace(config, epochs=1), tmp_path)) as running:
        next(p for p in running if p.kind == "step" and p.step == 2)
        # the loader of the running epoch draws its own seed from it, once
    torch.manual_seed(99)
    assert torch.equal(torch.rand(3), expected)


def test_the_seed_decides_fresh_weights_whatever_was_drawn_before(config, whole, tmp_path):
    torch.manual_seed(12345)
    first = next(p for p in train(config, tmp_path) if p.kind == "step")
    assert first.metrics["train/loss"] == losses(whole[0])[1]["train/loss"]


def test_a_checkpoint_that_was_being_replaced_is_found_under_its_old_name(whole, tmp_path):
    shutil.copytree(whole[1] / "last", tmp_path / "last.old")
    assert latest(tmp_path) == tmp_path / "last.old"


def test_without_a_checkpoint_there_is_nothing_to_resume(config, tmp_path):
    with pytest.raises(ModelError, match="nothing to resume"):
        list(train(config, tmp_path, resume=True))


def test_a_damaged_trainer_state_is_named(config, whole, tmp_path):
    shutil.copytree(whole[1] / "last", tmp_path / "last")
    (tmp_path / "last" / "trainer.pt").write_bytes(b"half")
    with pytest.raises(ModelError, match="trainer.pt cannot be read"):
        list(train(config, tmp_path, resume=True))


def test_a_loss_that_is_no_number_stops_with_the_images(config, tmp_path):
    label_map, folder = read_split(config.data, "val").label_map(), tmp_path / "broken"
    model = small_detr(label_map)
    with torch.no_grad():
        model.bbox_predictor.layers[0].weight.fill_(math.nan)
    save_model(model, label_map, folder)
    with pytest.raises(RunError, match=r"not finite numbers on the images \[13, 14"):
        list(train(replace(config, model=str(folder)), tmp_path / "out"))


def test_a_gradient_that_is_no_number_does_not_reach_the_weights(config, tmp_path):
    settings = replace(config, lr=1.0, lr_head=1.0, lr_backbone=1.0, clip=0.0, epochs=30, eval_every=30)
    with pytest.raises(RunError, match="smaller learning rate"):
        list(train(settings, tmp_path))
    saved, _ = load_model(str(latest(tmp_path)), read_label_map(latest(tmp_path)))
    assert all(torch.isfinite(p).all() for p in saved.parameters())


def test_a_picture_that_is_gone_ends_the_training_and_keeps_what_it_learned(config, street, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(street, data)
    running = train(replace(config, data=str(data)), tmp_path / "run")
    next(p for p in running if p.kind == "step")
    for picture in (data / "train").glob("*.jpg"):
        picture.unlink()
    with pytest.raises(DataError, match="is missing"):
        list(running)
    assert torch.load(latest(tmp_path / "run") / "trainer.pt", weights_only=True)["step"] == 1


def test_learning_rates_rise_hold_and_fall():
    step = TrainConfig(schedule="step", warmup_steps=4)
    assert [learning_rate_factor(s, 100, step) for s in (0, 1, 3, 4, 79, 80, 99)] == [0.25, 0.5, 1, 1, 1, 0.1, 0.1]
    cosine = TrainConfig(schedule="cosine")
    assert learning_rate_factor(0, 100, cosine) == 1 and learning_rate_factor(99, 100, cosine) < 0.001
    assert {learning_rate_factor(s, 10, TrainConfig()) for s in range(10)} == {1.0}


def test_a_device_that_is_not_there_is_refused():
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match="cuda is not available"):
        choose_device("cuda")

"""The training loop: it learns, its stops and resumes leave no trace, and its checkpoints are whole."""

import json
import math
import shutil
from contextlib import closing
from dataclasses import replace
from itertools import groupby

import pytest
import torch

from core import DataError, ModelError, RunError
from core.config import TrainConfig
from core.datasets.split import read_split
from core.detr.model import load_model, read_label_map, save_model, small_detr
from core.evaluation.coco_eval import evaluate
from core.metrics import FAMILIES, LOSSES, METRICS
from core.training.checkpoint import latest
from core.training.events import (
    Check,
    Evaluated,
    Evaluating,
    Loading,
    Measured,
    PreflightDone,
    PreflightRunning,
    StepDone,
)
from core.training.train import train
from tests.core.detr.families import released


@pytest.fixture(scope="module")
def config(street):
    return TrainConfig(
        data=str(street), model="random", epochs=2, batch_size=4, lr=1e-3, lr_backbone=1e-4, lr_head=1e-3,
        shortest_edge=72, longest_edge=96, workers=0, device="cpu", seed=5, freeze="none", dropout=0.1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    """One uninterrupted training of 2 epochs of 3 steps: its events and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return list(train(config, folder)), folder


def losses(progress) -> dict[int, dict]:
    """Step to its metrics, but the speed and what it waited for."""
    return {
        p.step: {k: v for k, v in p.metrics.items() if k not in ("train/images_per_second", "train/wait")}
        for p in progress
        if isinstance(p, StepDone)
    }


def test_every_tag_has_its_words(whole):
    tags = {tag for p in whole[0] if isinstance(p, Measured) for tag in p.metrics}
    known = {metric.tag for metric in METRICS}
    unknown = {tag for tag in tags - known if not any(family.name(tag) for family in FAMILIES)}
    assert not unknown
    assert {metric.tag for loss in LOSSES for metric in (loss.train, loss.val)} <= tags


def evaluations(progress) -> list[Evaluated]:
    return [p for p in progress if isinstance(p, Evaluated)]


def test_the_untouched_model_is_evaluated_first_then_every_epoch(whole):
    progress, _ = whole
    others = (Evaluating, Loading, PreflightRunning, PreflightDone)
    seen = [(type(p), p.epoch, p.step) for p in progress if not isinstance(p, others)]
    steps = [(StepDone, 0, n) for n in (1, 2, 3)], [(StepDone, 1, n) for n in (4, 5, 6)]
    assert seen == [(Evaluated, 0, 0), *steps[0], (Evaluated, 1, 3), *steps[1], (Evaluated, 2, 6)]


def test_an_evaluation_has_every_query_of_every_image(whole, street):
    measured = evaluations(whole[0])
    assert len(measured) == 3
    for progress in measured:
        assert len(progress.detections) == 6 * 30 and len(set(progress.detections.image_id)) == 6
        assert {f"val/{name}" for name in ("loss", "loss_ce", "loss_bbox", "loss_giou", "AP")} <= set(progress.metrics)
        assert progress.metrics["val/AP"] == progress.figures.AP


def test_every_figure_of_a_step_is_a_number(whole):
    for progress in (p for p in whole[0] if isinstance(p, Measured)):
        assert all(math.isfinite(value) for value in progress.metrics.values())
        if isinstance(progress, StepDone):
            assert {"train/loss", "train/grad_norm", "train/lr_backbone", "train/wait"} <= set(progress.metrics)
            assert 0 <= progress.metrics["train/wait"] <= 1


def test_an_evaluation_says_how_much_is_predicted(whole):
    for progress in evaluations(whole[0]):
        scores, labels = progress.detections.score, progress.detections.label
        assert progress.metrics["val/predicted"] == (scores >= 0.3).sum() / 6
        by_class = [progress.metrics[f"val/predicted/{name}"] for name in progress.label_map.names]
        assert by_class == [((labels == i) & (scores >= 0.3)).sum() for i in range(10)]
        objects = [a for a in progress.ground_truth["annotations"] if not a["iscrowd"]]
        assert progress.metrics["val/truths"] == len(objects) / 6


def test_the_preflight_comes_first_with_its_checks_and_the_first_batch(whole):
    kinds = [type(p) for p in whole[0]]
    assert [kind for kind, _ in groupby(kinds)][:3] == [Loading, PreflightRunning, PreflightDone]
    assert not {PreflightRunning, PreflightDone} & {*kinds[kinds.index(Evaluating) :]}
    (done,) = [p for p in whole[0] if isinstance(p, PreflightDone)]
    assert [check.name for check in done.checks] == ["Data", "Disk", "Mapping", "Queries", "First batch"]
    assert all(check.ok for check in done.checks) and done.picture.width > 0


def test_what_cannot_be_used_is_left_out_of_a_training_and_told(config, street, tmp_path):
    data = shutil.copytree(street, tmp_path / "data")
    (data / "train/000000000003.jpg").unlink()
    (data / "val/000000000014.jpg").write_text("no picture")
    path = data / "annotations/instances_train.json"
    labels = json.loads(path.read_text())
    spoilt = next(a for a in labels["annotations"] if a["image_id"] != 3)
    spoilt["bbox"][2] = float("nan")
    labels["annotations"].append({"id": 10**6, "image_id": 99, "category_id": 1, "bbox": [0, 0, 5, 5]})
    path.write_text(json.dumps(labels))
    seen = []
    with closing(train(replace(config, data=str(data)), tmp_path / "out")) as progress:
        for one in progress:
            seen.append(one)
            if isinstance(one, StepDone):
                break
    (checks,) = [p.checks for p in seen if isinstance(p, PreflightDone)]
    assert checks[0].name == "Data" and checks[0].ok
    for part in ("1 annotation of an image", "1 box without four", "1 picture missing", "1 picture that cannot"):
        assert part in checks[0].evidence
    assert seen[-1].steps == 2 * 3  # 11 images of 12
    assert "Looking at the pictures: 18 of 18" in [p.message for p in seen]


def test_data_that_cannot_be_trained_on_stops_with_the_whole_list(config, street, tmp_path):
    data = shutil.copytree(street, tmp_path / "data")
    shutil.rmtree(data / "val")
    (data / "val").mkdir()
    path = data / "annotations/instances_train.json"
    path.write_text(path.read_text().replace("000000000003.jpg", "../secret.jpg"))
    with pytest.raises(DataError, match="outside the picture folder, as '../secret.jpg'"):
        list(train(replace(config, data=str(data)), tmp_path / "out"))
    path.write_text(path.read_text().replace("../secret.jpg", "000000000003.jpg"))
    with pytest.raises(DataError, match=r"val: 1 split most of whose pictures are missing .*: 6 of 6 are not in"):
        list(train(replace(config, data=str(data)), tmp_path / "out"))


def test_a_preflight_that_fails_stops_with_its_evidence_and_leaves_no_checkpoint(config, tmp_path, monkeypatch):
    failing = Check("Mapping", False, "The ground truth has AP 3.0, but should have 100.")
    monkeypatch.setattr("core.training.training.check_mapping", lambda *_: failing)
    seen = []
    with pytest.raises(RunError, match=r"pre-flight stopped the training. Mapping: The ground truth has AP 3.0"):
        seen.extend(train(config, tmp_path))
    assert failing in seen[-1].checks
    assert not (tmp_path / "last").exists()


@pytest.mark.parametrize("stop_at", [(Evaluating, 0), (StepDone, 1), (StepDone, 3), (Evaluating, 3), (StepDone, 4)])
def test_stopped_and_resumed_gives_the_losses_of_an_uninterrupted_training(config, whole, tmp_path, stop_at):
    before, after = [], []
    with closing(train(config, tmp_path)) as running:
        for progress in running:
            before.append(progress)
            if (type(progress), progress.step) == stop_at:
                break
    assert latest(tmp_path) == tmp_path / "last"
    after = list(train(config, tmp_path, resume=True))
    assert losses([*before, *after]) == losses(whole[0])
    figures = {p.epoch: p.figures for p in evaluations([*before, *after])}
    assert figures == {p.epoch: p.figures for p in evaluations(whole[0])}


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
    best = [p.epoch for p in evaluations(progress) if p.is_best]
    aps = {p.epoch: p.figures.AP for p in evaluations(progress) if not p.is_baseline}
    assert aps[best[-1]] == max(aps.values())
    state = torch.load(tmp_path / "best" / "trainer.pt", weights_only=True)
    assert (state["epoch"], state["best_ap"]) == (best[-1], aps[best[-1]])


def test_it_learns(config, tmp_path):
    settings = replace(config, epochs=30, batch_size=12, augment="none", eval_every=30, clip=0.1)
    seen = losses(train(settings, tmp_path))
    assert seen[30]["train/loss"] < 0.9 * seen[1]["train/loss"]


def test_accumulated_batches_are_the_training_with_the_whole_batch(config, tmp_path):
    settings = replace(config, dropout=0.0)
    whole = losses(train(settings, tmp_path / "whole"))
    parts = losses(train(replace(settings, batch_size=2, accumulate=2), tmp_path / "parts"))
    assert set(parts) == set(whole)
    for step, metrics in whole.items():
        assert parts[step] == pytest.approx(metrics, rel=1e-3), step


def test_it_stops_early_when_ap_does_not_rise_and_says_so(config, tmp_path, monkeypatch):
    falling = iter([0.5, 0.4, 0.3, 0.2, 0.1])
    real = evaluate
    monkeypatch.setattr("core.training.validation.evaluate", lambda *a: replace(real(*a), AP=next(falling)))
    progress = list(train(replace(config, epochs=9, early_stopping=2), tmp_path))
    assert progress[-1].epoch == 3  # 0.4 was the best of a trained model, then two without a better one
    (remark,) = progress[-1].remarks
    assert remark.rule == "stopped_early" and "Best AP 40.0" in remark.evidence


@pytest.mark.parametrize("keep, left", [("best and last", {"best", "last"}), ("best", {"best"}), ("last", {"last"})])
def test_only_the_checkpoints_that_are_to_be_kept_stay(config, tmp_path, keep, left):
    list(train(replace(config, epochs=1, keep=keep), tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == left


def test_the_average_is_what_is_evaluated_and_kept_and_a_resume_goes_on_from_both(config, tmp_path):
    settings = replace(config, ema=0.9)
    whole, before = list(train(settings, tmp_path / "whole")), []
    with closing(train(settings, tmp_path / "cut")) as running:
        for progress in running:
            before.append(progress)
            if isinstance(progress, StepDone) and progress.step == 4:
                break
    after = list(train(settings, tmp_path / "cut", resume=True))
    assert losses([*before, *after]) == losses(whole)
    averaged = [p.metrics for p in evaluations([*before, *after])]
    assert averaged == [p.metrics for p in evaluations(whole)]
    plain = [p.metrics for p in evaluations(train(config, tmp_path / "plain"))]
    assert plain[0] == averaged[0] and plain[1]["val/loss"] != averaged[1]["val/loss"]


def test_a_profile_is_recorded_once(config, tmp_path):
    settings = replace(config, epochs=5, eval_every=5, profile=True)
    (profile,) = [p.profile for p in train(settings, tmp_path) if isinstance(p, StepDone) and p.profile]
    assert profile.steps == 10 and any("conv" in row["name"] for row in profile.operators)


@pytest.mark.parametrize("settings", [{"augment": "flip, scale and crop"}, {"precision": "bf16"}, {"freeze": "stem"},
                                      {"deterministic": True}, {"workers": 2}, {"classes": ("car",)}])  # fmt: skip
def test_a_training_runs_with(config, tmp_path, settings):
    progress = list(train(replace(config, epochs=1, **settings), tmp_path))
    assert isinstance(progress[-1], Evaluated) and progress[-1].epoch == 1 and len(losses(progress)) >= 1


@pytest.mark.parametrize("kind", ["conditional_detr", "deformable_detr"])
def test_other_detrs_train_too_and_go_on_from_their_own_checkpoint(config, tmp_path, kind):
    settings = replace(config, model=str(released(kind, tmp_path / "model")), epochs=1)
    progress = list(train(settings, tmp_path / "run"))
    assert progress[-1].figures.AP is not None
    again = list(train(replace(settings, model=str(tmp_path / "run" / "best")), tmp_path / "again"))
    baseline = next(p for p in evaluations(again) if p.is_baseline)
    assert baseline.figures == progress[-1].figures


def test_a_training_leaves_torchs_generator_alone(config, tmp_path):
    torch.manual_seed(99)
    expected = torch.rand(3)
    torch.manual_seed(99)
    with closing(train(replace(config, epochs=1), tmp_path)) as running:
        next(p for p in running if isinstance(p, StepDone) and p.step == 2)
        # the loader of the running epoch draws its own seed from it, once
    torch.manual_seed(99)
    assert torch.equal(torch.rand(3), expected)


def test_the_seed_decides_fresh_weights_whatever_was_drawn_before(config, whole, tmp_path):
    torch.manual_seed(12345)
    first = next(p for p in train(config, tmp_path) if isinstance(p, StepDone))
    assert first.metrics["train/loss"] == losses(whole[0])[1]["train/loss"]


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
    with pytest.raises(
        RunError, match=r"First batch: On the images \[.*loss_bbox and loss_giou is not a finite number"
    ):
        list(train(replace(config, model=str(folder)), tmp_path / "out"))


def test_a_gradient_that_is_no_number_does_not_reach_the_weights(config, tmp_path):
    settings = replace(config, lr=1.0, lr_head=1.0, lr_backbone=1.0, clip=0.0, epochs=30, eval_every=30)
    with pytest.raises(RunError, match="smaller learning rate"):
        list(train(settings, tmp_path))
    saved, _ = load_model(str(latest(tmp_path)), read_label_map(latest(tmp_path)))
    assert all(torch.isfinite(p).all() for p in saved.parameters())


def test_a_step_that_is_left_out_names_its_images(config, street, tmp_path):
    rates = {"lr": 1.0, "lr_head": 1.0, "lr_backbone": 1.0, "clip": 0.0}
    settings = replace(config, **rates, epochs=30, eval_every=30, not_finite="skip")
    seen = []
    with pytest.raises(RunError, match="times in a row"):
        seen.extend(train(settings, tmp_path))  # keeps what came before the error
    steps = [p for p in seen if isinstance(p, StepDone)]
    left_out = [p for p in steps if p.skipped_images]
    assert left_out and left_out == [p for p in steps if p.metrics.get("train/skipped")]
    assert {i for p in left_out for i in p.skipped_images} <= set(read_split(street, "train").image_by_id)


def test_a_picture_that_is_gone_ends_the_training_and_keeps_what_it_learned(config, street, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(street, data)
    running = train(replace(config, data=str(data)), tmp_path / "run")
    next(p for p in running if isinstance(p, StepDone))
    for picture in (data / "train").glob("*.jpg"):
        picture.unlink()
    with pytest.raises(DataError, match="is missing"):
        list(running)
    assert torch.load(latest(tmp_path / "run") / "trainer.pt", weights_only=True)["step"] == 1

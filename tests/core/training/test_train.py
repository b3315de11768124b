"""The training loop: what it yields, its stops and resumes leave no trace, and its checkpoints are whole."""

import json
import math
import re
import shutil
import time
from contextlib import closing
from dataclasses import replace
from itertools import groupby

import pytest
import torch

from core import PROJECT, DataError, ModelError, RunError
from core.datasets.split import read_split
from core.detr.model import load_model, save_model
from core.detr.model_folder import read_label_map
from core.detr.small import small_detr
from core.training.checkpoint import latest_checkpoint
from core.training.checkpoint_folder import epoch_of
from core.training.events import (
    ANNOTATIONS,
    CHECKS,
    MODEL,
    PICTURES,
    START,
    Check,
    Evaluated,
    Evaluating,
    Finished,
    Loading,
    PreflightDone,
    PreflightRunning,
    Starting,
    StepDone,
)
from core.training.train import train
from tests.core.detr.sources.hub_server import local_hub
from tests.core.training.chosen_events import evaluations, losses


def test_the_untouched_model_is_evaluated_first_then_every_epoch(whole):
    progress, _ = whole
    others = (Evaluating, Loading, PreflightRunning, PreflightDone)
    seen = [(type(p), p.epoch, p.step) for p in progress if not isinstance(p, others)]
    steps = [(StepDone, 0, n) for n in (1, 2, 3)], [(StepDone, 1, n) for n in (4, 5, 6)]
    assert seen == [(Evaluated, 0, 0), *steps[0], (Evaluated, 1, 3), *steps[1], (Evaluated, 2, 6), (Finished, 2, 6)]


def test_the_preflight_comes_first_with_its_checks_and_the_first_batch(whole):
    kinds = [type(p) for p in whole[0]]
    assert [kind for kind, _ in groupby(kinds)][:3] == [Loading, PreflightRunning, PreflightDone]
    assert not {PreflightRunning, PreflightDone} & {*kinds[kinds.index(Evaluating) :]}
    (done,) = [p for p in whole[0] if isinstance(p, PreflightDone)]
    assert tuple(check.name for check in done.checks) == CHECKS and all(check.ok for check in done.checks)


def done_in(progress):
    return [p.done for p in progress if isinstance(p, Starting) and p.done]


def test_each_step_of_the_start_is_told_once_it_is_done_with_what_comes_next(whole):
    starting = [p for p in whole[0] if isinstance(p, (Starting, PreflightDone))]
    done = {check.name: check.evidence for check in done_in(starting)}
    assert tuple(done) == START[:-1]
    assert re.fullmatch(r"18 images with \d+ annotations\.", done[ANNOTATIONS])
    assert done[PICTURES] == "12 to train on, 6 to validate on."
    assert re.fullmatch(r"1\.\d million parameters, on CPU; it knows 0 of the 10 classes\.", done[MODEL])
    messages = [p.message for p in starting]
    assert messages[0] == "Reading the annotations: train"
    assert re.fullmatch(r"Reading the annotations: val – 12 images with \d+ annotations so far", messages[1])
    assert messages[-7:] == [*(f"Pre-flight: {name.lower()}" for name in (*CHECKS, "done")), starting[-1].message]
    assert starting[-1].message == "Evaluating the untouched model"
    (i,) = [i for i, p in enumerate(starting) if isinstance(p, PreflightRunning) and p.picture]
    assert starting[i].picture.width > 0 and done_in(starting[:i])[-1].name == MODEL


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
    with pytest.raises(DataError, match=r"val: 1 split most of whose pictures are missing .*: 6 of 6 are not in"):
        list(train(replace(config, data=str(data)), tmp_path / "out"))


def test_a_preflight_that_fails_stops_with_its_evidence_and_leaves_no_checkpoint(config, tmp_path, monkeypatch):
    failing = Check("Mapping", False, "The ground truth has AP 3.0, but should have 100.")
    monkeypatch.setattr("core.training.preflight.check_mapping", lambda *_: failing)
    seen = []
    with pytest.raises(RunError, match=r"pre-flight stopped the training. Mapping: The ground truth has AP 3.0"):
        seen.extend(train(config, tmp_path))
    assert failing in seen[-1].checks
    assert not (tmp_path / "last").exists()


@pytest.mark.few(2)
@pytest.mark.parametrize("stop_at", [(Evaluating, 0), (StepDone, 1), (StepDone, 3), (Evaluating, 3), (StepDone, 4)])
def test_stopped_and_resumed_gives_the_losses_of_an_uninterrupted_training(config, whole, tmp_path, stop_at):
    before, after = [], []
    with closing(train(config, tmp_path)) as running:
        for progress in running:
            before.append(progress)
            if (type(progress), progress.step) == stop_at:
                break
    assert latest_checkpoint(tmp_path) == tmp_path / "last"
    after = list(train(config, tmp_path, resume=True))
    assert [check.name for check in done_in(after)] == [ANNOTATIONS, PICTURES, MODEL]  # it was checked before
    assert losses([*before, *after]) == losses(whole[0])
    figures = {p.epoch: p.figures for p in evaluations([*before, *after])}
    assert figures == {p.epoch: p.figures for p in evaluations(whole[0])}


def test_a_model_of_the_hub_is_loaded_by_the_megabyte_and_a_stop_meanwhile_leaves_no_checkpoint(
    config, tmp_path, monkeypatch
):
    settings, messages = replace(config, model="someone/starter"), []
    with local_hub(settings.model, PROJECT / "checkpoints/starter", tmp_path / "cache", monkeypatch) as hub:
        hub.hold = 1_000_000
        with closing(train(settings, tmp_path / "run")) as progress:
            for one in progress:
                messages.append(one.message)
                if one.message == "Downloading someone/starter: 1 of 7 MB":
                    begin = time.monotonic()
                    break
        assert time.monotonic() - begin < 2 and not (tmp_path / "run").exists()
        assert "Asking the Hugging Face hub for someone/starter" in messages
        hub.wake()
        with closing(train(settings, tmp_path / "run")) as progress:
            loaded = next(done for p in progress for done in done_in([p]) if done.name == MODEL)
    assert loaded.evidence.endswith("it knows 10 of the 10 classes.")


def test_the_last_checkpoint_holds_the_trained_weights_and_the_label_map(config, whole, street):
    _, folder = whole
    label_map = read_label_map(folder / "last")
    assert len(label_map) == 10
    trained, head = load_model(str(folder / "last"), label_map)
    assert head.fresh == ()
    torch.manual_seed(5)
    fresh = small_detr(label_map)
    assert not torch.equal(trained.inner.bbox_predictor.layers[0].weight, fresh.inner.bbox_predictor.layers[0].weight)
    assert json.loads((folder / "last" / "config.json").read_text())["model_type"] == "detr"


def test_best_is_the_epoch_of_the_highest_ap(config, tmp_path):
    progress = list(train(replace(config, epochs=3), tmp_path))
    best = [p.epoch for p in evaluations(progress) if p.is_best]
    aps = {p.epoch: p.figures.AP for p in evaluations(progress) if not p.is_baseline}
    assert aps[best[-1]] == max(aps.values())
    state = torch.load(tmp_path / "best" / "trainer.pt", weights_only=True)
    assert state["epoch"] == best[-1] and epoch_of(tmp_path / "best") == best[-1]


def test_a_damaged_trainer_state_is_named(config, whole, tmp_path):
    shutil.copytree(whole[1] / "last", tmp_path / "last")
    (tmp_path / "last" / "trainer.pt").write_bytes(b"half")
    with pytest.raises(ModelError, match=r"trainer\.pt cannot be read"):
        list(train(config, tmp_path, resume=True))


def test_a_loss_that_is_no_number_stops_with_the_images(config, tmp_path):
    label_map, folder = read_split(config.data, "val").label_map(), tmp_path / "broken"
    model = small_detr(label_map)
    with torch.no_grad():
        model.inner.bbox_predictor.layers[0].weight.fill_(math.nan)
    save_model(model, label_map, folder)
    with pytest.raises(
        RunError, match=r"First batch: On the images \[.*loss_bbox and loss_giou is not a finite number"
    ):
        list(train(replace(config, model=str(folder)), tmp_path / "out"))


def test_a_gradient_that_is_no_number_does_not_reach_the_weights(config, tmp_path):
    settings = replace(config, lr=1.0, lr_head=1.0, lr_backbone=1.0, clip=0.0, epochs=30, eval_every=30)
    with pytest.raises(RunError, match="smaller learning rate"):
        list(train(settings, tmp_path))
    saved, _ = load_model(str(latest_checkpoint(tmp_path)), read_label_map(latest_checkpoint(tmp_path)))
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
    running = train(replace(config, data=str(data), cache="off"), tmp_path / "run")
    next(p for p in running if isinstance(p, StepDone))
    for picture in (data / "train").glob("*.jpg"):
        picture.unlink()
    with pytest.raises(DataError, match="is missing"):
        list(running)
    assert torch.load(latest_checkpoint(tmp_path / "run") / "trainer.pt", weights_only=True)["step"] == 1

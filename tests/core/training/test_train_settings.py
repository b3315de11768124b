"""What the settings of a training do."""

from contextlib import closing
from dataclasses import replace
from itertools import takewhile

import pytest
import torch

from core.detr.model import FAMILIES
from core.evaluation.coco_eval import evaluate
from core.training.events import MODEL, Finished, Loading, StepDone
from core.training.train import train
from tests.core.detr.released import released
from tests.core.training.chosen_events import evaluations, losses


def test_it_learns(config, tmp_path):
    settings = replace(config, epochs=16, batch_size=12, augment="none", eval_every=16, clip=0.1)
    seen = losses(train(settings, tmp_path))
    assert seen[16]["train/loss"] < 0.9 * seen[1]["train/loss"]


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
    # 0.4 was the best of a trained model, then two came without a better one
    assert progress[-1].epoch == 3 and isinstance(progress[-1], Finished)
    (remark,) = evaluations(progress)[-1].remarks
    assert remark.rule == "stopped_early" and "Best AP 40.0" in remark.evidence


@pytest.mark.few(1)
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
    settings = replace(config, eval_every=2, profile=True)
    (profile,) = [p.profile for p in train(settings, tmp_path) if isinstance(p, StepDone) and p.profile]
    assert profile.steps == 3 and any("conv" in row["name"] for row in profile.operators)


@pytest.mark.few(2)
@pytest.mark.parametrize("settings", [{"augment": "flip, scale and crop"}, {"precision": "bf16"}, {"freeze": "stem"},
                                      {"deterministic": True}, {"workers": 2}, {"classes": ("car",)},
                                      {"cache": "off"}, {"start_size": 0.5},
                                      {"balance": "repeat rare classes"}, {"layer_decay": 0.5}])  # fmt: skip
def test_a_training_runs_with(config, tmp_path, settings):
    progress = list(train(replace(config, epochs=1, **settings), tmp_path))
    assert evaluations(progress)[-1].epoch == 1 and len(losses(progress)) >= 1


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind != "detr"])
def test_every_other_family_trains_too_and_goes_on_bit_for_bit_and_from_its_own_checkpoint(config, tmp_path, kind):
    settings = replace(config, model=str(released(kind, tmp_path / "model")), epochs=1)
    progress = list(train(settings, tmp_path / "run"))
    with closing(train(settings, tmp_path / "cut")) as running:
        before = list(takewhile(lambda p: not (isinstance(p, StepDone) and p.step == 2), running))
    after = list(train(settings, tmp_path / "cut", resume=True))
    assert losses([*before, *after]) == {step: one for step, one in losses(progress).items() if step != 2}
    trained = evaluations(progress)[-1].figures
    assert trained.AP is not None
    again = list(train(replace(settings, model=str(tmp_path / "run" / "best")), tmp_path / "again"))
    baseline = next(p for p in evaluations(again) if p.is_baseline)
    assert baseline.figures == trained


def test_weighed_classes_change_what_is_learned_but_not_what_an_evaluation_measures(config, whole, tmp_path):
    weighed = list(train(replace(config, balance="weigh rare classes"), tmp_path))
    baselines = [evaluations(progress)[0].metrics for progress in (weighed, whole[0])]
    assert baselines[0] == baselines[1]
    first, plain = losses(weighed)[1], losses(whole[0])[1]
    assert first["train/loss_ce"] != plain["train/loss_ce"] and first["train/loss_bbox"] == plain["train/loss_bbox"]


def test_an_open_batch_size_is_chosen_once_and_kept_after_a_resume(config, tmp_path):
    settings = replace(config, batch_size=0)
    with closing(train(settings, tmp_path)) as running:
        begun = list(takewhile(lambda p: not (isinstance(p, StepDone) and p.step == 2), running))
    model = next(p.done for p in begun if isinstance(p, Loading) and p.done and p.done.name == MODEL)
    assert model.evidence.endswith("Batch size 4: there is no GPU's memory to fill.")
    saved = torch.load(tmp_path / "last" / "trainer.pt", weights_only=True)
    assert saved["batch_size"] == 4 and saved["steps_per_epoch"] == 3
    assert [p.step for p in train(settings, tmp_path, resume=True) if isinstance(p, StepDone)][-1] == 3 * config.epochs


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

"""core/runs/loss_pictures: two pictures, drawn after each evaluation and at the end, which never end a training."""

import errno
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from core.runs.recorder import Recorder
from core.training.events import Evaluated, StepDone
from tests.core.runs.fake_training import LABELS, figures

COMMON = {"epochs": 2, "steps": 6, "label_map": LABELS}
LOSSES = {"train/loss": 3.0, "train/loss_ce": 1.5, "train/loss_bbox": 0.25}
STEP = StepDone(**COMMON, epoch=0, step=1, metrics=LOSSES)
EPOCH = Evaluated(**COMMON, epoch=1, step=3, metrics={"val/AP": 0.5, "val/loss_ce": 1.0}, figures=figures(0.5))


def pictures(store, run_id) -> list[bytes]:
    paths = [store.loss_path(run_id, name) for name in ("loss_ce", "loss_bbox")]
    for path in filter(lambda path: path.exists(), paths):
        with Image.open(path) as picture:
            picture.load()
            assert picture.format == "PNG"
    return [path.read_bytes() for path in paths if path.exists()]


def test_they_are_drawn_at_each_evaluation_and_at_the_end(store):
    run = store.create({}, name="<b>猫</b>\x1b")
    with Recorder(store, run.id) as recorder:
        recorder.write(STEP)
        assert pictures(store, run.id) == []
        recorder.write(EPOCH)
        first = pictures(store, run.id)
        assert len(first) == 2
        recorder.write(replace(STEP, step=4, metrics={**LOSSES, "train/loss_ce": 0.1}))
        assert pictures(store, run.id) == first
    last = pictures(store, run.id)
    assert last[0] != first[0]
    with Recorder(store, run.id) as recorder:  # goes on, and draws what was recorded before, too
        recorder.write(replace(STEP, step=5, metrics={**LOSSES, "train/loss_ce": 0.1}))
        recorder.write(replace(EPOCH, step=5))
    assert pictures(store, run.id)[0] not in (first[0], last[0])


@pytest.mark.parametrize("error", [GeneratorExit, KeyboardInterrupt, ZeroDivisionError])
def test_they_are_drawn_when_a_training_is_stopped_or_fails_before_its_first_evaluation(store, error):
    run = store.create({})
    recorder = Recorder(store, run.id)
    recorder.__enter__()
    recorder.write(STEP)
    recorder.__exit__(error, error(), None)
    assert len(pictures(store, run.id)) == 2


def test_without_a_loss_there_is_none(store):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(replace(STEP, metrics={"train/loss": 1.0}))
    assert pictures(store, run.id) == []


def test_a_picture_that_cannot_be_written_ends_no_training_and_comes_with_the_next(store, monkeypatch):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(STEP)
        with monkeypatch.context() as patch:

            def full(*_, **__):
                raise OSError(errno.ENOSPC, "No space left on device")

            patch.setattr(Image.Image, "save", full)
            recorder.write(EPOCH)
        assert pictures(store, run.id) == [] and store.evaluations(run.id)[0].epoch == 1
    assert len(pictures(store, run.id)) == 2
    assert not list(store.folder(run.id).glob(".*"))


def test_a_run_that_was_deleted_meanwhile_gets_no_folder_again(store):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(STEP)
        with store.database.write() as db:
            db.execute("update runs set deleted = 1 where id = ?", (run.id,))
        shutil.rmtree(store.folder(run.id))
    assert not store.folder(run.id).exists()

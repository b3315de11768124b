"""core/runs/recorder.py: the start of a run, written down step by step for whoever watches."""

import json
from dataclasses import asdict, replace

import pytest
from PIL import Image

from core.runs.recorder import Recorder
from core.training.events import Check, Loading, PreflightDone, PreflightRunning

COMMON = {"epochs": 2, "steps": 6}
LOADING = Loading(epoch=0, epochs=2, step=0, steps=0, message="Reading")
CHECKING = PreflightRunning(**COMMON, epoch=0, step=0, message="Pre-flight")
READ, DISK = Check("Annotations", True, "9 images."), Check("Disk", False, "No room.")


def in_start(store, run_id):
    return json.loads(store.start_path(run_id).read_text())


def test_each_step_of_a_start_is_kept_once_it_is_done_and_the_picture_as_soon_as_there_is_one(store):
    run = store.create({})
    store.update(run.id, started=17.25)
    kept = {"started": 17.25, "resumes": False, "done": [], "picture": False}
    with Recorder(store, run.id) as recorder:
        recorder.write(LOADING)
        assert in_start(store, run.id) == kept
        recorder.write(replace(LOADING, done=READ))
        assert in_start(store, run.id) == kept | {"done": [asdict(READ)]}
        written = store.start_path(run.id).stat().st_mtime_ns
        recorder.write(replace(LOADING, message="Looking at the pictures: 3 of 9"))
        assert store.start_path(run.id).stat().st_mtime_ns == written
        recorder.write(replace(CHECKING, picture=Image.new("RGB", (8, 6))))
        assert in_start(store, run.id) == kept | {"done": [asdict(READ)], "picture": True}
        assert store.preflight_picture(run.id).is_file()
        recorder.write(replace(CHECKING, done=DISK))
        assert in_start(store, run.id)["done"] == [asdict(READ), asdict(DISK)]


@pytest.mark.parametrize("resumes", [False, True])
def test_a_training_that_begins_anew_forgets_its_checks_and_one_that_goes_on_keeps_them(store, resumes):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(replace(CHECKING, done=DISK, picture=Image.new("RGB", (8, 6))))
        recorder.write(PreflightDone(**COMMON, epoch=0, step=0, checks=(DISK,)))
    store.update(run.id, started=99.5)
    with Recorder(store, run.id) as recorder:
        recorder.write(replace(LOADING, resumes=resumes))
    kept = store.preflight_path(run.id).is_file(), store.preflight_picture(run.id).is_file()
    assert kept == (resumes, resumes)
    assert in_start(store, run.id) == {"started": 99.5, "resumes": resumes, "done": [], "picture": False}

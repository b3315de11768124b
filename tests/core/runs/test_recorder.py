"""core/runs/recorder.py: one event, the same in the store, in TensorBoard and in the detection tables."""

import json
import math
import shutil
from dataclasses import asdict, replace

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from core import RunError
from core.boxes import Detections
from core.config import TrainConfig
from core.datasets.split import read_split
from core.evaluation.table import read_table
from core.evaluation.tide import detection_table
from core.runs.recorder import Recorder
from core.training.events import (
    Check,
    Evaluated,
    Evaluating,
    Loading,
    PreflightDone,
    PreflightRunning,
    Profile,
    StepDone,
)
from core.training.remark import Level, Remark
from tests.core.runs.fake_training import LABELS, figures, train


@pytest.fixture
def data(tmp_path):
    """Two images, one of them without a chosen class; a car, and a tree, which is not chosen."""
    folder = tmp_path / "data" / "tiny"
    (folder / "annotations").mkdir(parents=True)
    (folder / "val").mkdir()
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 100, "height": 80} for i in (5, 9)]
    boxes = [(1, 5, 3, [10, 10, 20, 20]), (2, 9, 7, [0, 0, 50, 50])]
    annotations = [
        {"id": i, "image_id": image, "category_id": c, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for i, image, c, box in boxes
    ]
    categories = [{"id": 3, "name": "car"}, {"id": 7, "name": "tree"}, {"id": 18, "name": "dog"}]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations" / "instances_val.json").write_text(json.dumps(coco))
    return folder


COMMON = {"epochs": 2, "steps": 6, "images_per_second": 2.0, "label_map": LABELS}
STEP = StepDone(**COMMON, epoch=0, step=1, seconds_left=9.0, metrics={"train/loss": 1.5})
EPOCH = Evaluated(
    **COMMON, epoch=1, step=3, seconds_left=5.0, metrics={"val/AP": 0.5}, figures=figures(0.5), is_best=True
)


def in_tensorboard(store, run_id) -> dict:
    events = EventAccumulator(str(store.folder(run_id)), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def in_store(store, run_id) -> dict:
    curves, _ = store.curves_after(run_id)
    return {tag: list(zip(steps, values, strict=True)) for tag, (steps, values) in curves.items()}


def test_a_run_that_recorded_nothing_leaves_a_folder_and_no_events(store):
    run = store.create({})
    with Recorder(store, run.id):
        pass
    assert list(store.folder(run.id).iterdir()) == []


def test_all_that_is_recorded_is_in_tensorboards_file_at_once(store):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        for step in (1, 2, 3):
            recorder.write(replace(STEP, step=step))
            assert [s for s, _ in in_tensorboard(store, run.id)["train/loss"]] == list(range(1, step + 1))


def test_an_evaluation_and_its_metrics_are_recorded_together_or_not_at_all(store, monkeypatch):
    run = store.create({})

    def fail(*_):
        raise RunError("The disk is full.")

    with Recorder(store, run.id) as recorder:
        recorder.write(STEP)
        monkeypatch.setattr(store, "_set", fail)
        with pytest.raises(RunError):
            recorder.write(EPOCH)
    assert store.evaluations(run.id) == [] and store.get(run.id).best_ap is None
    assert [tag for _, tag, *_ in store.metrics_after(run.id)[0]] == ["train/loss"]


def test_files_that_a_killed_process_left_in_a_run_are_deleted_when_it_goes_on(store):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(EPOCH)
    dead = 2**22 + 1
    left = [
        store.folder(run.id) / f".preflight.json-{dead}-0a1b2c3d.partial",
        store.folder(run.id) / "tables" / f".epoch_0002.parquet-{dead}-0a1b2c3d.partial",
        store.table_path(run.id, 2), store.watched_path(run.id, 2),
    ]  # fmt: skip
    checkpoint = store.checkpoints(run.id) / f".last-{dead}-0a1b2c3d.partial"
    checkpoint.mkdir(parents=True)
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    store.add_evaluation(run.id, 1, 3, {"AP": 0.5}, is_best=True, has_table=True)
    store.table_path(run.id, 1).touch()
    with Recorder(store, run.id):
        pass
    assert not any(path.exists() for path in [*left, checkpoint]) and store.table_path(run.id, 1).exists()


def test_loading_says_what_it_does_and_nothing_of_steps(store):
    run = store.create({})
    store.update(run.id, epoch=3, step=30)  # as in a resumed run
    with Recorder(store, run.id) as recorder:
        recorder.write(Loading(epoch=0, epochs=9, step=0, steps=0, message="Loading model and data"))
    again = store.get(run.id)
    assert (again.message, again.epochs, again.epoch, again.step) == ("Loading model and data", 9, 3, 30)


def test_the_runs_row_follows_the_training(store):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(STEP)
        now = store.get(run.id)
        assert (now.epoch, now.epochs, now.step, now.steps) == (0, 2, 1, 6)
        assert (now.images_per_second, now.seconds_left, now.message) == (2.0, 9.0, None)
        assert now.label_map == LABELS.to_dict() and now.heartbeat >= run.created
        recorder.write(Evaluating(**COMMON, epoch=0, step=1, message="Evaluating image 8 of 9"))
        assert store.get(run.id).message == "Evaluating image 8 of 9"
        recorder.write(EPOCH)
    now = store.get(run.id)
    assert (now.epoch, now.step, now.ap, now.best_ap, now.best_epoch) == (1, 3, 0.5, 0.5, 1)
    assert store.evaluations(run.id)[0].figures == figures(0.5).to_dict()


def test_tensorboard_shows_the_tags_steps_and_values_of_the_store(store):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        for progress in train(TrainConfig(data="short", epochs=3), store.checkpoints(run.id)):
            recorder.write(progress)
    found = in_store(store, run.id)
    assert len(found["train/loss"]) == 9 and len(found["val/AP"]) == 4
    expected = {tag: [(s, pytest.approx(v, rel=1e-6)) for s, v in points] for tag, points in found.items()}
    assert in_tensorboard(store, run.id) == expected


def test_values_that_are_not_finite_do_not_stop_the_record(store):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(replace(STEP, metrics={"a": math.nan, "b": math.inf, "c": 1e300}))
    assert [repr(row[3]) for row in store.metrics_after(run.id)[0]] == ["nan", "inf", "1e+300"]
    events = in_tensorboard(store, run.id)
    assert math.isnan(events["a"][0][1]) and events["b"] == [(1, math.inf)]


@pytest.mark.parametrize("first_again", [StepDone, Evaluated])
def test_what_a_killed_training_recorded_after_its_checkpoint_is_not_there_twice(store, first_again):
    run = store.create({})
    everything = list(train(TrainConfig(data="short", epochs=2), store.checkpoints(run.id)))
    with Recorder(store, run.id) as recorder:
        for progress in everything:
            recorder.write(progress)
    whole = in_store(store, run.id)
    # the checkpoint is from the first epoch's end: before its evaluation, or after it
    begin = next(i for i, p in enumerate(everything) if p.step == (3 if first_again is Evaluated else 4))
    again = [p for p in everything[begin:] if isinstance(p, Evaluated) or p.step > 3]
    assert isinstance(again[0], first_again)
    with Recorder(store, run.id) as recorder:
        recorder.write(Loading(epoch=0, epochs=2, step=0, steps=0))
        for progress in again:
            recorder.write(progress)
    assert in_store(store, run.id) == whole
    assert [e.epoch for e in store.evaluations(run.id)] == [0, 1, 2]
    steps = [step for step, _ in in_tensorboard(store, run.id)["train/loss"]]
    assert steps == [step for step, _ in whole["train/loss"]]


def test_the_detection_table_is_made_of_what_was_evaluated(store, data):
    run = store.create({})
    truths = read_split(data, "val").to_dict()
    found = Detections([5, 9], [0, 1], [0, 0], [0.9, 0.2], [[10, 10, 30, 30], [0, 0, 50, 50]])
    evaluated = replace(EPOCH, epoch=0, step=0, detections=found, ground_truth=truths, is_best=False)
    with Recorder(store, run.id) as recorder:
        recorder.write(evaluated)
    (evaluation,) = store.evaluations(run.id)
    assert evaluation.table == store.table_path(run.id, 0)
    assert read_table(evaluation.table).to_pylist() == detection_table(truths, found, LABELS).to_pylist()
    assert read_table(store.watched_path(run.id, 0)).equals(read_table(evaluation.table))  # of so few images all


def test_a_table_is_written_although_the_runs_folder_was_deleted_under_it(store, data):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(STEP)
        shutil.rmtree(store.folder(run.id))
        truths = read_split(data, "val").to_dict()
        recorder.write(replace(EPOCH, detections=Detections.empty(), ground_truth=truths))
    assert read_table(store.evaluations(run.id)[0].table).num_rows == 1
    assert read_table(store.watched_path(run.id, 1)).num_rows == 1


def test_without_detections_there_is_no_table_and_nothing_to_watch(store):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(EPOCH)
    assert store.evaluations(run.id)[0].table is None and not store.watched_path(run.id, 1).exists()


def test_the_preflight_and_the_profile_are_kept_with_the_run(store):
    run = store.create({})
    checks = Check("Disk", True, "5 GB free."), Check("Mapping", False, "AP 3.")
    operators = [{"name": "aten::mm", "calls": 10, "cpu_ms": 3.5, "gpu_ms": 0.0}]
    with Recorder(store, run.id) as recorder:
        shutil.rmtree(store.folder(run.id))  # by hand, meanwhile
        recorder.write(PreflightRunning(**COMMON, epoch=0, step=0, picture=Image.new("RGB", (8, 6))))
        recorder.write(PreflightDone(**COMMON, epoch=0, step=0, checks=checks))
        recorder.write(replace(STEP, profile=Profile(10, operators, b"trace")))
    assert json.loads(store.preflight_path(run.id).read_text())["checks"] == [asdict(check) for check in checks]
    with Image.open(store.preflight_picture(run.id)) as picture:
        assert picture.size == (8, 6)
    assert json.loads(store.profile_path(run.id).read_text()) == {"steps": 10, "operators": operators}
    assert store.trace_path(run.id).read_bytes() == b"trace"


HALVED = Remark(
    rule="batch_halved", level=Level.INFO, title="Halved", cause="why", evidence="seen", advice="change", step=1
)


def test_what_the_training_says_of_itself_is_kept_and_outlives_a_resume(store):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(replace(STEP, remarks=(HALVED,)))
    with Recorder(store, run.id) as recorder:
        recorder.write(replace(EPOCH, remarks=(replace(HALVED, rule="stopped_early", level=Level.CRITICAL),)))
    assert [r["rule"] for r in store.get(run.id).remarks] == ["stopped_early", "batch_halved"]
    assert Remark(**store.get(run.id).remarks[1]) == HALVED


def test_the_doctors_remarks_are_kept_and_the_same_after_a_resume(store):
    def record(*parts):
        run = store.create(TrainConfig(data="short", epochs=9).to_dict())
        for part in parts:
            with Recorder(store, run.id) as recorder:
                for progress in part:
                    recorder.write(progress)
        return store.get(run.id).remarks

    steps = [
        replace(STEP, step=n, metrics={"train/loss": 3.0, "train/grad_norm": 9.0, "train/wait": 0.8})
        for n in range(1, 201)
    ]
    whole = [*steps, replace(EPOCH, step=200)]
    remarks = record(whole)
    assert {"waiting_for_data", "always_clipped"} <= {r["rule"] for r in remarks}
    assert record(whole[:90], whole[90:]) == remarks


def test_one_step_left_out_of_400_is_one_remark_at_the_doctors_level(store):
    run = store.create(TrainConfig(data="short", epochs=9, not_finite="skip").to_dict())
    steps = [replace(STEP, step=n, metrics={"train/loss": 5.0}) for n in range(1, 401)]
    steps[199] = replace(STEP, step=200, metrics={"train/skipped": 1.0}, skipped_images=(7, 9))
    for part in (steps[:300], [*steps[300:], replace(EPOCH, step=400)]):  # stopped at step 300, and resumed
        with Recorder(store, run.id) as recorder:
            for progress in part:
                recorder.write(progress)
        (remark,) = store.get(run.id).remarks
        assert (remark["rule"], remark["level"], remark["step"]) == ("not_finite", "warning", 200)
        assert "steps left out: 1, the last one on the images 7, 9." in remark["evidence"]


def test_what_a_training_said_of_a_step_left_out_in_an_older_version_gives_way_to_the_doctor(store):
    run = store.create(TrainConfig(data="short").to_dict())
    store.record(run.id, 1, {"train/skipped": 1.0})
    store.update(run.id, remarks=[replace(HALVED, rule="not_finite", level=Level.CRITICAL).to_dict()])
    with Recorder(store, run.id) as recorder:
        recorder.write(replace(EPOCH, step=1))
    assert [(r["rule"], r["level"]) for r in store.get(run.id).remarks] == [("not_finite", "warning")]


def test_events_of_a_resumed_run_come_last_also_if_the_clock_was_set_back(store, monkeypatch):
    run = store.create({})
    with Recorder(store, run.id) as recorder:
        recorder.write(STEP)
    monkeypatch.setattr("core.runs.tensorboard.event_file.time.time", lambda: 1_000_000.0)
    with Recorder(store, run.id) as recorder:
        recorder.write(replace(STEP, step=2, metrics={"train/loss": 1.25}))
    assert in_tensorboard(store, run.id)["train/loss"] == [(1, 1.5), (2, 1.25)]

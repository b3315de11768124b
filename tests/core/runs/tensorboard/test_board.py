"""core/runs/tensorboard: what a run leaves is what TensorBoard's own reader and plugins show of it."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.plugins.hparams import api_pb2
from tensorboard.util.tensor_util import make_ndarray

from core.boxes import Detections
from core.config import TrainConfig
from core.datasets.split import read_split
from core.evaluation.findings.curves import precision_recall
from core.evaluation.findings.threshold_curve import SCORES, threshold_curve
from core.evaluation.table import read_table
from core.evaluation.tide import detection_table
from core.labels import LabelMap
from core.runs.drive import drive, follow
from core.runs.queue import RunQueue
from core.runs.recorder import Recorder
from core.runs.store import RunStore
from core.runs.tensorboard.board import Board
from core.runs.tensorboard.curves import MOST_CLASSES, TAG, pr_values
from core.runs.tensorboard.pictures import LONGEST, MOST, WatchedPictures
from core.training.events import Evaluated
from tests.core.coco_cases import gt_of
from tests.core.runs.fake_training import figures, train
from tests.core.runs.tensorboard.in_tensorboard import curves, pictures, scalars, served_curves, sessions
from tests.core.runs.watching import STEPS, record_epochs

HOSTILE = "<script>alert(1)</script>/..\u202e\x1b[31m猫 & \"'"
FOUND, WRONG, MISSED = 0, 1, 3  # rows of TensorBoard's curves


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, street):
    """A run of two epochs, recorded with its pictures: (store, run's id)."""
    store = RunStore(tmp_path_factory.mktemp("recorded"))
    run = store.create(TrainConfig(data=str(street), epochs=2).to_dict(), name=HOSTILE)
    record_epochs(store, run.id, range(3), 2, with_pictures=True)
    yield store, run.id
    store.close()


def folder_of(recorded):
    store, run_id = recorded
    return store.folder(run_id)


def test_the_watched_pictures_are_there_at_every_evaluation_small_and_with_boxes(recorded, street):
    shown = pictures(folder_of(recorded))
    names = {image["file_name"] for image in read_split(street, "val").images}
    assert 0 < len(shown) == min(MOST, len(names))
    assert {tag.partition(" ")[2] for tag in shown} <= names and all(tag.startswith("watched/") for tag in shown)
    for found in shown.values():
        assert [step for step, *_ in found] == [0, STEPS, 2 * STEPS]
        for _, width, height, file in found:
            with Image.open(io.BytesIO(file)) as picture:
                picture.load()
                assert (picture.format, picture.size) == ("JPEG", (width, height))
            assert max(width, height) == LONGEST


def test_boxes_are_green_where_an_object_is_and_red_where_one_is_predicted(tmp_path, street):
    split = read_split(street, "val")
    image = next(i for i in split.images if split.annotations_by_image[i["id"]])
    white = tmp_path / "white.jpg"
    Image.new("RGB", (image["width"], image["height"]), "white").save(white)

    def colours(table) -> tuple[int, int]:
        values = WatchedPictures(0).values(table, [image], lambda entry: white)
        pixels = np.asarray(Image.open(io.BytesIO(values[0].tensor.string_val[2]))).astype(int)
        red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
        return int(((red > 180) & (green < 110)).sum()), int(((green > 140) & (red < 90) & (blue < 150)).sum())

    gt = {**split.to_dict(), "images": [image], "annotations": split.annotations_by_image[image["id"]]}
    nothing = detection_table(gt, Detections.empty(), split.label_map())
    box = [[5, 5, image["width"] - 5, image["height"] - 5]]
    predicted = detection_table(gt, Detections([image["id"]], [0], [0], [0.9], box), split.label_map())
    (no_red, green), (red, _) = colours(nothing), colours(predicted)
    assert no_red == 0 and green > 50 and red > 500


def test_a_picture_that_cannot_be_read_costs_that_picture_only(street):
    split = read_split(street, "val")
    table = detection_table(split.to_dict(), Detections.empty(), split.label_map())
    first, second, *rest = sorted(image["id"] for image in split.images)

    def path_of(image):
        return None if image["id"] == first else Path("gone.jpg") if image["id"] == second else split.path_of(image)

    drawing = WatchedPictures(0)
    for _ in range(2):  # also when it is tried again
        values = drawing.values(table, split.images, path_of)
        assert [int(v.tag.split()[0].removeprefix("watched/")) for v in values] == rest


def test_curves_are_those_of_results(recorded):
    store, run_id = recorded
    shown, table = curves(store.folder(run_id)), read_table(store.table_path(run_id, 2))
    names = read_split(store.get(run_id).config["data"], "val").used_names
    assert set(shown) == {TAG, *(f"{TAG}/{name}" for name in names)}
    for tag, found in shown.items():
        assert [step for step, _ in found] == [0, STEPS, 2 * STEPS]
        classes = None if tag == TAG else [tag.removeprefix(f"{TAG}/")]
        last, expected = found[-1][1], threshold_curve(table, classes)
        assert last.shape == (6, len(SCORES)) and (last[FOUND] + last[MISSED] == expected.n).all()
        defined = np.array([p is not None for p in expected.precision])
        assert np.allclose(last[4][defined], [p for p in expected.precision if p is not None], atol=1e-6)
        assert np.allclose(last[5], expected.recall, atol=1e-6)
        if classes:  # the points of the class's own curve in Results, at these thresholds
            curve = precision_recall(table, *classes)
            counted = (curve.raw_score[None] >= SCORES.astype(np.float32)[:, None]).sum(axis=1)
            assert (last[FOUND] + last[WRONG] == counted).all()
            assert np.allclose(last[5][counted > 0], curve.raw_recall[counted[counted > 0] - 1], atol=1e-6)


def test_the_tab_of_curves_serves_them_up_to_the_last_prediction(recorded):
    store, run_id = recorded
    first, *_ = served_curves(store.runs_dir, run_id, TAG)
    assert first["step"] == 0 and first["thresholds"] == pytest.approx(SCORES[: len(first["thresholds"])])
    assert first["true_positives"][-1] + first["false_positives"][-1] > 0


def test_one_class_without_a_detection_has_a_curve_of_nothing_found():
    table = detection_table(gt_of((1, 1, (0, 0, 10, 10))), Detections.empty())
    values = pr_values(table)
    assert [value.tag for value in values] == [TAG, f"{TAG}/car"]
    for value in values:
        rows = make_ndarray(value.tensor)
        assert not rows[[FOUND, WRONG, 2, 4, 5]].any() and (rows[MISSED] == 1).all()


def test_of_many_classes_those_with_the_most_objects_have_curves_and_without_objects_there_is_none():
    n = MOST_CLASSES + 5
    boxes = [(c, b) for c in range(1, n + 1) for b in range(2 if c % 2 else 1)]
    gt = {
        "images": [{"id": 1, "file_name": "1.jpg", "width": 999, "height": 99}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": c, "bbox": [20 * b, 0, 9, 9], "area": 81, "iscrowd": 0}
            for i, (c, b) in enumerate(boxes, 1)
        ],
        "categories": [{"id": c, "name": f"{HOSTILE} {c}"} for c in range(1, n + 1)],
    }
    tags = [value.tag for value in pr_values(detection_table(gt, Detections.empty()))]
    odd = [f"{TAG}/{HOSTILE} {c}" for c in range(1, n + 1, 2)]
    assert tags[: 1 + len(odd)] == [TAG, *odd] and len(tags) == 1 + MOST_CLASSES
    assert pr_values(detection_table(gt | {"annotations": []}, Detections.empty())) == []


def test_the_tab_of_hyperparameters_compares_runs_by_settings_and_figures(recorded):
    store, run_id = recorded
    (name,) = [name for name in sessions(store.runs_dir) if name.startswith(run_id)]
    status, settings, shown = sessions(store.runs_dir)[name]
    assert status == api_pb2.STATUS_SUCCESS
    assert settings["lr"] == store.get(run_id).config["lr"] and settings["augment"] == "flip"
    assert settings["deterministic"] is False and "script" in settings["run"] and settings["run"].isprintable()
    last, run = store.evaluations(run_id)[-1], store.get(run_id)
    expected = {f"model/{name}": last.figures[name] for name in ("AP", "AP50", "AP75", "APs")}
    expected = {tag: value for tag, value in expected.items() if value is not None}
    assert shown == pytest.approx(expected | {"model/best AP": run.best_ap})


def test_a_run_is_a_success_a_failure_or_without_an_end_and_a_resumed_one_has_its_last(store):
    def run_of(kind, stop_at=None):
        run = store.create(TrainConfig(data=kind, epochs=2).to_dict())
        if stop_at is None:
            return drive(store, run.id, train).id
        following = follow(store, run.id, train)
        next(p for p in following if p.step == stop_at)
        following.close()
        return run.id

    whole, broken, stopped = run_of("short"), run_of("crash"), run_of("short", stop_at=4)
    ends = {name.split("/")[0].split(os.sep)[0]: session for name, session in sessions(store.runs_dir).items()}
    assert [ends[run][0] for run in (whole, broken, stopped)] == [
        api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_UNKNOWN,
    ]  # fmt: skip
    assert ends[stopped][2] == pytest.approx({f"model/{n}": 0.3 for n in ("AP", "AP50", "AP75", "APs", "best AP")})
    for run in (broken, stopped):  # both go on to their end
        RunQueue(store).requeue(run)
        store.update(run, config=TrainConfig(data="short", epochs=3).to_dict())
        drive(store, run, train)
    ends = {name.split("/")[0].split(os.sep)[0]: session for name, session in sessions(store.runs_dir).items()}
    for run in (broken, stopped):
        status, settings, shown = ends[run]
        assert status == api_pb2.STATUS_SUCCESS and settings["epochs"] == 3
        assert shown["model/AP"] == pytest.approx(0.4) and shown["model/best AP"] == pytest.approx(0.5)
        points = scalars(store.folder(run) / "hparams")["model/AP"]
        assert [step for step, _ in points] == [0, 3, 6, 9]


def test_a_resumed_run_has_each_picture_and_curve_once(store, street):
    run = store.create(TrainConfig(data=str(street), epochs=3).to_dict())
    record_epochs(store, run.id, range(4), 3, with_pictures=True)  # killed; the checkpoint is of epoch 1
    record_epochs(store, run.id, range(2, 4), 3, with_pictures=True)
    folder = store.folder(run.id)
    steps = [0, STEPS, 2 * STEPS, 3 * STEPS]
    for found in (*pictures(folder).values(), *curves(folder).values(), *scalars(folder / "hparams").values()):
        assert [step for step, *_ in found] in (steps, steps[1:])  # there is no best model before the first epoch
    assert [step for step, _ in scalars(folder)["train/loss"]] == list(range(1, 3 * STEPS + 1))


def test_a_hostile_class_has_its_curves_and_a_run_without_pictures_its_figures(store, tmp_path):
    gt = gt_of((1, 1, (0, 0, 10, 10)))
    gt["categories"][0]["name"] = HOSTILE
    labels = LabelMap((HOSTILE,), (1,))
    run = store.create(TrainConfig(data=str(tmp_path)).to_dict(), name=HOSTILE)
    with Recorder(store, run.id) as recorder:
        recorder.write(
            Evaluated(
                epoch=0, epochs=1, step=0, steps=1, label_map=labels, metrics={f"val/AP/{HOSTILE}": 0.5},
                figures=figures(None), detections=Detections.empty(), ground_truth=json.loads(json.dumps(gt)),
                picture_path=lambda image: tmp_path / image["file_name"],
            )
        )  # fmt: skip
    folder = store.folder(run.id)
    assert set(curves(folder)) == {TAG, f"{TAG}/{HOSTILE}"} and pictures(folder) == {}
    assert scalars(folder) == {f"val/AP/{HOSTILE}": [(0, 0.5)]}
    ((_, settings, shown),) = sessions(store.runs_dir).values()
    assert shown == {} and "\x1b" not in settings["run"]


@pytest.mark.parametrize("left", [1, 11, 12, 2_000, -1])
def test_a_record_that_a_killed_writer_left_in_part_hides_nothing_before_it(recorded, tmp_path, left):
    store, run_id = recorded
    (source,) = store.folder(run_id).glob("events.*")
    whole = source.read_bytes()
    starts, at = [], 0
    while at < len(whole):  # a record: its length, a checksum of that, the data, a checksum of it
        starts.append(at)
        at += 16 + int.from_bytes(whole[at : at + 8], "little")
    largest = max(range(2, len(starts)), key=lambda i: (starts[i + 1] if i + 1 < len(starts) else at) - starts[i])
    end = starts[largest + 1] - 1 if left == -1 else starts[largest] + left
    (tmp_path / source.name).write_bytes(whole[:end])
    before = scalars(tmp_path)
    assert before and all(scalars(store.folder(run_id))[tag][: len(p)] == p for tag, p in before.items())
    board = Board(tmp_path, store.get(run_id), purge_from=999)
    board.add(999, {"train/loss": 7.0})
    board.close(None)
    assert scalars(tmp_path)["train/loss"] == [*before.get("train/loss", []), (999, 7.0)]


def test_what_cannot_be_written_at_the_end_does_not_hide_how_the_training_ended(store):
    run = store.create(TrainConfig(data="short").to_dict())
    board = Board(_made(store.folder(run.id)), run, purge_from=0)

    def full(*_):
        raise OSError(28, "No space left on device")

    board._session._file._records.write = full
    board.close(False)
    assert sessions(store.runs_dir)[f"{run.id}{os.sep}hparams"][0] == api_pb2.STATUS_UNKNOWN


def _made(folder):
    folder.mkdir(parents=True)
    return folder

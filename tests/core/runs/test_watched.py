"""core/runs/watched.py: which images are watched, and what a real training leaves of them."""

import shutil
from contextlib import closing
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.config import TrainConfig
from core.evaluation.selection import Selection, select_images
from core.evaluation.table import read_table, table_metadata, write_table
from core.evaluation.threshold import count_errors, image_rows
from core.evaluation.tide import detection_table
from core.runs.bin import Bin
from core.runs.recorder import Recorder
from core.runs.store import RunStore
from core.runs.watched import MOST, frames, part_of, watched_images
from core.training.events import StepDone
from core.training.train import train
from tests.core.coco_cases import cases, gt_of

SIDES = {"small": 10, "medium": 50, "large": 99}


@st.composite
def scenes(draw):
    """A COCO dict of up to 40 images with ids in any order, and how many are to be watched."""
    images = draw(st.lists(st.integers(-5, 10**12), min_size=1, max_size=40, unique=True))
    classes = draw(st.integers(1, 8))
    one = st.tuples(st.sampled_from(images), st.integers(1, classes), st.sampled_from([*SIDES]), st.booleans())
    objects = draw(st.lists(one, max_size=30))
    annotations = [
        {"id": i, "image_id": image, "category_id": category, "bbox": [0, 0, SIDES[size], SIDES[size]],
         "area": SIDES[size] ** 2, "iscrowd": int(crowd)}
        for i, (image, category, size, crowd) in enumerate(objects, 1)
    ]  # fmt: skip
    gt = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 100, "height": 100} for i in images],
        "annotations": annotations,
        "categories": [{"id": i, "name": f"class {i}"} for i in range(1, classes + 1)],
    }
    return gt, draw(st.integers(1, MOST))


def shown_on(gt: dict, image_ids) -> tuple[set, set]:
    """The classes and the sizes of the objects on these images; crowds are none."""
    objects = [a for a in gt["annotations"] if not a["iscrowd"] and a["image_id"] in set(image_ids)]
    return {a["category_id"] for a in objects}, {a["area"] for a in objects}


@settings(deadline=None)
@given(scenes(), st.integers(0, 3), st.randoms(use_true_random=False))
def test_the_choice_depends_on_no_order_and_on_no_prediction(scene, seed, chance):
    gt, most = scene
    chosen = watched_images(detection_table(gt, []), seed, most)
    assert list(chosen) == sorted(set(chosen)) and set(chosen) <= {image["id"] for image in gt["images"]}
    assert len(chosen) == min(most, len(gt["images"]))
    other = {key: chance.sample(values, len(values)) for key, values in gt.items()}
    image, category = (chance.choice(gt[key])["id"] for key in ("images", "categories"))
    found = [{"image_id": image, "category_id": category, "bbox": [0, 0, 50, 50], "score": 0.5}]
    assert watched_images(detection_table(other, found), seed, most) == chosen


@settings(deadline=None)
@given(scenes(), st.integers(0, 3))
def test_the_choice_shows_all_classes_and_sizes_and_prefers_images_with_objects(scene, seed):
    gt, most = scene
    chosen = watched_images(detection_table(gt, []), seed, most)
    classes, sizes = shown_on(gt, [image["id"] for image in gt["images"]])
    shown = shown_on(gt, chosen)
    if len(classes) <= most:
        assert shown[0] == classes
    if len(classes) + len(sizes) <= most:
        assert shown[1] == sizes
    with_objects = {a["image_id"] for a in gt["annotations"] if not a["iscrowd"]}
    assert with_objects <= set(chosen) or set(chosen) <= with_objects


def test_the_choice_is_drawn_by_the_seed_and_an_added_image_changes_little_of_it():
    objects = [(i, 1 + i % 3, (0, 0, 10, 10)) for i in range(1, 201)]
    choices = [set(watched_images(detection_table(gt_of(*objects, images=200), []), seed)) for seed in range(4)]
    assert all(len(one & other) < 12 for one in choices for other in choices if one is not other)
    more = detection_table(gt_of(*objects, (201, 1, (0, 0, 10, 10)), images=201), [])
    assert len(set(watched_images(more, 0)) & choices[0]) >= MOST - 2


def test_without_images_or_without_objects_there_is_nothing_to_prefer():
    assert watched_images(detection_table(gt_of(images=0), [])) == ()
    assert watched_images(detection_table(gt_of(images=3), [])) == (1, 2, 3)


# A part of a table


@settings(deadline=None)
@given(cases(), st.data())
def test_a_part_is_the_tables_rows_of_its_images_and_a_table_of_its_own(case, data):
    gt, results = case
    table = detection_table(gt, results)
    ids = data.draw(st.lists(st.sampled_from(table_metadata(table).image_ids), unique=True))
    part = part_of(table, ids)
    assert part.schema.equals(table.schema)
    assert part.to_pylist() == [row for row in table.to_pylist() if row["image_id"] in ids]
    assert table_metadata(part).image_ids == tuple(sorted(ids)) and len(table_metadata(part).sizes) == len(ids)
    assert table_metadata(part).classes == table_metadata(table).classes
    assert sorted(select_images(part, Selection(0.25))) == sorted(ids)
    assert all(image_rows(part, i, 0.25) == image_rows(table, i, 0.25) for i in ids)
    assert (
        sum(count_errors(part_of(table, [i]), 0.25)["missed"] for i in table_metadata(table).image_ids)
        == (count_errors(table, 0.25)["missed"])
    )


def test_a_written_part_is_read_again_whole(tmp_path):
    part = part_of(detection_table(gt_of((1, 1, (0, 0, 10, 10)), (2, 1, (0, 0, 9, 9)), images=3), []), (2, 3))
    write_table(part, tmp_path / "part.parquet")
    assert read_table(tmp_path / "part.parquet").equals(part)
    assert table_metadata(read_table(tmp_path / "part.parquet")).image_ids == (2, 3)


@pytest.fixture(scope="module")
def killed(street, tmp_path_factory):
    """A training of two epochs that was killed after its last evaluation and went on from the first one's checkpoint.

    The store, the run, and the watched images' rows at each epoch before the kill.
    """
    config = TrainConfig(
        data=str(street), model="random", epochs=2, batch_size=4, lr=1e-3, lr_backbone=1e-4, lr_head=1e-3,
        shortest_edge=72, longest_edge=96, workers=0, threads=1, device="cpu", seed=5,
    )  # fmt: skip
    store = RunStore(tmp_path_factory.mktemp("killed"))
    run = store.create(config.to_dict())
    folder, copy = store.checkpoints(run.id), store.root / "copy"
    with Recorder(store, run.id) as recorder, closing(train(config, folder)) as steps:
        for progress in steps:
            recorder.write(progress)
            if isinstance(progress, StepDone) and progress.epoch == 1 and not copy.exists():
                shutil.copytree(folder, copy)
    before = {f.epoch: read_table(f.path) for f in frames(store, run.id)}
    shutil.rmtree(folder)
    copy.rename(folder)
    with Recorder(store, run.id) as recorder:
        for progress in train(config, folder, resume=True):
            recorder.write(progress)
            if isinstance(progress, StepDone) and progress.step == 4:
                assert [f.epoch for f in frames(store, run.id)] == [0, 1]
    yield store, run, before
    store.close()


def test_a_training_leaves_one_part_of_each_evaluated_epoch_also_if_it_was_killed(killed):
    store, run, before = killed
    found = frames(store, run.id)
    assert [f.epoch for f in found] == [*before] == [0, 1, 2]
    assert [p.name for p in sorted(store.watched_path(run.id, 0).parent.iterdir())] == [f.path.name for f in found]
    assert (
        len(
            {table_metadata(read_table(f.path)).image_ids for f in found}
            | {table_metadata(t).image_ids for t in before.values()}
        )
        == 1
    )
    for frame in found:  # the same training again gives the same boxes
        assert read_table(frame.path).equals(before[frame.epoch])


def test_a_trainings_parts_are_rows_of_its_whole_tables_and_its_losses_are_there(killed):
    store, run, _ = killed
    for evaluation in store.evaluations(run.id):
        if evaluation.table:
            part = read_table(store.watched_path(run.id, evaluation.epoch))
            assert part.equals(part_of(read_table(evaluation.table), table_metadata(part).image_ids))
            assert part.num_rows > len(table_metadata(part).image_ids)
    for frame in frames(store, run.id):
        losses = asdict(frame.val)
        assert all(losses[name] is not None for name in ("loss", "loss_ce", "loss_bbox", "loss_giou"))
        assert (frame.train.loss_ce is None) == (frame.train.loss is None) == (frame.epoch == 0)


def test_a_deleted_run_leaves_no_part(killed, tmp_path):
    store, run, _ = killed
    copy = RunStore(shutil.copytree(store.root, tmp_path / "copy"))
    copy.update(run.id, status="finished")
    Bin(copy).delete(run.id)
    Bin(copy).remove([run.id])
    assert not list(copy.root.rglob("*.parquet"))
    copy.close()

"""core/datasets/resplit/: folds and shares are whole data sets: classes are spread, pictures are there."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import DataError
from core.datasets.resplit.draw import draw_folds, draw_shares
from core.datasets.resplit.write import pool_of, write_dataset
from core.datasets.split import examine_splits, read_split

objects = st.integers(8, 60).flatmap(
    lambda count: st.tuples(
        st.just(count), st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, 4)), min_size=1, max_size=150)
    )
)


def columns(pairs):
    return tuple(np.array(one, dtype=np.int64) for one in zip(*pairs, strict=True))


@given(objects, st.integers(2, 4), st.integers(0, 5))
@settings(max_examples=60)
def test_each_image_is_in_one_fold_and_folds_have_their_share(case, k, seed):
    count, pairs = case
    folds = draw_folds(columns(pairs), count, k, [], seed)
    assert sorted(image for fold in folds for image in fold) == list(range(count))
    assert len(folds) == k and all(fold for fold in folds)


def test_folds_spread_the_classes_and_keep_groups_together():
    rng = np.random.default_rng(0)
    images = np.arange(200)
    classes = rng.choice(4, 200, p=(0.6, 0.25, 0.1, 0.05))
    groups = [[0, 17, 60], [5, 199]]
    folds = draw_folds((images, classes), 200, 5, groups, 0)
    for of_class in range(4):
        counts = [int((classes[fold] == of_class).sum()) for fold in folds]
        assert max(counts) - min(counts) <= 6
    for group in groups:
        assert sum(not set(group).isdisjoint(fold) for fold in folds) == 1
    assert max(map(len, folds)) - min(map(len, folds)) <= 5
    assert draw_folds((images, classes), 200, 5, groups, 0) == folds != draw_folds((images, classes), 200, 5, groups, 1)


@given(objects, st.integers(0, 5))
@settings(max_examples=60)
def test_shares_are_nested_and_as_large_as_they_say(case, seed):
    count, pairs = case
    shares = draw_shares(columns(pairs), count, [1, 0.5, 0.25], seed)
    assert [len(shares[share]) for share in (0.25, 0.5, 1)] == [max(round(count / 4), 1), round(count / 2), count]
    assert set(shares[0.25]) <= set(shares[0.5]) <= set(shares[1])


def test_each_seed_draws_other_images():
    rng = np.random.default_rng(0)
    many = rng.integers(0, 60, 200), rng.integers(0, 5, 200)
    assert len({tuple(draw_shares(many, 60, [0.25, 1], seed)[0.25]) for seed in range(5)}) == 5


# Written


def written(tmp_path, folder, **parts):
    pool = pool_of({part: read_split(folder, part) for part in ("train", "val")})
    out = tmp_path / ".experiments/x/fold-1"
    write_dataset(pool, {name: pool.ids(rows) for name, rows in parts.items()}, out, {"fold": 1})
    return pool, out


def test_a_written_data_set_has_its_images_with_their_boxes_and_pictures(tmp_path, street):
    before = {part: read_split(street, part) for part in ("train", "val")}
    pool, out = written(tmp_path, street, train=range(3, 18), val=range(3))
    assert len(pool.images) == 18 and pool.rows == {"train": 0, "val": 12}
    splits = examine_splits(out)
    assert {name: (len(one.images), one.problems) for name, one in splits.items()} == {
        "train": (15, ()),
        "val": (3, ()),
    }
    assert all(one.image_path(image).exists() for one in splits.values() for image in one.images)
    original = {image["id"]: image for one in before.values() for image in one.images}
    boxes = {a["id"]: a["bbox"] for one in before.values() for a in one.annotations}
    for split in splits.values():
        for image in split.images:
            assert original[image["id"]]["file_name"] == image["file_name"].split("/")[-1]
        assert all(boxes[a["id"]] == a["bbox"] for a in split.annotations)
    assert sum(len(one.annotations) for one in splits.values()) == len(boxes)
    assert json.loads((out / "annotations/instances_val.json").read_text())["info"]["detr_lab"] == {"fold": 1}


def two_parts(folder, categories=({"id": 1, "name": "car"}, {"id": 2, "name": "dog"})):
    """Both parts call their first image 1, in folders of their own, and the validation part its classes otherwise."""
    for part, of_part in (("train", categories), ("val", [{"id": 1, "name": "dog"}, {"id": 7, "name": "car"}])):
        (folder / part).mkdir(parents=True)
        (folder / "annotations").mkdir(exist_ok=True)
        images = [{"id": i, "file_name": f"{i}.png", "width": 40, "height": 40} for i in (1, 2, 3)]
        for image in images:
            Image.new("RGB", (40, 40), (50 * image["id"], 100 * (part == "val"), 0)).save(
                folder / part / image["file_name"]
            )
        annotations = [
            {"id": i, "image_id": i, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
            for i in (1, 2, 3)
        ]
        content = {"images": images, "annotations": annotations, "categories": list(of_part)}
        (folder / f"annotations/instances_{part}.json").write_text(json.dumps(content))
    return folder


def test_ids_that_both_parts_use_are_told_apart_and_classes_go_by_their_names(tmp_path):
    _, out = written(tmp_path, two_parts(tmp_path / "data"), train=[0, 3, 4], val=[1, 2, 5])
    for part, names in (("train", ["car", "dog", "dog"]), ("val", ["car", "car", "dog"])):
        split = read_split(out, part)
        assert split.problems == () and len({image["id"] for image in split.images}) == 3
        by_id = {category["id"]: category["name"] for category in split.categories}
        assert [by_id[a["category_id"]] for a in split.annotations] == names
        green = [Image.open(split.image_path(image)).getpixel((0, 0))[1] for image in split.images]
        assert [bool(value) for value in green] == [name == "dog" for name in names]


def test_a_part_without_images_is_refused_and_leaves_nothing(tmp_path, street):
    with pytest.raises(DataError, match="The part val of"):
        written(tmp_path, street, train=range(18), val=[])
    assert not (tmp_path / ".experiments/x/fold-1").exists()

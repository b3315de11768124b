"""However odd a file is, a check, a training, an evaluation, an import and a subset see the same images and boxes."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import DataError
from core.datasets.check import check_boxes
from core.datasets.coco_json import read_coco
from core.datasets.part import save_subset, take_subset
from core.datasets.problems import ProblemKind, Severity
from core.datasets.split import examine_splits, read_split
from core.datasets.subset import Subset, choose_images
from core.evaluation.coco_files import read_truth
from core.runs.evaluated.images import read_imported_split

SIZE = (64, 48)
NAMES = [f"{number}.jpg" for number in range(1, 5)]
REFERENCES = [
    1,
    "1",
    "001",
    1.0,
    2,
    "2",
    3,
    "3.0",
    4,
    "abc",
    "abc ",
    2**53 + 1,
    str(2**53 + 1),
    -1,
    "-1",
    10**30,
    None,
    [1],
]

images = st.fixed_dictionaries(
    {"id": st.sampled_from(REFERENCES), "file_name": st.sampled_from(NAMES)},
    optional={"width": st.sampled_from([64, "64", 64.0, None]), "height": st.sampled_from([48, "48", 0])},
)
categories = st.fixed_dictionaries(
    {"id": st.sampled_from(REFERENCES), "name": st.sampled_from(["car", "dog", "bus", None, 7])},
    optional={"supercategory": st.sampled_from(["none", "thing"])},
)
annotations = st.fixed_dictionaries(
    {
        "image_id": st.sampled_from([*REFERENCES, "1.jpg", "2"]), "category_id": st.sampled_from([*REFERENCES, "car"]),
        "bbox": st.sampled_from(
            [[4, 4, 9, 9], ["5", "5", 20, 20.5], [1, 2, 30, 12], None, [], [0, 0, 0, 0], [1, 2, "x", 4]]
        ),
    },
    optional={
        "area": st.sampled_from([50, "50", 1e9]), "iscrowd": st.sampled_from([0, 1, "1", "0", True]),
        "segmentation": st.sampled_from([[[4, 4, 20, 4, 20, 20]], []]),
    },
)  # fmt: skip
entries = st.tuples(
    *(st.lists(one | st.sampled_from([7, None]), min_size=1, max_size=6) for one in (images, annotations, categories))
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for split in ("train", "val"):
        (folder / split).mkdir()
        for name in NAMES:
            Image.new("RGB", SIZE).save(folder / split / name)
    (folder / "annotations").mkdir()
    return folder


def rows(annotations, categories) -> list[tuple]:
    names = {category["id"]: category["name"] for category in categories}
    return [
        (a["id"], a["image_id"], names[a["category_id"]], tuple(np.round(a["bbox"], 3)), a["area"], a["iscrowd"])
        for a in annotations
    ]


@settings(max_examples=60, deadline=None)
@given(entries)
def test_all_readers_see_the_same(folder, tmp_path_factory, parts):
    gt = dict(zip(("images", "annotations", "categories"), parts, strict=True))
    gt["annotations"] = [a | {"id": i} if isinstance(a, dict) else a for i, a in enumerate(parts[1], start=1)]
    for split in ("train", "val"):
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(gt))
    path = folder / "annotations/instances_val.json"
    checked = examine_splits(folder)
    if checked["val"].is_broken:
        with pytest.raises(DataError):
            read_split(folder, "val")
        return
    trained, truth = read_split(folder, "val"), read_truth(path)
    assert trained.to_dict() == checked["val"].to_dict() and trained.problems == checked["val"].problems
    seen = rows(trained.annotations, trained.categories)

    # an evaluation keeps boxes that teach nothing, and images that no size is known of
    judged = rows(truth.annotations, truth.categories.kept)
    assert [row for row in judged if row in seen] == seen
    left_out = sum(
        problem.count for problem in trained.problems
        if problem.kind in (ProblemKind.NO_EXTENT, ProblemKind.OUTSIDE, ProblemKind.SAME_ANNOTATION)
    )  # fmt: skip
    assert len(judged) == len(seen) + left_out
    assert [image["id"] for image in truth.images.kept] == [image["id"] for image in trained.images]
    if imported := read_or(lambda: read_imported_split(path, folder / "val"), "lists no"):
        assert {i["id"]: (i["width"], i["height"]) for i in imported.images} == {
            i["id"]: (i["width"], i["height"]) for i in trained.images
        }
        assert set(seen) <= set(rows(imported.annotations, imported.categories))

    subset = Subset(tuple({row[2] for row in seen}) or ("none",))
    chosen = read_or(lambda: choose_images(path, subset, "val"), "no class|No image|twice|no size")
    if chosen is not None:
        assert {image.id for image in chosen} == {row[1] for row in judged if row[2] in subset.classes}
    out = tmp_path_factory.mktemp("out") / "part"
    read_or(lambda: save_subset(checked, subset, out), "no class|shows")
    if out.exists():
        taken, saved = take_subset(checked["val"], subset), read_split(out, "val")
        assert rows(saved.annotations, saved.categories) == rows(taken.annotations, taken.categories)
        assert [i["id"] for i in saved.images] == [i["id"] for i in taken.images]


def read_or(read, says):
    """What it reads; None if it refuses in these words."""
    try:
        return read()
    except DataError as error:
        if not re.search(says, str(error)):
            raise
        return None


def test_every_problem_is_counted_and_told(folder):
    gt = {
        "images": [{"id": "1", "file_name": "1.jpg", "width": "64", "height": 48}],
        "annotations": [{"id": 1, "image_id": "1.jpg", "category_id": "1", "bbox": ["4", 4, 9, 9], "area": 1e9}],
        "categories": [{"id": "1", "name": "car"}],
    }
    for split in ("train", "val"):
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(gt))
    problems = {
        (p.kind, p.split): p for p in check_boxes(examine_splits(folder)) if p.kind.severity is Severity.REPAIRED
    }
    kinds = (ProblemKind.TEXT_NUMBER, ProblemKind.BY_NAME, ProblemKind.AREA)
    assert set(problems) == {(kind, split) for kind in kinds for split in ("train", "val")}
    assert read_coco(folder / "annotations/instances_val.json").annotations == [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 4, 9, 9], "area": 81, "iscrowd": 0}
    ]

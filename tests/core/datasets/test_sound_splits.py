"""A training gets the images that are sound, is told of the rest, and is stopped where nothing can be done."""

import pytest

from core import DataError
from core.datasets.check import (
    CheckReport,
    sound_splits,
)
from core.datasets.folder.totals import count_totals, summarize_problems
from core.datasets.problems import MOST_EXAMPLES, Problem, ProblemKind, Severity
from core.datasets.split import read_split
from tests.core.datasets import check_cases as cases
from tests.core.datasets.check_cases import BOX, FEW_KINDS, dataset, finish, gt_small, sound


def test_exactly_the_images_of_bad_pictures_are_left_out(tmp_path):
    cases.in_the_pictures(tmp_path / "data")
    (tmp_path / "data/val/2.jpg").write_bytes(b"")
    before = read_split(tmp_path / "data", "train")
    train, val, problems = sound(tmp_path / "data")
    assert [image["id"] for image in train.images] == [4, 5, 6, 7, 8, 9]
    assert [image["id"] for image in val.images] == [1, 3, 4, 5, 6, 7, 8, 9]
    assert train.annotations == [a for a in before.annotations if a["image_id"] > 3]
    assert len(val.annotations) == 6 * 8
    assert {p.kind for p in problems} == {
        ProblemKind.MISSING, ProblemKind.UNREADABLE, ProblemKind.OTHER_SIZE, ProblemKind.TURNED,
        ProblemKind.ORIENTED, ProblemKind.LEAK, ProblemKind.AS_STORED, ProblemKind.TRANSPARENT, ProblemKind.FRAMES,
        ProblemKind.REPEATED,
    }  # fmt: skip
    assert train.columns.size.shape == (6, 2)
    assert set(train.annotations_by_image) == {4, 5, 6, 7, 8, 9}


def test_also_where_there_are_more_than_are_told_of(tmp_path):
    count = 2 * MOST_EXAMPLES + 30
    gt = gt_small(*((i, 1, (0, 0, 1, 1)) for i in range(1, count + 1)), images=count)
    for image in gt["images"]:
        image |= {"width": 1, "height": 1}
    folder = dataset(tmp_path / "data", train=gt, val=gt)
    for split, first in (("train", 1), ("val", 5)):
        for i in range(first, first + MOST_EXAMPLES + 10):
            (folder / split / f"{i}.jpg").unlink()
    train, val, problems = sound(folder)
    gone = MOST_EXAMPLES + 10
    assert [image["id"] for image in train.images] == list(range(gone + 1, count + 1))
    assert [image["id"] for image in val.images] == [1, 2, 3, 4, *range(gone + 5, count + 1)]
    assert [(p.kind, p.count) for p in problems] == [(ProblemKind.MISSING, gone)] * 2
    assert all(len(p.to_dict()["examples"]) == MOST_EXAMPLES for p in problems)


def test_clean_splits_stay_as_they_are(street):
    before = [read_split(street, name) for name in ("train", "val")]
    (train, val, problems), steps = finish(sound_splits(*before))
    assert (train, val) == (before[0], before[1]) and steps[-1] == (18, 18)
    assert {p.kind for p in problems} <= FEW_KINDS


def test_the_labels_problems_reach_the_training(tmp_path):
    cases.in_the_labels(tmp_path / "data")
    *_, problems = sound(tmp_path / "data")
    kinds = [p.kind for p in problems]
    assert ProblemKind.NO_EXTENT in kinds and ProblemKind.ONE_SPLIT in kinds
    assert summarize_problems(problems).startswith("left out: 1 annotation of an image that is not listed, ")
    assert "; repaired: 1 annotation without an id of its own, 1 annotation without area" in summarize_problems(
        problems
    )


@pytest.mark.parametrize(
    "case, says",
    [
        (
            cases.fatal_box_format,
            r"cannot be used\. 12 boxes not written as x, y, width, height in pixels, as 12 of",
        ),
        (cases.fatal_between_splits, r"The data cannot be trained on\. 2 classes whose id .*\): car: 1 and 2\."),
        (
            cases.fatal_emptiness,
            (
                r"trained on\. val: 1 split without images \(.*\); train: 1 split most of whose pictures are missing "
                r"\(is this the right folder\?\): 2 of 3 are not in .*; train: 1 split whose objects are all marked"
            ),
        ),
    ],
)
def test_a_fatal_problem_stops_the_training_with_the_list(tmp_path, case, says):
    case(tmp_path / "data")
    with pytest.raises(DataError, match=says) as caught:
        sound(tmp_path / "data")
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_linked_picture_outside_its_folder_is_left_out(tmp_path):
    folder = dataset(tmp_path / "data", train=gt_small((1, 1, BOX), images=2), val=gt_small((1, 1, BOX)))
    (folder / "train/2.jpg").unlink()
    (folder / "train/2.jpg").symlink_to("/etc/passwd")
    train, _, problems = sound(folder)
    assert [image["id"] for image in train.images] == [1]
    assert "1 picture outside the picture folder" in summarize_problems(problems)


def test_a_split_whose_objects_are_all_on_bad_pictures_stops_the_training(tmp_path):
    folder = dataset(tmp_path / "data", train=gt_small((1, 1, BOX), images=3), val=gt_small((1, 1, BOX)))
    (folder / "train/1.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"train: 1 split without an object to learn or find \(add annotations\)\.$"):
        sound(folder)
    (folder / "val/1.jpg").write_text("no picture")
    with pytest.raises(DataError, match="val: 1 split without images"):
        sound(folder)


def test_half_of_the_pictures_missing_are_lost_files_and_more_is_the_wrong_folder(tmp_path):
    gt = gt_small(*((i, 1, BOX) for i in range(1, 5)), images=4)
    folder = dataset(tmp_path / "data", train=gt, val=gt)
    for name in ("1.jpg", "2.jpg"):
        (folder / "train" / name).unlink()
    assert len(sound(folder)[0].images) == 2
    (folder / "train/3.jpg").unlink()
    with pytest.raises(DataError, match=r"3 of 4 are not in .*train"):
        sound(folder)


def test_in_short_counts_both_splits_together_and_is_silent_of_the_rest():
    some = [
        Problem(ProblemKind.MISSING, "train", 1),
        Problem(ProblemKind.MISSING, "val", 2),
        Problem(ProblemKind.TINY, "val", 9),
    ]
    assert summarize_problems([*some, Problem(ProblemKind.BEYOND, "val", 1_000)]) == (
        "left out: 3 pictures missing; repaired: 1,000 boxes beyond the border of the image"
    )
    assert summarize_problems([Problem(ProblemKind.TINY, "val", 9)]) == summarize_problems([]) == ""
    assert (
        summarize_problems([Problem(ProblemKind.LEAK, "", 1)])
        == "to be looked at: 1 picture in training and validation alike"
    )


def test_a_report_knows_its_problems_by_severity(tmp_path):
    problems = (Problem(ProblemKind.NO_IMAGES, "val", 1), Problem(ProblemKind.TINY, "train", 2))
    report = CheckReport(tmp_path, {}, {}, problems, count_totals({}, problems))
    assert report.of(Severity.FATAL) == [problems[0]] and report.of(Severity.DROPPED) == []

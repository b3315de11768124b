"""A part for testing is counted, picture by picture and box by box, and never opened for anything else."""

import pytest

from core.datasets.folder.testing import problems_of_testing
from core.datasets.problems import ProblemKind
from tests.core.datasets.folder.exports import coco, write


def test_pictures_and_boxes_are_counted_and_the_first_pictures_named(tmp_path):
    write(
        tmp_path, {"test.json": coco("a.jpg", "b.jpg"), "info.json": {"images": coco("c.jpg")["images"]}, "no.json": {}}
    )
    paths = [tmp_path / name for name in ("test.json", "info.json", "no.json")]
    problems = problems_of_testing(paths, "train")
    assert [(p.kind, p.count) for p in problems] == [
        (ProblemKind.TEST_PART, 2), (ProblemKind.TEST_BOX, 4), (ProblemKind.TEST_PART, 1),
    ]  # fmt: skip
    assert [example.detail for example in problems[0].examples] == ["a.jpg", "b.jpg"]
    assert {problem.split for problem in problems} == {"train"}


@pytest.mark.parametrize("text", ["", "{", '{"images": 3}', '{"images": [1]}', '{"images": [{"file_name": 1}]}'])
def test_a_damaged_one_is_named_and_costs_nothing(tmp_path, text):
    write(tmp_path, {"test.json": text})
    (problem,) = problems_of_testing([tmp_path / "test.json"], "val")
    assert problem.kind is ProblemKind.UNUSED_FILE and problem.examples[0].detail == "test.json"

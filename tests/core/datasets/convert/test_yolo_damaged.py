"""YOLO folders with damage: a bad line or file costs that line or file; what makes the folder useless is refused."""

import pytest

from tests.core.datasets.convert.folders import (
    BOX,
    boxes,
    converted,
    costs,
    details,
    picture,
    refused,
    text,
    told,
    yolo,
)


@pytest.mark.parametrize(
    "line, kind, says",
    [
        ("0 .5 .5 .2", "label-line", "has 4 numbers, but a box has 5 and a polygon 7, 9"),
        ("0 .1 .1 .2 .2 .3 .3 .4", "label-line", "has 8 numbers"),
        ("car .5 .5 .2 .2", "label-line", "holds something else than numbers"),
        ("0 .5 .5 .2 nan", "label-line", "holds a number that is not finite"),
        ("inf .5 .5 .2 .2", "label-line", "holds a number that is not finite"),
        ("2 .5 .5 .2 .2", "no-name", "has the class 2, but the names are those of 0 to 1"),
        ("-1 .5 .5 .2 .2", "no-name", "has the class -1"),
        ("0.5 .5 .5 .2 .2", "no-name", "has the class 0.5"),
        ("0 50 25 20 20", "label-line", "has a number beyond 0 to 1, but each is a share"),
    ],
)
def test_a_damaged_yolo_line_costs_that_line_and_is_named(tmp_path, line, kind, says):
    folder = yolo(tmp_path / "mine")
    text(folder / "labels/val/val.txt", f"{BOX}\n{line}\n{BOX}")
    parts = costs(folder, kind, f"^labels/val/val.txt, line 3: {says}")
    assert boxes(parts["instances_train"]) == [[40, 15, 20, 20]]
    assert boxes(parts["instances_val"]) == [[40, 15, 20, 20]] * 2
    text(folder / "labels/val/val.txt", f"{BOX}\n{line}\n{line}\n{line}")
    assert boxes(costs(folder, kind, says, count=3)["instances_val"]) == [[40, 15, 20, 20]]


def test_a_folder_of_nothing_but_damaged_lines_is_refused(tmp_path):
    folder = yolo(tmp_path / "mine", "0 50 25 20 20\n0 60 25 20 20\n")
    refused(folder, "None of the labels in .* can be used: labels/train/train.txt, line 1: has a number beyond 0 to 1, "
                    "but each is a share of width or height, and 3 more.$")  # fmt: skip


def test_a_box_beyond_the_border_stays_as_it_is_written(tmp_path):
    folder = yolo(tmp_path / "mine")
    text(folder / "labels/val/val.txt", BOX + "1 1.03 0.5 0.1 0.1\n")
    val = converted(folder, tmp_path / "out")["instances_val"]
    assert (
        boxes(val)[1] == [98, 22.5, 10, 5] and told(tmp_path / "out") == {}
    )  # whoever reads it cuts it off, and says so


def test_a_score_or_a_track_after_a_box_is_not_read_and_told(tmp_path):
    folder = yolo(tmp_path / "mine", "0 0.5 0.5 0.2 0.4 0.93\n1 0.5 0.5 0.2 0.4 12\n")
    assert boxes(converted(folder, tmp_path / "out")["instances_val"]) == [[40, 15, 20, 20]] * 2
    assert told(tmp_path / "out") == {"more-numbers": 4}


@pytest.mark.parametrize("names", ["[car, no]", "[car, on]", "[car, 1.5]", "[car, 2020-02-31]", "[car, null]"])
def test_a_class_may_have_any_name(tmp_path, names):
    folder = yolo(tmp_path / "mine", "1 .5 .5 .1 .1", f"names: {names}")
    parts = converted(folder, tmp_path / "out")
    assert parts["instances_val"]["categories"][1]["name"] == names[6:-1] and len(boxes(parts["instances_val"])) == 1


def test_a_class_without_a_name_costs_its_objects_and_one_with_the_same_name_is_the_same(tmp_path):
    folder = yolo(tmp_path / "mine", BOX + "1 .5 .5 .1 .1\n2 .5 .5 .1 .1\n", "names: [car, '', car]")
    val = converted(folder, tmp_path / "out")["instances_val"]
    assert [c["name"] for c in val["categories"]] == ["car"] and [a["category_id"] for a in val["annotations"]] == [
        1,
        1,
    ]
    assert told(tmp_path / "out") == {"no-name": 2, "same-name": 1}
    assert "data.yaml: class 2 is 'car', too" in details(tmp_path / "out")


@pytest.mark.parametrize(
    "yaml, says",
    [
        ("train: images/train", "has no names, so its classes are only numbers: add the list"),
        (None, "has neither data.yaml nor classes.txt"),
        ("names: [", "not a YOLO description in YAML"),
        ("- a", "not a YOLO description in YAML"),
        ("a: &a [*a, *a]\nnames: *a", "not a YOLO description in YAML"),
        ("names: " + "[" * 2000, "not a YOLO description in YAML"),
        ("!!python/object/apply:os.system ['true']", "not a YOLO description in YAML"),
        ("names: 7", "are not a list of class names"),
        ("names: car", "are not a list of class names"),
        ("names: {.inf: car}", "are not a list of class names"),
        ("names: {a: car}", "are not a list of class names"),
        ("names: [car]\ntrain: ../../", "leads out of the folder"),
        ("names: [car]\ntrain: /etc", "names '/etc', which leads out of the folder"),
        ("names: [car]\npath: /\ntrain: etc", "names 'etc', which leads out of the folder"),
        ("names: [car]\ntrain: ../other", "names '../other', which leads out of the folder"),
    ],
)
def test_a_damaged_yaml_file_is_refused(tmp_path, yaml, says):
    (tmp_path / "other").mkdir()
    refused(yolo(tmp_path / "mine", yaml=yaml), says)


def test_a_folder_of_nothing_but_pictures_for_testing_is_refused_with_the_name_that_says_so(tmp_path):
    picture(tmp_path / "mine/test 1/images/a.png")
    text(tmp_path / "mine/test 1/labels/a.txt", BOX)
    text(tmp_path / "mine/test 1/classes.txt", "car\n")
    refused(tmp_path / "mine", r"1 picture of a part for testing \(left out\), as test 1/images/a.png\.")

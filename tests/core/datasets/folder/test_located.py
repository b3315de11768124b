"""No picture is taken for another: where a name is unclear its image is left out, and what is there is said."""

import pytest

from core.datasets.check import check_dataset
from core.datasets.problems import ProblemKind
from core.datasets.split import examine_splits
from core.keep_result import KeepResult
from tests.core.datasets.folder.exports import coco, pictures, write


def report_of(folder):
    work = KeepResult(check_dataset(folder))
    list(work)
    return work.result


def details(report, kind):
    return [example.detail for p in report.problems if p.kind is kind for example in p.examples]


def paths_of(folder, part="train"):
    split = examine_splits(folder)[part]
    paths = {image["file_name"]: split.image_path(image) for image in split.images}
    return {name: path.relative_to(folder).as_posix() for name, path in paths.items()}


def test_a_missing_picture_is_not_replaced_by_one_of_validation_or_a_mask(tmp_path):
    files = {
        "annotations/instances_train.json": coco("1.png", "2.png"),
        "annotations/instances_val.json": coco("3.png"),
    }
    files |= pictures("train/1.png", "val/2.png", "val/3.png", "masks/2.png")
    write(tmp_path, files)
    (detail,) = details(report_of(tmp_path), ProblemKind.MISSING)
    assert detail == "2.png: no such file; masks/2.png is there"


def test_where_all_of_training_is_elsewhere_validation_is_still_no_training(tmp_path):
    files = {
        "annotations/instances_train.json": coco("1.png"),
        "annotations/instances_val.json": coco("1.png", first=5),
    }
    write(tmp_path, files | pictures("val/1.png"))
    (detail,) = details(report_of(tmp_path), ProblemKind.MISSING)
    assert detail == "1.png: no such file; val/1.png is there"


def test_a_name_that_two_pictures_have_means_none_and_both_are_named(tmp_path):
    write(tmp_path, {"a.json": coco("1.png", "b/2.png")} | pictures("b/1.png", "c/1.png", "b/2.png", "c/2.png"))
    (detail,) = details(report_of(tmp_path), ProblemKind.MISSING)
    assert detail == "1.png: no such file; b/1.png and c/1.png are there"


def test_two_names_that_one_picture_could_have_mean_none_unless_one_fits_better(tmp_path):
    write(tmp_path, {"a.json": coco("x/1.png", "y/1.png", "z/2.PNG", "z/2.png")} | pictures("p/1.png", "p/2.png"))
    report = report_of(tmp_path)
    assert details(report, ProblemKind.MISSING) == [
        f"{name}/1.png: no such file; p/1.png is there, which another image's name means as well" for name in "xy"
    ] + ["z/2.PNG: no such file; p/2.png is there, another image's"]
    assert details(report, ProblemKind.ELSEWHERE) == ["'z/2.png': 2.png"]


def test_a_picture_that_is_another_images_already_is_not_given_twice(tmp_path):
    write(
        tmp_path,
        {"a.json": coco("1.png", "1.PNG", "2.png", "3.png")} | pictures("1.png", "2.png", "3.png", inside="images/"),
    )
    assert (
        details(report_of(tmp_path), ProblemKind.MISSING)
        == ["1.PNG: no such file; images/1.png is there, another image's"]
        or (tmp_path / "images/1.PNG").exists()
    )


def test_the_same_name_twice_is_the_same_picture(tmp_path):
    write(tmp_path, {"a.json": coco("/x/1.png", "/x/1.png", "/x/2.png")} | pictures("1.png", "2.png", inside="photos/"))
    assert not details(report_of(tmp_path), ProblemKind.MISSING)


@pytest.mark.parametrize("name", ["/etc/hostname", "../outside.png", "..\\outside.png", "C:\\outside.png"])
def test_a_path_outside_never_leads_there(tmp_path, name):
    write(tmp_path, {"outside.png": None})
    folder = write(
        tmp_path / "data", {"a.json": coco(name, "1.png", "2.png")} | pictures("images/1.png", "images/2.png")
    )
    report = report_of(folder)
    assert len(details(report, ProblemKind.PATH) + details(report, ProblemKind.MISSING)) == 1 and report.is_fit
    write(folder, {"images/outside.png": None, "images/hostname": None})
    split = examine_splits(folder)
    for part in split.values():
        assert all(part.image_path(image).is_relative_to(folder / "images") for image in part.images)


def test_what_was_taken_from_elsewhere_is_said_with_where(tmp_path):
    write(tmp_path, {"a.json": coco("C:\\me\\1.png", "C:\\me\\2.PNG")} | pictures("p/1.png", "p/2.png"))
    report = report_of(tmp_path)
    assert details(report, ProblemKind.ELSEWHERE) == [r"'C:\\me\\1.png': 1.png", r"'C:\\me\\2.PNG': 2.png"]
    assert report.is_fit


def test_pictures_in_several_folders_and_their_parts(tmp_path):
    names = {"p/1.png": "train/1.png", "p/2.png": "train/2.png", "p/3.png": "val/3.png"}
    write(tmp_path, {"a.json": coco(*names)} | pictures(*names.values()))
    assert paths_of(tmp_path) | paths_of(tmp_path, "val") == names
    assert set(paths_of(tmp_path, "val")) == {"p/3.png"}


@pytest.mark.parametrize("name", ["images/1.png", "1.png"])
def test_a_picture_folder_may_be_a_link_to_another_disk(tmp_path, name):
    write(tmp_path / "disk", pictures("1.png", "2.png"))
    folder = write(tmp_path / "data", {"a.json": coco(name, name.replace("1", "2"))})
    (folder / "images").symlink_to(tmp_path / "disk", target_is_directory=True)
    report = report_of(folder)
    assert not details(report, ProblemKind.MISSING) and not details(report, ProblemKind.ELSEWHERE) and report.is_fit

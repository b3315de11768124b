"""What each exporter writes opens as it is: all its pictures, each in its part, none for testing among them."""

import pytest

from core.datasets.check import check_dataset
from core.datasets.layouts import annotation_files, is_dataset, list_datasets
from core.datasets.part import save_subset
from core.datasets.problems import ProblemKind, Severity
from core.datasets.split import examine_splits, read_split
from core.datasets.subset import Subset
from core.keep_result import KeepResult
from tests.core.datasets.folder.exports import BY_PART, EXPORTS, TEST, TRAIN, VAL, write

OF_TESTING = (ProblemKind.UNUSED_FILE, ProblemKind.TEST_PART)


@pytest.fixture(params=EXPORTS)
def export(request, tmp_path):
    return request.param, write(tmp_path / "data" / "mine", EXPORTS[request.param]())


def checked(folder):
    work = KeepResult(check_dataset(folder))
    list(work)
    return work.result


def names(split):
    """The names of the pictures that are really there."""
    return sorted(path.name for image in split.images if (path := split.image_path(image)).is_file())


def test_all_pictures_are_there_each_in_its_part(export):
    name, folder = export
    splits = {part: names(split) for part, split in examine_splits(folder).items()}
    if name in BY_PART:
        assert splits == {"train": TRAIN, "val": VAL}
    else:
        everything = TRAIN if name == "roboflow_without_valid" else sorted(TRAIN + VAL)
        assert sorted(splits["train"] + splits["val"]) == everything and splits["val"]


def test_the_check_finds_it_fit_and_says_what_is_not_used(export):
    name, folder = export
    report = checked(folder)
    assert report.is_fit
    assert not [p for p in report.of(Severity.DROPPED) if p.kind in (ProblemKind.MISSING, ProblemKind.PATH)]
    assert name != "datumaro_without_parts" or not report.of(Severity.REPAIRED), "they lie where they belong"
    has_test = any(content is not None and "c_0.png" in str(content) for content in EXPORTS[name]().values())
    assert has_test == any(problem.kind in OF_TESTING for problem in report.problems)
    assert not {example.detail for p in report.problems for example in p.examples} & set(TEST) or has_test


def test_it_is_listed_and_every_file_it_is_read_from_is_watched(export):
    _, folder = export
    assert is_dataset(folder) and list_datasets(folder.parent) == [folder]
    assert {split.json_path for split in examine_splits(folder).values()} <= set(annotation_files(folder))


def test_a_part_that_is_saved_finds_the_same_pictures(export, tmp_path):
    _, folder = export
    splits = examine_splits(folder)
    save_subset(splits, Subset(("car",)), tmp_path / "out")
    for part, split in splits.items():
        saved = read_split(tmp_path / "out", part)
        assert names(saved) == names(split)
        assert {saved.image_path(i) for i in saved.images} == {split.image_path(i) for i in split.images}


def test_a_folder_that_is_a_link_is_the_folder(export, tmp_path):
    _, folder = export
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    assert {k: names(v) for k, v in examine_splits(tmp_path / "link").items()} == {
        k: names(v) for k, v in examine_splits(folder).items()
    }

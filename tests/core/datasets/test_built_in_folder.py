"""core/datasets/demo.py: where the built-in data sets lie, and that a user's own of the same name is left alone."""

import json

import pytest

from core.datasets.demo import BUILT_IN, draw_built_in, draw_dataset, folder_of

SCOOTERS = next(one for one in BUILT_IN if one.folder == "scooters")


@pytest.mark.parametrize("what", ["pictures", "annotations", "a file"])
def test_a_users_own_folder_of_that_name_is_not_built_in_and_stays_as_it_is(tmp_path, what):
    user_folder = tmp_path / "scooters"
    if what == "a file":
        user_folder.write_text("mine")
    elif what == "pictures":
        (user_folder / "train").mkdir(parents=True)
        (user_folder / "train/1.jpg").write_bytes(b"mine")
    else:
        (user_folder / "annotations").mkdir(parents=True)
        (user_folder / "annotations/instances_train.json").write_text(json.dumps({"info": {}, "images": []}))
    before = [(path, path.stat().st_mtime_ns) for path in (user_folder, *user_folder.rglob("*"))]
    assert folder_of(SCOOTERS, tmp_path) == tmp_path / "scooters-built-in"
    next(iter(draw_built_in(SCOOTERS, tmp_path)))
    assert [(path, path.stat().st_mtime_ns) for path in (user_folder, *user_folder.rglob("*"))] == before


def test_what_the_demo_drew_there_is_built_in_until_something_is_put_into_it(tmp_path):
    assert folder_of(SCOOTERS, tmp_path) == tmp_path / "scooters"
    list(draw_dataset(tmp_path / "scooters", "day", 2, 1, extra=("scooter",), size=64))
    assert folder_of(SCOOTERS, tmp_path) == tmp_path / "scooters"
    (tmp_path / "scooters/cameras.csv").write_text("file_name,camera\n")  # says something of its images
    assert folder_of(SCOOTERS, tmp_path) == tmp_path / "scooters"
    (tmp_path / "scooters/mine.jpg").write_bytes(b"mine")
    assert folder_of(SCOOTERS, tmp_path) == tmp_path / "scooters-built-in"

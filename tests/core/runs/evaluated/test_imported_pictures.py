"""The pictures of an imported ground truth: looked for beside it or in a folder that is named, never elsewhere."""

import pytest
from PIL import Image

from core import DataError
from core.runs.evaluated.images import evaluated_images
from core.runs.evaluated.imports import import_results
from tests.core.runs.evaluated.test_imports import GT, store, write

__all__ = ["store", "write"]  # fixtures


def draw(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (200, 100), "navy").save(folder / name)


@pytest.mark.parametrize(
    ("json_path", "pictures"),
    [
        ("set/annotations/instances_val2017.json", "set/val2017"),
        ("set/annotations/instances_val.json", "set/images/val"),
        ("set/annotations/instances_val2014_100.json", "set/val2014"),
        ("set/annotations/truth.json", "set/images"),
        ("set/gt.json", "set"),
        ("set/gt.json", "set/images"),
    ],
)
def test_pictures_are_found_beside_the_file_as_coco_lays_them_out(store, write, tmp_path, json_path, pictures):
    gt, dt = write()
    (tmp_path / json_path).parent.mkdir(parents=True)
    gt = gt.rename(tmp_path / json_path)
    draw(tmp_path / pictures, "2.jpg")
    run = import_results(store, gt, dt)
    assert run.config["imported"]["images"] == str(tmp_path / pictures)
    split = evaluated_images(run)
    assert split.image_path(split.image_by_id[2]).is_file()


def test_pictures_named_with_their_folder_are_found(store, write, tmp_path):
    named = GT | {"images": [image | {"file_name": f"val/{image['file_name']}"} for image in GT["images"]]}
    gt, dt = write(named, folder=tmp_path / "set")
    draw(tmp_path / "set", "val/1.jpg")
    assert import_results(store, gt, dt).config["imported"]["images"] == str(tmp_path / "set")


def test_without_pictures_the_run_is_imported_and_its_images_are_known(store, write):
    run = import_results(store, *write())
    assert run.config["imported"]["images"] is None
    split = evaluated_images(run)
    assert sorted(split.image_by_id) == [1, 2, 3] and not split.image_path(split.image_by_id[1]).exists()


def test_a_folder_of_pictures_can_be_named(store, write, tmp_path, monkeypatch):
    write()
    draw(tmp_path / "elsewhere", "3.jpg")
    monkeypatch.chdir(tmp_path)
    run = import_results(store, "gt.json", "dt.json", "elsewhere")
    names = {"gt": "gt.json", "dt": "dt.json", "images": "elsewhere"}
    assert run.config == {"imported": {key: str(tmp_path / name) for key, name in names.items()} | {"notes": []}}


def test_a_folder_that_is_not_there_or_has_none_of_the_pictures_is_refused(store, write, tmp_path):
    draw(tmp_path / "other", "cat.jpg")
    for folder, said in (("none", "There is no picture folder"), ("other", "has none of the pictures")):
        with pytest.raises(DataError, match=said):
            import_results(store, *write(), images=tmp_path / folder)
    assert store.runs() == []


@pytest.mark.parametrize("name", ["/etc/passwd", "../secret.jpg", "a\0b.jpg", "x" * 5000 + ".jpg"])
def test_a_file_name_that_leads_elsewhere_is_no_picture(store, write, tmp_path, name):
    draw(tmp_path, "secret.jpg")
    gt = GT | {"images": [image | {"file_name": name} for image in GT["images"]]}
    run = import_results(store, *write(gt, folder=tmp_path / "set"))
    assert run.config["imported"]["images"] is None


def test_names_of_another_machine_are_looked_up_in_the_folder_that_is_named(store, write, tmp_path):
    named = GT | {"images": [image | {"file_name": f"C:\\me\\{image['id']}.JPG"} for image in GT["images"]]}
    draw(tmp_path / "elsewhere", "deep/1.jpg", "deep/2.jpg")
    run = import_results(store, *write(named), tmp_path / "elsewhere")
    split = evaluated_images(run)
    assert split.image_path(split.image_by_id[2]) == tmp_path / "elsewhere/deep/2.jpg"
    assert "not where the annotations say" in split.problems[-1].sentence

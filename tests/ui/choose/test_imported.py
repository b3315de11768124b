"""Runs of other tools' results, where pages and components ask for their images and their names."""

import json

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core import PROJECT, DataError
from core.runs.evaluated.imports import import_results
from tests.core.coco_cases import gt_of, result
from tests.ui.http_client import routes_client
from ui.choose import pickers
from ui.server import cache, services


@pytest.fixture
def files(tmp_path):
    """A ground truth of two images, of which the first has a picture, and results."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "gt.json").write_text(json.dumps(gt_of((1, 1, (0, 0, 40, 40)), images=2)))
    (folder / "dt.json").write_text(json.dumps([result(1, 1, (0, 0, 40, 30)), result(2, 2, (5, 5, 9, 9))]))
    Image.new("RGB", (200, 100), "navy").save(folder / "1.jpg")
    return folder / "gt.json", folder / "dt.json"


def statuses(run, *image_ids):
    with routes_client() as client:
        return [client.get(f"/api/image/{run.id}/{image_id}").status_code for image_id in image_ids]


def test_its_pictures_come_from_its_folder_and_a_missing_one_is_not_found(store, files):
    run = import_results(store, *files)
    assert statuses(run, 1, 2, 3) == [200, 404, 404]


def test_without_any_picture_each_is_not_found_and_the_images_are_known(store, files):
    (files[0].parent / "1.jpg").unlink()
    run = import_results(store, *files)
    assert statuses(run, 1) == [404]
    assert sorted(cache.validation_images(run).image_by_id) == [1, 2]


def test_a_ground_truth_that_several_runs_share_is_read_once_until_it_changes(store, files):
    first, second = (import_results(store, *files) for _ in range(2))
    assert cache.validation_images(first) is cache.validation_images(second)
    files[0].write_text(json.dumps(gt_of(images=1)))
    assert sorted(cache.validation_images(first).image_by_id) == [1]
    files[0].unlink()
    with pytest.raises(DataError, match="There is no file"):
        cache.validation_images(first)


def test_its_label_says_that_it_is_imported(store, files):
    run = import_results(store, *files, name="YOLO")
    assert pickers.run_label(run) == f"✓ YOLO · imported · AP {pickers.ap_text(run.ap)}"


def test_the_errors_page_shows_it(store, files):
    run = import_results(store, *files, name="YOLO")
    app = AppTest.from_file(str(PROJECT / "ui/shell.py"), default_timeout=30)
    app.switch_page(str(services.ERRORS_PAGE))
    app.query_params["run"] = run.id
    app.run()
    assert not app.exception and not app.error, (app.exception, app.error)
    page = json.loads(json.loads(app.get("bidi_component")[0].proto.json)[0]["page"])
    assert {(image["id"], image["source"].split("/")[3]) for image in page["images"]} == {("1", run.id), ("2", run.id)}

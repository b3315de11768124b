"""Predict as a user sees it, in a real browser: own pictures, whole, turned and broken, their boxes and downloads.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import io
import json
import re
import zipfile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from core.boxes import iou, xywh_to_xyxy
from core.datasets.street.scenery import draw_scene
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import BOXES, CELLS, MINUTE, all_drawn, shown_names
from tests.shared_app import ODD

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page
WIDTH, HEIGHT = 256, 192


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder with a picture, the same as a camera on its side saves it, and a file that breaks off."""
    folder = tmp_path_factory.mktemp("own")
    scene = draw_scene(np.random.default_rng(33), (WIDTH, HEIGHT), look="day").image  # some boxes are sure, some not
    scene.save(folder / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # its first row is the right side
    scene.transpose(Image.Transpose.ROTATE_90).save(folder / f"{ODD}.jpg", quality=97, exif=exif)
    (folder / "broken.jpg").write_bytes((folder / f"{ODD}.jpg").read_bytes()[:900])
    return folder


def bring(page, *paths) -> None:
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(list(paths))


def downloaded(page, button: str) -> tuple[str, bytes]:
    """Name and contents of a download."""
    with page.expect_download() as asked:
        page.get_by_role("button", name=button).click()
    return asked.value.suggested_filename, asked.value.path().read_bytes()


def boxes_of(coco: dict, name: str) -> tuple[list[str], np.ndarray]:
    """Class names and `xyxy` boxes of an image, by falling score."""
    image = next(image for image in coco["images"] if image["file_name"] == name)
    assert (image["width"], image["height"]) == (WIDTH, HEIGHT)
    names = {category["id"]: category["name"] for category in coco["categories"]}
    own = sorted((a for a in coco["annotations"] if a["image_id"] == image["id"]), key=lambda a: -a["score"])
    return [names[a["category_id"]] for a in own], xywh_to_xyxy([a["bbox"] for a in own])


def test_a_turned_picture_is_upright_a_broken_one_is_told_and_all_boxes_can_be_taken_home(page, address, own):
    page.goto(f"{address}/predict")
    page.get_by_text("Drop pictures of your own").wait_for()
    bring(page, own / f"{ODD}.jpg", own / "broken.jpg")
    alert = page.get_by_test_id("stAlert")
    expect(alert.filter(has_text="broken.jpg")).to_have_count(1)
    expect(alert).to_have_count(1)  # what the empty page said has gone
    expect(page.locator(CELLS)).to_have_count(1)
    expect(page.locator(BOXES).first).to_be_attached(timeout=2 * MINUTE)  # torch is loaded first
    assert shown_names(page) == [f"{ODD}.jpg"]
    sides = page.locator(f"{CELLS} img").evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert sides == [WIDTH, HEIGHT]
    name, body = downloaded(page, "Picture with boxes")
    with Image.open(io.BytesIO(body)) as drawn:
        assert (drawn.format, name[-4:]) == ("PNG", ".png")
        assert drawn.width * HEIGHT == drawn.height * WIDTH  # small ones are drawn larger
        drawn.load()

    bring(page, own / "upright.png")
    expect(page.locator(CELLS)).to_have_count(2)
    expect(page.get_by_role("button", name="2 pictures with boxes")).to_be_visible()
    name, body = downloaded(page, "JSON")
    coco = json.loads(body)
    turned, upright = boxes_of(coco, f"{ODD}.jpg"), boxes_of(coco, "upright.png")
    assert len(coco["images"]) == 2 and turned[0] == upright[0] != []
    assert np.diag(iou(turned[1], upright[1])).min() > 0.8, "the same scene has the same boxes"
    with all_drawn(page):
        expect(page.locator(BOXES)).to_have_count(len(coco["annotations"]))
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "2 pictures with boxes")[1])) as archive:
        assert len(archive.namelist()) == 2
        for one in archive.namelist():
            with Image.open(archive.open(one)) as drawn:
                assert drawn.width * HEIGHT == drawn.height * WIDTH

    # the slider's score is that of the downloads
    page.get_by_role("slider", name="Show from score").first.fill("0.1")
    expect(page.locator(BOXES).nth(len(coco["annotations"]))).to_be_attached()  # there are more than before
    page.get_by_text("Boxes as a table").click()
    expect(page.get_by_text("boxes with a score of 0.10 or more")).to_be_visible()  # the server knows too
    shown = len(json.loads(downloaded(page, "JSON")[1])["annotations"])
    assert shown > len(coco["annotations"])
    expect(page.get_by_text(f"{shown} boxes with a score of 0.10 or more")).to_be_visible()
    with all_drawn(page):
        expect(page.locator(BOXES)).to_have_count(shown)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Drop pictures of your own")).to_be_visible()
    assert page.evaluate("window.hacked") is None


def test_without_own_pictures_there_are_built_in_ones_and_one_opens_in_large(page, address):
    page.goto(f"{address}/predict")
    page.get_by_role("button", name="Try pictures of the built-in data set").click()
    expect(page.locator(CELLS)).to_have_count(6)
    expect(page.get_by_text(re.compile("a picture in the model"))).to_be_visible(timeout=MINUTE)
    expect(page.get_by_role("progressbar")).to_have_count(0)
    page.locator(CELLS).first.click()
    large = page.get_by_role("dialog")
    expect(large.locator("h2")).to_have_text(shown_names(page)[0])
    expect(large.get_by_text("Ground truth")).not_to_be_visible()
    assert large.locator("tbody tr").count() == large.locator("path.box").count()

import numpy as np
import pytest

from core.datasets.split import read_split
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.evaluation.draw import GREEN, LARGEST
from core.training.batch_picture import GAP, PALE, TILE, draw_batch
from tests.core.evaluation.test_draw import GREY, has


def batch_of(*images, names_first=0, padded=True) -> dict:
    """A batch of grey images, each (width, height, boxes cxcywh), as the Collator makes it but of arrays."""
    side = 32 * -(-max(max(i[:2]) for i in images) // 32)
    pixels = np.zeros((len(images), 3, side, side), np.uint8)
    mask = np.zeros((len(images), side, side), bool)
    labels = []
    for row, (width, height, boxes) in enumerate(images):
        pixels[row, :, :height, :width] = 128
        mask[row, :height, :width] = True
        boxes = np.float32(boxes).reshape(-1, 4)
        labels.append({"class_labels": np.arange(len(boxes)) + names_first, "boxes": boxes})
    ids = [10**9 + row for row in range(len(images))]
    return {"pixel_values": pixels, "pixel_mask": mask, "padded": padded, "labels": labels, "image_id": ids}


def test_a_batch_is_drawn_in_its_own_colours_with_green_boxes_on_what_is_no_padding():
    picture = draw_batch(batch_of((64, 32, [[0.5, 0.5, 0.5, 0.5]])), ["car"])
    assert has(picture, GREY) > 0.3 * TILE * TILE / 2 and has(picture, PALE) > 0.3 * TILE * TILE / 2
    ys, xs = np.nonzero((np.asarray(picture) == GREEN).all(axis=2))
    # a quarter to three quarters of 640 x 320, right of the gap and below the title
    assert (xs.min(), xs.max()) == pytest.approx((GAP + 160, GAP + 480), abs=1)
    assert (ys.min(), ys.max()) == pytest.approx((24 + 80, 24 + 240), abs=1)


def test_a_batch_without_objects_is_drawn():
    picture = draw_batch(batch_of((64, 64, []), (40, 64, [])), ["car"])
    assert not has(picture, GREEN) and has(picture, GREY)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 30])
@pytest.mark.parametrize("size", [(333, 200), (200, 333), (20, 450), (32, 32)])
def test_any_number_of_images_fits_onto_one_picture(count, size):
    picture = draw_batch(batch_of(*[(*size, [])] * count), [])
    assert max(picture.size) <= LARGEST and min(picture.size) >= 60


def test_boxes_and_classes_that_should_not_be_there_are_drawn_all_the_same():
    batch = batch_of((64, 64, [[0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0], [9, 9, 9, 9]]), names_first=5)
    assert has(draw_batch(batch, ["car"]), GREEN)


def test_the_training_data_are_drawn_as_they_come_from_the_loader(street):
    split = read_split(street, "train")
    data = DetectionDataset(split, split.label_map(), 72, 96, augment=("flip", "scale and crop"))
    before = next(iter(loader(data, 4)))
    pixels = before["pixel_values"].clone()
    assert has(draw_batch(before, data.label_map.names), GREEN) > 500
    assert (before["pixel_values"] == pixels).all()

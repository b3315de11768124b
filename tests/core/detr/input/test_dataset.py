"""From COCO files to samples: targets, augmentation, and what cannot be read."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import DetrImageProcessor, YolosImageProcessor

from core import DataError
from core.augmentation.kinds import KEYS
from core.datasets.split import read_split
from core.detr.input.batch import Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.small import small_detr
from core.detr.sources.image_processor import MEAN, STD
from tests.core.detr.plain_pictures import dataset, normalized, write_dataset
from tests.core.detr.released import TEN

MODEL = small_detr(TEN)
WAYS = (("none",), ("flip",), ("flip", "scale and crop"))


def test_an_image_without_objects_has_empty_targets_of_the_right_shape(tmp_path):
    labels = dataset(write_dataset(tmp_path / "d", []))[0]["labels"]
    assert labels["class_labels"].shape == (0,) and labels["class_labels"].dtype == torch.int64
    assert labels["boxes"].shape == (0, 4)


def test_crowds_and_boxes_off_the_image_are_no_targets(tmp_path):
    annotations = [
        {"image_id": 1, "category_id": 18, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        {"image_id": 1, "category_id": 18, "bbox": [70, 0, 9, 9]},
        {"image_id": 1, "category_id": 18, "bbox": [32, 24, 100, 100]},
    ]
    sample = dataset(write_dataset(tmp_path / "d", annotations))[0]
    assert sample["labels"]["class_labels"].tolist() == [1]
    assert sample["labels"]["boxes"].tolist() == [[0.75, 0.75, 0.5, 0.5]]  # cut off at the border


def test_flip_mirrors_picture_and_boxes_together(street):
    split = read_split(street, "train")
    plain = DetectionDataset(split, split.label_map(), 72, 96)
    flipped = DetectionDataset(split, split.label_map(), 72, 96, augment=("flip",), seed=1)
    changed = 0
    for index in range(len(plain)):
        one, other = plain[index], flipped[index]
        if torch.equal(one["pixel_values"], other["pixel_values"]):
            assert torch.equal(one["labels"]["boxes"], other["labels"]["boxes"])
            continue
        changed += 1
        assert torch.equal(one["pixel_values"].flip(2), other["pixel_values"])
        mirrored = one["labels"]["boxes"].clone()
        mirrored[:, 0] = 1 - mirrored[:, 0]
        np.testing.assert_allclose(mirrored, other["labels"]["boxes"], atol=1e-6)
    assert 0 < changed < len(plain)


@pytest.mark.parametrize("augment", [("flip",), ("flip", "scale and crop"), ("mosaic", "colour"), KEYS])
def test_augmentation_depends_on_seed_epoch_and_index_alone(street, augment):
    split = read_split(street, "train")

    def shown(seed, epoch, backwards=False):
        data = DetectionDataset(split, split.label_map(), 72, 96, augment=augment, seed=seed)
        data.epoch = epoch
        samples = [data[i] for i in sorted(range(len(data)), reverse=backwards)]
        return sorted((s["image_id"], s["labels"]["boxes"].tolist(), float(s["pixel_values"].sum())) for s in samples)

    assert shown(5, 3) == shown(5, 3, backwards=True)
    assert shown(5, 3) != shown(5, 4) and shown(5, 3) != shown(6, 3)


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("augment", WAYS)
def test_images_begin_small_and_are_whole_in_the_last_quarter(street, augment, square):
    split = read_split(street, "train")
    whole, growing = (
        DetectionDataset(split, split.label_map(), 72, 96, augment, 1, square, start_size, 8)
        for start_size in (1.0, 0.5)
    )
    shares = []
    for growing.epoch in range(8):
        whole.epoch = growing.epoch
        one, other = (data[0] for data in (whole, growing))
        assert (one["pixel_values"].shape == other["pixel_values"].shape) == (growing.epoch >= 6)
        if "scale and crop" not in augment:  # else what is cut out is rounded to pixels of another size
            torch.testing.assert_close(one["labels"]["boxes"], other["labels"]["boxes"])
            shares.append(other["pixel_values"].shape[2] / one["pixel_values"].shape[2])
            assert other["pixel_values"].shape[1:] == growing.shown_size(0)[::-1]
        assert all(a <= b for a, b in zip(growing.shown_size(0), growing.largest_size(0), strict=True))
        smallest = growing.smallest_size()
        assert smallest[0] * smallest[1] <= other["pixel_values"][0].numel()
    assert shares in ([], [0.5, 0.5, 0.5, 0.5, 0.625, 0.875, 1.0, 1.0])


def test_a_cut_out_keeps_the_original_size_and_boxes_within_what_is_shown(street):
    split = read_split(street, "train")
    data = DetectionDataset(split, split.label_map(), 72, 96, augment=("flip", "scale and crop"), seed=1)
    shapes, counts = set(), []
    for data.epoch in range(5):
        for index, info in enumerate(split.images):
            sample = data[index]
            boxes = sample["labels"]["boxes"]
            assert sample["size"] == (info["width"], info["height"])
            corners = torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2])
            assert ((corners > -1e-6) & (corners < 1 + 1e-6)).all() and (boxes[:, 2:] > 0).all()
            assert len(boxes) == len(sample["labels"]["class_labels"])
            shapes.add(sample["pixel_values"].shape)
            counts.append(len(boxes) - len(data.targets(info)["boxes"]))
    assert len(shapes) > 10 and min(counts) < 0 == max(counts)


@pytest.mark.parametrize("augment", WAYS)
def test_an_image_of_crowds_only_has_empty_targets(tmp_path, augment):
    annotations = [{"image_id": 1, "category_id": 18, "bbox": [0, 0, 60, 40], "iscrowd": 1}]
    data = dataset(write_dataset(tmp_path / "d", annotations), augment=augment)
    for data.epoch in range(8):
        labels = Collator()([data[0]])["labels"][0]
        assert labels["class_labels"].shape == (0,) and labels["class_labels"].dtype == torch.int64
        assert labels["boxes"].shape == (0, 4) and labels["boxes"].dtype == torch.float32


def test_an_unknown_augmentation_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"'shake'.*must have some of: none, flip"):
        dataset(write_dataset(tmp_path / "d", []), augment=("shake",))


def photograph(size: tuple[int, int]) -> Image.Image:
    """Noise on a ramp: every frequency that resizing may get wrong."""
    width, height = size
    ramp = np.linspace(0, 200, width)[None, :, None] + np.random.default_rng(0).uniform(0, 55, (height, width, 3))
    return Image.fromarray(ramp.astype(np.uint8))


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (97, 41), (300, 200), (640, 427), (30, 300), (24, 18)])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_sample_is_that_of_transformers_own_processor(tmp_path, size, mode):
    folder = write_dataset(tmp_path / "d", [], sizes=(size,))
    path = folder / "train" / "1.png"
    photograph(size).convert(mode).save(path, "JPEG", quality=95)
    data = dataset(folder)
    batch, model = Collator()([data[0]]), small_detr(data.label_map)
    processor = DetrImageProcessor(size={"shortest_edge": 48, "longest_edge": 64}, do_pad=False)
    theirs = processor(images=Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"]
    height, width = theirs.shape[2:]
    shown = batch["pixel_mask"][0]
    assert (int(shown.any(1).sum()), int(shown.any(0).sum())) == (height, width)
    ours = model.normalize(batch["pixel_values"], batch["pixel_mask"])
    one = 1.01 / (255 * torch.tensor(STD)[:, None, None])
    assert ((ours[:, :, :height, :width] - theirs).abs() <= one).all()
    assert not ours[0, :, ~shown].any()


@pytest.mark.parametrize("size", [(64, 48), (48, 64), (97, 41), (300, 200), (640, 427)])
@pytest.mark.parametrize("augment", [("none",), ("flip",)])
def test_sides_that_are_multiples_are_those_of_yolos_own_processor(tmp_path, size, augment):
    folder = write_dataset(tmp_path / "d", [{"image_id": 1, "category_id": 3, "bbox": [8, 6, 16, 12]}], sizes=(size,))
    path = folder / "train" / "1.png"
    photograph(size).save(path)
    data = dataset(folder, augment=augment)
    data.stride, data.whole_cells = 16, True
    sizes = {data.shown_size(0), data.largest_size(0)}
    for kept in (0, data.keep_pictures(10**9)):
        sample = data[0]
        processor = YolosImageProcessor(size={"shortest_edge": 48, "longest_edge": 64}, do_pad=False)
        theirs = processor(images=Image.open(path), return_tensors="pt")["pixel_values"][0]
        expected = (theirs * torch.tensor(STD)[:, None, None] + torch.tensor(MEAN)[:, None, None]) * 255
        ours = sample["pixel_values"].flip(2) if data._look(0).mirrored else sample["pixel_values"]
        assert (ours - expected).abs().max() <= 1.01 and sizes == {ours.shape[:0:-1]}, kept
        shares = torch.tensor([16, 12, 16, 12]) / torch.tensor([*size, *size])
        torch.testing.assert_close(sample["labels"]["boxes"][0, 1:], shares[1:])


@given(seed=st.integers(0, 999), width=st.integers(1, 40), height=st.integers(1, 40))
def test_pixels_are_normalised_with_imagenets_statistics(seed, width, height):
    pixels = torch.randint(256, (2, 3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)
    mask = torch.rand(2, height, width, generator=torch.Generator().manual_seed(seed)) < 0.7
    before, expected = pixels.clone(), normalized({"pixel_values": pixels, "pixel_mask": mask})
    for layout in (torch.contiguous_format, torch.channels_last):
        given_pixels = pixels.contiguous(memory_format=layout)
        values = MODEL.normalize(given_pixels, mask)
        torch.testing.assert_close(values, expected, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(MODEL.normalize(given_pixels)[mask[:, None].expand_as(values)],
                                   expected[mask[:, None].expand_as(values)], atol=1e-6, rtol=1e-6)  # fmt: skip
    assert torch.equal(pixels, before)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "is missing"),
        (lambda p: p.write_bytes(b"no picture"), "cannot be read"),
        (lambda p: p.write_bytes(p.read_bytes()[:60]), "cannot be read"),
        (lambda p: Image.new("RGB", (10, 10)).save(p), "10 × 10 pixels, but its JSON 64 × 48"),
    ],
)
def test_a_broken_picture_is_named(tmp_path, damage, message):
    folder = write_dataset(tmp_path / "d", [])
    damage(folder / "train" / "1.png")
    with pytest.raises(DataError, match=message):
        dataset(folder)[0]

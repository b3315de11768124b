"""Boxes of another format than COCO's are recognised by all of them together; COCO's never are."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import DataError
from core.cli.main import main
from core.datasets.check import check_dataset
from core.datasets.coco.box_format import BoxFormat
from core.datasets.coco.box_guess import CERTAIN_PIXELS, guess, to_xywh
from core.datasets.convert.boxes import rewrite_boxes
from core.datasets.problems import ProblemKind
from core.datasets.split import read_split
from core.evaluation.coco_files import read_truth
from tests.core.coco_cases import from_env, gt_of
from tests.core.datasets.check_cases import dataset, finish

OTHERS = [format for format in BoxFormat if format is not BoxFormat.XYWH]


def from_xywh(xywh: np.ndarray, size: np.ndarray, format: BoxFormat) -> np.ndarray:
    """COCO's boxes in another format."""
    first, last = xywh[:, :2], xywh[:, 2:]
    if "xyxy" in format.value:
        last = first + last
    if "cxcywh" in format.value:
        first = first + last / 2
    return np.concatenate([first, last], axis=1) / (np.tile(size, 2) if format.is_normalized else 1)


def sane(count: int, seed: int = 0, most: float = 0.6) -> tuple[np.ndarray, np.ndarray]:
    """Boxes inside their images, anywhere and of all sizes, and the images' sizes."""
    random = np.random.default_rng(seed)
    size = random.integers(100, 2000, (count, 2)).astype(float)
    sides = size * random.uniform(0.02, most, (count, 2))
    return np.concatenate([random.uniform(0, 1, (count, 2)) * (size - sides), sides], axis=1), size


@pytest.mark.parametrize("format", OTHERS)
@pytest.mark.parametrize("count", [30, 1000])
@pytest.mark.parametrize("seed", range(5))
def test_another_format_is_recognised(format, count, seed):
    boxes, size = sane(count, seed)
    guessed = guess(from_xywh(boxes, size, format), size)
    assert (guessed.format, guessed.is_certain) == (format, True)


@pytest.mark.parametrize("format", OTHERS)
def test_some_damaged_boxes_do_not_hide_it(format):
    boxes, size = sane(200)
    odd = from_xywh(boxes, size, format)
    odd[::50] = [[np.nan, 0, 1, 1], [0, 0, 0, 0], [-5000, 2, 3, 4], [5, 5, 9999, 9999]]
    assert guess(odd, size).format is format


numbers = st.floats(0, 1)


@given(
    st.lists(st.tuples(st.integers(10, 4000), st.integers(10, 4000), numbers, numbers, numbers, numbers), max_size=40)
)
def test_boxes_inside_their_images_are_never_doubted(rows):
    size = np.array([row[:2] for row in rows], dtype=float).reshape(-1, 2)
    share = np.array([row[2:] for row in rows], dtype=float).reshape(-1, 4)
    sides = np.maximum(1.5, share[:, 2:] * size)  # pixels
    boxes = np.concatenate([share[:, :2] * (size - sides), sides], axis=1)
    assert guess(boxes, size) is None or not len(rows)


def test_boxes_that_are_cut_off_by_the_border_are_not_doubted():
    boxes, size = sane(300)
    boxes[:, :2] = np.maximum(boxes[:, :2], size - boxes[:, 2:] * 0.95)  # all reach a bit outside
    assert guess(boxes, size) is None


def test_cocos_own_boxes_are_not_doubted():
    for path in from_env("DETR_LAB_COCO").glob("annotations/instances_*.json"):
        assert not read_truth(path).problems


def test_few_boxes_are_only_to_be_looked_at():
    boxes, size = sane(CERTAIN_PIXELS - 1, most=0.3)
    assert guess(from_xywh(boxes, size, BoxFormat.XYXY), size).is_certain is False


def test_sizes_need_not_be_known():
    boxes, size = sane(20)
    unknown = np.full_like(size, np.nan)
    assert guess(boxes, unknown) is None and guess(from_xywh(boxes, size, BoxFormat.XYXY), unknown) is None
    assert guess(from_xywh(boxes, size, BoxFormat.XYWH_SHARES), unknown).format is BoxFormat.XYWH_SHARES
    assert guess(np.zeros((0, 4)), np.zeros((0, 2))) is None


@pytest.mark.parametrize("format", BoxFormat)
def test_every_format_is_converted_back(format):
    boxes, size = sane(50)
    assert to_xywh(from_xywh(boxes, size, format), size, format) == pytest.approx(boxes)


# Asked about, and answered


@pytest.fixture
def folder(tmp_path):
    """A data set whose training boxes are in COCO's format."""
    random = np.random.default_rng(1)
    sides = random.integers(8, 18, (40, 2))
    corners = (random.uniform(0, 1, (40, 2)) * ((64, 48) - sides)).astype(int)
    gt = gt_of(*((1 + i % 4, 1, (*corners[i].tolist(), *sides[i].tolist())) for i in range(40)), images=4)
    for image in gt["images"]:
        image["width"], image["height"] = 64, 48
    return dataset(tmp_path / "data", train=gt, val=gt)


def change(folder, format: BoxFormat) -> None:
    path = folder / "annotations/instances_train.json"
    gt = json.loads(path.read_text())
    for annotation in gt["annotations"]:
        annotation["bbox"] = from_xywh(np.array([annotation["bbox"]]), np.array([[64, 48]]), format)[0].tolist()
    path.write_text(json.dumps(gt))


@pytest.mark.parametrize("format", OTHERS)
def test_a_corrected_copy_can_be_trained_on(folder, tmp_path, format, capsys):
    expected = [a["bbox"] for a in read_split(folder, "train").annotations]
    change(folder, format)
    report, _ = finish(check_dataset(folder))
    (problem,) = [p for p in report.problems if p.kind is ProblemKind.BOX_FORMAT]
    assert not report.is_fit and problem.examples[0].detail.endswith(f": --boxes {format.value}")
    assert report.totals.boxes.sentence == (
        "80 boxes: 40 used, 0 of them repaired; 40 left out (40 not written as x, y, width, height in pixels)"
    )
    with pytest.raises(DataError, match=f"--boxes {format.value}.*python -m core convert DATA --boxes"):
        read_truth(folder / "annotations/instances_train.json")
    assert main(["convert", str(folder), "--boxes", format.value, "--out", str(tmp_path / "new")]) == 0
    assert "80 boxes" in capsys.readouterr().out
    copied = read_split(tmp_path / "new", "train")
    assert np.array([a["bbox"] for a in copied.annotations]) == pytest.approx(np.array(expected), abs=0.002)
    assert copied.image_path(copied.images[0]).is_file()


def test_whoever_says_that_the_boxes_are_right_is_not_asked_again(folder, tmp_path):
    change(folder, BoxFormat.XYXY)
    rewrite_boxes(folder, tmp_path / "new", BoxFormat.XYWH)
    report, _ = finish(check_dataset(tmp_path / "new"))
    assert ProblemKind.BOX_FORMAT not in {problem.kind for problem in report.problems}


def test_one_file_is_corrected_without_pictures(folder, tmp_path):
    change(folder, BoxFormat.CXCYWH_SHARES)
    path = folder / "annotations/instances_train.json"
    assert rewrite_boxes(path, tmp_path / "new.json", BoxFormat.CXCYWH_SHARES) == 40
    assert len(read_truth(tmp_path / "new.json").annotations) == 40
    with pytest.raises(DataError, match="is there already"):
        rewrite_boxes(path, tmp_path / "new.json", BoxFormat.XYXY)


def test_odd_boxes_stay_as_they_are_and_an_image_without_a_size_is_named(folder, tmp_path):
    change(folder, BoxFormat.XYXY_SHARES)
    path = folder / "annotations/instances_train.json"
    coco = json.loads(path.read_text())
    first = coco["annotations"][0]
    odd = [{**first, "id": 1000, "bbox": [1, 2, 3]}, {**first, "id": 1001, "image_id": "nobody's"}, "no annotation"]
    path.write_text(json.dumps({**coco, "annotations": [*odd, *coco["annotations"]]}))
    assert rewrite_boxes(path, tmp_path / "new.json", BoxFormat.XYXY_SHARES) == 40
    assert json.loads((tmp_path / "new.json").read_text())["annotations"][:3] == odd
    for image in coco["images"]:
        if image["id"] == first["image_id"]:
            image |= {"width": None, "height": None, "file_name": "gone.jpg"}
    path.write_text(json.dumps(coco))
    with pytest.raises(DataError, match=f"Image {first['image_id']} has no width and height"):
        rewrite_boxes(path, tmp_path / "other.json", BoxFormat.XYXY_SHARES)
    assert not (tmp_path / "other.json").exists()


def test_a_copy_that_cannot_be_made_is_one_sentence(folder, tmp_path):
    (tmp_path / "other.json").write_text('{"images": []}')
    with pytest.raises(DataError, match="cannot be written"):
        rewrite_boxes(folder / "annotations/instances_train.json", tmp_path / "other.json/new.json", BoxFormat.XYXY)
    with pytest.raises(DataError, match="is not a COCO annotation file"):
        rewrite_boxes(tmp_path / "other.json", tmp_path / "new.json", BoxFormat.XYXY)

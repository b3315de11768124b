"""A saved model opened with transformers alone: the same pictures, and the same boxes as here, for each family."""

import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForObjectDetection, pipeline
from transformers.utils import logging

from core.boxes import Detections
from core.config import TrainConfig
from core.datasets.split import CocoSplit
from core.detr.detect import detect
from core.detr.input.batch import Collator
from core.detr.input.dataset import DetectionDataset
from core.detr.model import FAMILIES, load_model, save_model
from core.detr.processor import read_picture_settings
from core.detr.sources.image_processor import PROCESSORS, image_processor, write_image_processor
from tests.core.detr.released import EDGES, TEN, released

CPU = torch.device("cpu")
CONFIG = TrainConfig(shortest_edge=192, longest_edge=256)
SQUARE = TrainConfig(shortest_edge=224, longest_edge=224, square=True)
# families whose model transformers gives pictures of any size; others take sides that are multiples of their stride
ANY_SIZE = {"detr", "conditional_detr", "deformable_detr", "dab-detr", "table-transformer"}
EVEN, PADDED, UPRIGHT, EQUAL, SMALL = (640, 480), (500, 333), (333, 500), (256, 192), (50, 31)
STARTER = Path(__file__).resolve().parents[4] / "checkpoints/starter"


@pytest.fixture(autouse=True, scope="module")
def no_bars():
    logging.disable_progress_bar()
    yield
    logging.enable_progress_bar()


@pytest.fixture(scope="module", params=FAMILIES)
def saved(request, tmp_path_factory):
    """A model whose boxes and classes differ from query to query, and the folder that a training leaves of it."""
    folder = tmp_path_factory.mktemp("saved")
    model, _ = load_model(str(released(request.param, folder / "released")), TEN)
    with torch.no_grad():
        for name, parameter in model.inner.named_parameters():
            random = torch.Generator().manual_seed(zlib.crc32(re.sub(r"\d", "", name).encode()))  # layers may share one
            if parameter.ndim == 2 and (model.part_of(name) == "head" or "decoder" in name or "query" in name):
                parameter.add_(0.15 * torch.randn(parameter.shape, generator=random))
    save_model(model.eval(), TEN, folder / "best", config_of(model))
    return model, folder / "best"


def config_of(model) -> TrainConfig:
    return CONFIG if model.model_type in ANY_SIZE else SQUARE


def picture(folder: Path, size: tuple[int, int]) -> Path:
    """A picture of coloured blobs, of `size` (width, height)."""
    grid = np.random.default_rng(7).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC).save(folder / "picture.png")
    return folder / "picture.png"


def of_the_lab(model, path: Path, config: TrainConfig | None = None) -> Detections:
    config = config or config_of(model)
    with Image.open(path) as image:
        info = {"id": 0, "file_name": path.name, "width": image.width, "height": image.height}
    split, edges = CocoSplit("picture", path, path.parent, [info], [], []), (config.shortest_edge, config.longest_edge)
    data = DetectionDataset(split, TEN, *edges, square=config.square)
    data.stride, data.whole_cells = model.stride, model.whole_cells
    (detections,) = detect(model, [Collator(model.stride)([data[0]])], CPU)
    return detections


def of_transformers(folder: Path, path: Path) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Scores (n,), class names and boxes (n, 4) xyxy in pixels, of the folder as it is."""
    processor = AutoImageProcessor.from_pretrained(folder)
    model = AutoModelForObjectDetection.from_pretrained(folder).eval()
    with Image.open(path) as image, torch.no_grad():
        answer = model(**processor(images=image.convert("RGB"), return_tensors="pt"))
        (found,) = processor.post_process_object_detection(answer, 0.0, [(image.height, image.width)])
    names = [model.config.id2label[label] for label in found["labels"].tolist()]
    return found["scores"].numpy(), names, found["boxes"].numpy()


def apart(ours: Detections, theirs, names=TEN.names) -> tuple[float, float]:
    """How far scores and boxes are apart at most; each detection's partner is the nearest of its class and score."""
    scores, classes, boxes = theirs
    order = np.argsort(-ours.score, kind="stable")
    by_score, by_box, taken = 0.0, 0.0, np.zeros(len(scores), bool)
    for row in order:
        same = [i for i, name in enumerate(classes) if name == names[ours.label[row]] and not taken[i]]
        offsets = [max(1000 * abs(scores[i] - ours.score[row]), np.abs(boxes[i] - ours.boxes[row]).max()) for i in same]
        partner = same[int(np.argmin(offsets))]
        taken[partner] = True
        by_score = max(by_score, abs(float(scores[partner] - ours.score[row])))
        by_box = max(by_box, float(np.abs(boxes[partner] - ours.boxes[row]).max()))
    return by_score, by_box


def box_tolerance(model) -> float:
    """Pixels; numbers of distributions are added up over edges, times the box that they are counted from."""
    return 1e-2 if model.model_type in EDGES else 1e-3


@pytest.mark.parametrize("size", [EVEN, PADDED, UPRIGHT, EQUAL, SMALL], ids=str)
def test_transformers_gives_the_same_boxes_of_the_folder_as_it_is(saved, size, tmp_path):
    model, folder = saved
    path = picture(tmp_path, size)
    ours, theirs = of_the_lab(model, path), of_transformers(folder, path)
    assert np.ptp(theirs[2][:, 0]) > 0.004 * size[0]  # not all the same
    by_score, by_box = apart(ours, theirs)
    assert by_score < 1e-4 and by_box < box_tolerance(model)


@pytest.mark.parametrize("size", [EVEN, UPRIGHT], ids=str)
def test_pictures_that_are_stretched_to_a_square_are_so_there(saved, size, tmp_path):
    model, _ = saved
    save_model(model, TEN, tmp_path, SQUARE)
    path = picture(tmp_path, size)
    by_score, by_box = apart(of_the_lab(model, path, SQUARE), of_transformers(tmp_path, path))
    assert by_score < 1e-4 and by_box < box_tolerance(model)
    assert read_picture_settings(tmp_path) == {"shortest_edge": 224, "longest_edge": 224, "square": True}


def test_a_model_keeps_the_statistics_of_the_one_it_began_with(tmp_path):
    for kind in FAMILIES:
        folder = released(kind, tmp_path / kind)
        statistics = {"do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.1, 0.2, 0.3]}
        (folder / "preprocessor_config.json").write_text(json.dumps(statistics))
        save_model(load_model(str(folder), TEN)[0], TEN, tmp_path / "saved" / kind, CONFIG)
        settings = json.loads((tmp_path / "saved" / kind / "preprocessor_config.json").read_text())
        assert statistics.items() <= settings.items()
        assert load_model(str(tmp_path / "saved" / kind), TEN)[0].normalization.std == (0.1, 0.2, 0.3)


def test_pictures_of_one_size_may_share_a_batch(saved, tmp_path):
    """Of a batch that transformers itself pads, its backbone sees the padding: see test_padding.py."""
    _, folder = saved
    processor = AutoImageProcessor.from_pretrained(folder)
    theirs = AutoModelForObjectDetection.from_pretrained(folder).eval()
    images = [Image.open(picture(tmp_path, size)).copy() for size in (EVEN, EQUAL)]
    inputs = processor(images=images, return_tensors="pt")
    assert inputs["pixel_values"].shape[-2:] in {(192, 256), (224, 224)}
    with torch.no_grad():
        together = theirs(**inputs).pred_boxes[0]
        alone = theirs(**processor(images=images[0], return_tensors="pt")).pred_boxes[0]
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_pipeline_gives_them_with_their_names(saved, tmp_path):
    model, folder = saved
    path = picture(tmp_path, EVEN)
    items = pipeline("object-detection", model=str(folder), device="cpu")(str(path), threshold=0.0)
    ours = of_the_lab(model, path)
    assert len(items) == len(ours.score) and [TEN.names[label] for label in ours.label] == [i["label"] for i in items]
    assert [item["score"] for item in items] == pytest.approx(ours.score.tolist(), abs=1e-4)
    corners = np.array([[item["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")] for item in items])
    assert np.abs(corners - ours.boxes).max() < 1.001  # whole pixels, towards 0


def test_the_starter_opens_too(tmp_path):
    path, edges = picture(tmp_path, EQUAL), read_picture_settings(STARTER)
    ours = of_the_lab(load_model(str(STARTER), TEN)[0], path, TrainConfig(**edges))
    by_score, by_box = apart(ours, of_transformers(STARTER, path))
    assert by_score < 1e-4 and by_box < 1e-3 and edges == {"shortest_edge": 192, "longest_edge": 256}
    settings = json.loads((STARTER / "preprocessor_config.json").read_text())
    assert settings == image_processor("detr", CONFIG)


def test_what_is_written_is_what_the_lab_reads(tmp_path):
    write_image_processor(tmp_path, "detr", TrainConfig(shortest_edge=320, longest_edge=500))
    assert read_picture_settings(tmp_path) == {"shortest_edge": 320, "longest_edge": 500}


def test_every_family_has_an_image_processor():
    assert set(FAMILIES) <= set(PROCESSORS)


def test_pictures_of_which_only_bytes_become_shares_are_not_normalised():
    settings = image_processor("rt_detr", CONFIG, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    assert not settings["do_normalize"] and settings["rescale_factor"] == 1 / 255

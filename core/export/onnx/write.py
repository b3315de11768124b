"""A trained model as a folder of ONNX files, measured before they are kept.

    model.onnx            float32: the boxes of the lab, of any number of pictures
    model_fp16.onnx, …    the variants whose AP falls by no more than is allowed
    model.json            how pictures are made for them, and what their outputs mean
    measurements.json     AP, time and size of each, also of those that were refused

In: a model that was loaded, and the data set of its run. Out: these files, of which none tells where they were made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from core import ModelError
from core.datasets.part import filter_to_classes, only_images
from core.datasets.split import CocoSplit, read_split
from core.detr.families.base import Detector
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import loader
from core.detr.sources.released import FAMILIES
from core.export.onnx.graph import to_onnx
from core.export.onnx.measure import PYTORCH, Measuring, difference
from core.export.onnx.measurements import Measurements, Row, fall, write_measurements
from core.export.onnx.variants import VARIANTS, Feeds, folded, write_variant
from core.inference.model_cache import LoadedModel
from core.inference.onnx.description import DESCRIPTION, MASK, PIXELS, Description, Preprocessing, to_json
from core.inference.onnx.model import OnnxModel, open_onnx
from core.labels import LabelMap

MODEL = "model.onnx"
SAME = 1e-3  # the most by which a score, or a side of a box as a share of the picture, may differ from PyTorch's
CALIBRATION = 32  # pictures of the training
EXAMPLE = 128  # pixels of each side of the graph's example, where it takes any size
MOST_FALL = 0.01  # of AP, in [0, 1]
MEASURED = 200  # validation images


@dataclass(frozen=True)
class OnnxOptions:
    """What a user may choose.

    most_fall  by how much AP of a variant that is kept may fall, in [0, 1]
    images     validation images on which all is measured, evenly spread; None: all
    """

    most_fall: float = MOST_FALL
    images: int | None = MEASURED


def write_onnx(
    loaded: LoadedModel, data: str | Path, folder: Path, epoch: int | None = None, options: OnnxOptions | None = None
) -> Iterator[str]:
    """Write the model into the empty `folder`; yield what is done, in words.

    data   the folder of its run's data set, on whose validation images all is measured
    epoch  after how many the model is of the run; for the record

    Raises ModelError for a model that cannot be exported, or whose graph gives other boxes, DataError if the data
    cannot be read, OSError if the folder cannot be written.
    """
    options = options or OnnxOptions()
    detector = loaded.detector.to("cpu").to(memory_format=torch.contiguous_format).eval().requires_grad_(False)
    whole = _split(data, loaded.label_map, "val")
    validation = _dataset(whole, loaded, options.images)
    yield "Writing the graph as ONNX"
    description = _write_graph(detector, loaded, folder)
    models = {"fp32": open_onnx(folder / MODEL)}
    _require_any_size(detector, models["fp32"])
    refused: dict[str, str] = {}
    yield f"Reading {CALIBRATION} pictures of the training"
    training = _dataset(_split(data, loaded.label_map, "train"), loaded, CALIBRATION)
    pictures = _calibration(models["fp32"], training)
    for variant in VARIANTS:
        yield f"Making the variant {variant.label}"
        path = folder / variant.file_name
        try:
            write_variant(variant, folder / MODEL, pictures, path)
            models[variant.key] = OnnxModel(path, description).eval()
        except ModelError as error:
            refused[variant.key] = str(error).removesuffix(".")
    measuring = Measuring(detector, models, validation)
    for done in measuring.run():
        yield f"Measuring: {done:,} of {len(validation):,} images"
    _require_same(measuring, detector.model_type)
    rows = _rows(measuring, folder, options.most_fall, refused, _size(detector))
    threads, images = torch.get_num_threads(), len(whole.images)
    write_measurements(folder, Measurements(rows, measuring.images, images, threads, options.most_fall, epoch))


def _require_any_size(detector: Detector, model: OnnxModel) -> None:
    """Raise ModelError if a graph that is said to take pictures of any size gives other answers for another size."""
    if model.description.preprocessing.height:
        return
    side = max(EXAMPLE, detector.smallest_side) + 2 * detector.stride
    pixels = torch.randint(256, (1, 3, side, side - detector.stride), generator=torch.Generator().manual_seed(0))
    pixels = pixels.to(torch.uint8)
    fault: Exception | None = None
    try:
        with torch.inference_mode():
            far = difference(detector, detector(pixels.clone()), model(pixels))
    except ModelError as error:
        far, fault = float("inf"), error
    if not far <= SAME:
        raise ModelError(
            f"A model of {FAMILIES[detector.model_type]} can be exported to ONNX for one size of pictures alone: train "
            "it on squares."
        ) from fault


def _require_same(measuring: Measuring, model_type: str) -> None:
    far = measuring.measured["fp32"].difference
    if not measuring.images:
        raise ModelError("No validation picture can be read, so no export can be measured: look at the Data page.")
    if not far <= SAME:
        raise ModelError(
            f"A {model_type} model cannot be exported to ONNX: the answers of PyTorch and ONNX Runtime differ by "
            f"{far:.2g}, more than {SAME:g}."
        )


def _split(data: str | Path, labels: LabelMap, name: str) -> CocoSplit:
    return filter_to_classes(read_split(data, name), list(labels.names), None)


def _dataset(split: CocoSplit, loaded: LoadedModel, most: int | None) -> DetectionDataset:
    """Return images of a split, evenly spread over it, made as in an evaluation."""
    ids = [image["id"] for image in split.images]
    if most is not None and most < len(ids):
        places = np.linspace(0, len(ids) - 1, most).round().astype(int)
        split = only_images(split, {ids[place] for place in places.tolist()})
    return loaded.dataset(split, loaded.label_map)


def _write_graph(detector: Detector, loaded: LoadedModel, folder: Path) -> Description:
    """Write the float32 graph and its description: of any size, of squares of the one that all pictures have.

    Raises ModelError if it cannot be made, or holds for the size of its example alone.
    """
    side = loaded.longest_edge
    has_mask = not loaded.square or side % detector.stride != 0  # of whole squares nothing is padded
    if has_mask:
        smallest = max(EXAMPLE, detector.smallest_side)
        graph = to_onnx(detector, smallest, smallest + detector.stride)
    else:
        graph = to_onnx(detector, side, side, has_mask=False, is_fixed=True)
    folded(graph, folder / MODEL)
    pixels = Preprocessing(
        loaded.shortest_edge, loaded.longest_edge, loaded.square, detector.stride,
        None if has_mask else side, None if has_mask else side,
        mean=detector.normalization.mean, std=detector.normalization.std, pixel_mask=has_mask,
        whole_cells=detector.whole_cells,
    )  # fmt: skip
    labels = loaded.label_map
    description = Description(
        pixels, labels.names, "softmax" if detector.has_no_object else "sigmoid", labels.category_ids,
        model_type=detector.model_type, feature_stride=detector.feature_stride(),
        top_k=detector.top_k,
    )  # fmt: skip
    (folder / DESCRIPTION).write_text(json.dumps(to_json(description), indent=1) + "\n", encoding="utf-8")
    return description


def _calibration(model: OnnxModel, dataset: DetectionDataset) -> list[Feeds]:
    """Return the inputs of a data set's pictures, of those that can be read."""
    has_mask = model.description.preprocessing.pixel_mask
    feeds: list[Feeds] = []
    for batch in loader(dataset, 1, spare=lambda failure: None):
        pixels, mask = model.inputs(batch["pixel_values"], batch["pixel_mask"])
        feeds.append({PIXELS: pixels, MASK: mask} if has_mask else {PIXELS: pixels})
    return feeds


def _rows(measuring: Measuring, folder: Path, most_fall: float, refused: dict[str, str], size: int) -> tuple[Row, ...]:
    """Return a row of each model; delete the files of the variants that are not kept."""
    first = measuring.measured[PYTORCH]
    reference = Row("PyTorch", "", size, measuring.ap(PYTORCH), first.median_seconds)
    rows = [reference, _row("ONNX", folder / MODEL, measuring, "fp32")]
    for variant in VARIANTS:
        path = folder / variant.file_name
        if variant.key in refused:
            row = Row(variant.label, variant.file_name, 0, refused=refused[variant.key])
        else:
            row = _judged(_row(variant.label, path, measuring, variant.key), reference, most_fall)
        if row.refused:
            path.unlink(missing_ok=True)
        rows.append(row)
    return tuple(rows)


def _row(label: str, path: Path, measuring: Measuring, key: str) -> Row:
    one = measuring.measured[key]
    return Row(label, path.name, path.stat().st_size, measuring.ap(key), one.median_seconds, one.difference)


def _judged(row: Row, reference: Row, most_fall: float) -> Row:
    lost = fall(reference, row)
    if lost is None or lost <= most_fall:
        return row
    reason = f"AP falls by {100 * lost:.2f} points, more than {100 * most_fall:g}"
    return Row(**{name: getattr(row, name) for name in row.__struct_fields__ if name != "refused"}, refused=reason)


def _size(detector: Detector) -> int:
    """Return the bytes of a detector's weights, as in its safetensors file."""
    return sum(one.numel() * one.element_size() for one in detector.inner.parameters())

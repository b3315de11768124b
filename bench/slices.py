"""What the slices of the images cost; `python -m bench.slices` says how often a random slice is taken for a bad one.

The images of made-up data sets differ in how hard they are, but no slice of them does: slices are drawn at random. So
of data sets with a slice whose interval leaves 0 out, in either direction, there should be 5 in a hundred.
"""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa
from scipy.stats import binom

from bench.evaluation import LARGE, large_table
from bench.pictures import COUNT, many
from bench.table import Bench, Figures, Row, take_turns
from core.datasets.attributes.attribute import Attribute, ImageAttributes
from core.datasets.attributes.measured import measure_pictures
from core.evaluation.findings.slices import Slices, take_slices
from core.evaluation.table import table_metadata
from core.evaluation.tide import detection_table
from core.keep_result import KeepResult

ATTRIBUTES, VALUES = 8, 4
OBJECTS, SIDE = 5, 30  # of an image, and in pixels
CASES = ((60, 12), (80, 12), (200, 30))  # images, slices


def attributes_of(table: pa.Table) -> ImageAttributes:
    """Return ATTRIBUTES that are made up, each of VALUES slices."""
    ids, rng = np.array(table_metadata(table).image_ids), np.random.default_rng(0)
    names = tuple(f"value {i}" for i in range(VALUES))
    codes = rng.integers(0, VALUES, (ATTRIBUTES, len(ids)))
    parts = (Attribute(f"a{i}", "made up", names, row == np.arange(VALUES)[:, None]) for i, row in enumerate(codes))
    return ImageAttributes(ids, tuple(parts))


def evaluated(table: pa.Table, attributes: ImageAttributes) -> Slices:
    work = KeepResult(take_slices(table, attributes))
    for _ in work:
        pass
    return work.result


def measure_slices(bench: Bench) -> Figures:
    attributes = attributes_of(large_table())
    return take_turns(lambda _: evaluated(large_table(), attributes), rounds=bench.rounds)


def measure_measuring(bench: Bench) -> Figures:
    split = many(bench)

    def measure(number: int) -> None:
        for _ in measure_pictures(split, bench.folder / f"measured {number}.parquet"):
            pass
        (bench.folder / f"measured {number}.parquet").unlink()

    return take_turns(measure, rounds=bench.rounds)


ROWS = [
    Row("slices-compare", f"{ATTRIBUTES * VALUES} slices of {LARGE[0]:,} images, {LARGE[0] * LARGE[1]:,} detections, "
        "each compared with the other images", measure_slices),
    Row("slices-measure", f"brightness and sharpness of {COUNT:,} pictures, once", measure_measuring),
]  # fmt: skip


# How often noise is taken for more


def street(images: int, seed: int) -> pa.Table:
    """Return the table of a data set of one class, whose images differ in how much is found."""
    rng = np.random.default_rng(seed)
    annotations, results = [], []
    for image in range(1, images + 1):
        missed = 0.2 + 0.2 * rng.random()
        for place in range(OBJECTS):
            box = [40 * place, 0, SIDE, SIDE]
            common = {"image_id": image, "category_id": 1}
            annotations.append(
                common | {"id": len(annotations) + 1, "bbox": box, "area": SIDE * SIDE, "iscrowd": 0}
            )  # fmt: skip
            if rng.random() > missed:
                results.append(common | {"bbox": box, "score": float(rng.uniform(0.3, 1))})
            if rng.random() < 0.2:
                aside = [40 * place, 90, SIDE, SIDE]
                results.append(common | {"bbox": aside, "score": float(rng.uniform(0, 0.8))})
    pictures = [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 120} for i in range(1, images + 1)]
    return detection_table(
        {"images": pictures, "annotations": annotations, "categories": [{"id": 1, "name": "car"}]}, results
    )


def has_alarm(images: int, slices: int, seed: int) -> bool:
    """Check whether one of so many random slices of a data set seems worse or better than the other images."""
    rng = np.random.default_rng(10_000 + seed)
    masks = [rng.random((1, images)) < rng.uniform(0.15, 0.5) for _ in range(slices)]
    parts = tuple(Attribute(f"a{i}", "random", ("yes",), mask) for i, mask in enumerate(masks))
    evaluated_slices = evaluated(street(images, seed), ImageAttributes(np.arange(1, images + 1), parts))
    return any(one.difference.is_clear for one in evaluated_slices.slices)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.slices", description=__doc__)
    parser.add_argument("--sets", type=int, default=200, help="data sets of each size (default: %(default)s)")
    sets = parser.parse_args().sets
    for images, slices in CASES:
        alarms = sum(has_alarm(images, slices, seed) for seed in range(sets))
        low, high = binom.interval(0.95, sets, 0.05)
        print(
            f"{images} images, {slices} random slices: {alarms} of {sets} data sets have one that is no noise "
            f"(5 in a hundred would be {low:.0f} to {high:.0f})"
        )


if __name__ == "__main__":
    main()

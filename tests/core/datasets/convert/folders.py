"""Folders to be converted, and what came of them. Used by the tests beside it."""

import json
import re
import shutil
import zlib
from pathlib import Path

import pytest
from PIL import Image

from core import DataError
from core.datasets.convert.to_coco import convert
from core.datasets.folder.conversion_record import read_conversion
from core.datasets.layouts import find_splits

NAMES = ["car", "a <b>", "Käse"]
BOX = "0 0.5 0.5 0.2 0.4\n"
YAML = "train: images/train\nval: images/val\nnames: [car, bus]\n"


def picture(path: Path, size=(100, 50), orientation=None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    color = f"#{zlib.crc32(path.as_posix().encode()) % 2**24:06x}"  # no two pictures are the same
    Image.new("RGB", size, color).save(path, exif=exif)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def yolo(folder: Path, label=BOX, yaml=YAML) -> Path:
    """Two parts of one picture each, in Ultralytics' layout."""
    for part in ("train", "val"):
        picture(folder / f"images/{part}/{part}.png")
        text(folder / f"labels/{part}/{part}.txt", label)
    if yaml is not None:
        text(folder / "data.yaml", yaml)
    return folder


def xml(objects=(("car", (11, 21, 30, 40)),), size=(100, 50), filename="a.jpg", more="") -> str:
    boxes = "".join(
        f"<object><name>{name}</name>{more}<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
        "</bndbox></object>"
        for name, (x1, y1, x2, y2) in objects
    )
    stated = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    return f"<annotation><filename>{filename}</filename>{stated}{boxes}</annotation>"


def voc(folder: Path, *names, label=None) -> Path:
    for name in names or ("a",):
        picture(folder / f"JPEGImages/{name}.png")
        text(folder / f"Annotations/{name}.xml", xml() if label is None else label)
    return folder


def converted(folder: Path, out: Path) -> dict[str, dict]:
    """Each part's JSON by its name, all of whose pictures are there."""
    steps = list(convert(folder, out))
    total = steps[-1][1]
    assert steps == [(n, total) for n in range(1, total + 1)]
    return written(out)


def written(out: Path) -> dict[str, dict]:
    """Each part's JSON in a converted folder, by its name; but for testing, which no training uses."""
    splits = find_splits(out)
    paths = sorted((out / "annotations").iterdir())
    parts = {path.stem: json.loads(path.read_text()) for path in paths if path.stem != "instances_test"}
    for place in splits.values():
        for image in parts[place.json_path.stem]["images"]:
            assert (place.image_dir / image["file_name"]).is_file()
    return parts


def only(folder: Path, out: Path) -> dict:
    (data,) = converted(folder, out).values()
    return data


def names(data: dict) -> list[str]:
    return [image["file_name"] for image in data["images"]]


def boxes(data: dict) -> list[list[float]]:
    return [annotation["bbox"] for annotation in data["annotations"]]


def told(out: Path) -> dict[str, int]:
    """How many problems of each kind the conversion tells, by the kind's key."""
    conversion = read_conversion(out)
    assert conversion is not None
    counts: dict[str, int] = {}
    for problem in conversion.problems:
        counts[problem.kind.key] = counts.get(problem.kind.key, 0) + problem.count
    return counts


def details(out: Path) -> list[str]:
    """The examples of all problems that the conversion tells."""
    return [example.detail for problem in read_conversion(out).problems for example in problem.examples]


def costs(folder: Path, kind: str, says: str, count: int = 1) -> dict[str, dict]:
    """Each part's JSON of a folder of which some files or lines have a problem of one kind, and none of another."""
    out = folder.parent / f"out of {folder.name}"
    parts = converted(folder, out)
    assert told(out) == {kind: count}
    assert any(re.search(says, detail) for detail in details(out)), details(out)
    shutil.rmtree(out)
    return parts


def refused(folder: Path, says: str):
    out = folder.parent / "refused"
    with pytest.raises(DataError, match=says) as caught:
        list(convert(folder, out))
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message and ".." not in message.replace("../", "")
    assert not out.exists() and not list(folder.parent.glob(".*.partial")), "something is left behind"

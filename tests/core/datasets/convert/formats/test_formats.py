"""Every tool's own format: known by what its files hold, right boxes; one damaged file or object costs that one."""

import json
from pathlib import Path

import pytest

from core.datasets.convert.to_coco import FORMATS, convert, detect_format
from core.datasets.folder.conversion_record import read_conversion
from core.datasets.layouts import is_dataset
from core.datasets.problems import ProblemKind
from core.datasets.split import read_split
from tests.core.datasets.convert.formats.made import MAKERS, A, B


def converted(folder: Path) -> dict[str, dict[str, list]]:
    """Convert a folder; return each part's pictures by their stem, with (class, corners) of their objects."""
    out = folder.parent / f"{folder.name} out"
    for _ in convert(folder, out):
        pass
    parts = {}
    for path in (out / "annotations").glob("*.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        names = {category["id"]: category["name"] for category in data["categories"]}
        stems = {image["id"]: Path(image["file_name"]).stem for image in data["images"]}
        part = parts.setdefault(path.stem.removeprefix("instances").strip("_"), {stem: [] for stem in stems.values()})
        for one in data["annotations"]:
            x, y, w, h = one["bbox"]
            part[stems[one["image_id"]]].append((names[one["category_id"]], (x, y, x + w, y + h)))
    return parts


def problems(folder: Path) -> dict[ProblemKind, int]:
    conversion = read_conversion(folder.parent / f"{folder.name} out")
    return {problem.kind: problem.count for problem in conversion.problems}


@pytest.fixture(params=MAKERS)
def made(request, tmp_path):
    """A folder of each format, with its key."""
    folder = tmp_path / "mine"
    MAKERS[request.param][0](folder)
    return request.param, folder


def test_every_format_has_a_title_that_is_shown():
    assert all(reader.TITLE and reader.TITLE[0].isalpha() for reader in FORMATS.values())


def test_every_format_but_the_two_large_ones_is_made_here():
    assert set(MAKERS) == set(FORMATS) - {"yolo", "voc"}


def test_a_folder_is_recognised_and_only_by_its_own_format(made):
    key, folder = made
    assert not is_dataset(folder)
    assert detect_format(folder) == key
    assert [other for other, reader in FORMATS.items() if reader.looks_like(folder)] == [key]


def test_boxes_and_classes_are_right(made):
    key, folder = made
    (part,) = converted(folder).values()
    assert part.pop("c", []) == []  # RetinaNet's rows name a picture without objects
    assert part["a"] == [(name, pytest.approx(box)) for name, box in A]
    assert part["b b" if key == "yolo list" else "b"] == [(name, pytest.approx(box)) for name, box in B]
    assert problems(folder) == {}


def test_parts_are_read_from_folders_and_names(made):
    """A second folder of the same, for testing."""
    key, folder = made
    moved = folder.parent / "whole"
    moved.mkdir()
    (folder).rename(moved / "train")
    MAKERS[key][0](moved / "test")
    if key == "datumaro":
        (moved / "test/annotations/train.json").rename(moved / "test/annotations/test.json")
        (moved / "test/images/train").rename(moved / "test/images/test")
    elif (moved / "test/train").exists():
        (moved / "test/train").rename(moved / "test/part")
        (moved / "train/train").rename(moved / "train/part")
    parts = converted(moved)
    tested = parts.pop("test")
    (part,) = parts.values()
    assert len(part) == 3 if key == "retinanet" else 2
    assert tested == {stem: [(name, pytest.approx(box)) for name, box in some] for stem, some in part.items()}
    split = read_split(moved.parent / "whole out", "test")
    assert {split.image_path(image).stem for image in split.images if split.image_path(image).is_file()} == set(part)
    assert problems(moved)[ProblemKind.TEST_PART] >= 2


@pytest.mark.parametrize("damage", [b"", b"{", b"[" * 100_000, b"\xff\xfe\x00", b'{"shapes": 3}'])
def test_one_damaged_file_costs_that_file(made, damage):
    key, folder = made
    whole = folder.parent / "whole"
    whole.mkdir()
    folder.rename(whole / "one")
    MAKERS[key][0](whole / "two")
    target = min(path for pattern in MAKERS[key][1] for path in (whole / "two").glob(pattern))
    content = target.read_bytes()
    target.write_bytes(content[: len(content) // 2 + 2] if damage == b"{" else damage)
    (part,) = converted(whole).values()
    assert len(part) >= 2 and sum(problems(whole).values()) >= 1


def test_a_damaged_object_costs_that_object(made):
    key, folder = made
    target = min(path for pattern in MAKERS[key][1] for path in folder.glob(pattern))
    content = target.read_text(encoding="utf-8")
    for old, new in (
        ('"car"', '""'),
        ('xtl="10"', 'xtl="nan"'),
        (",car,", ",,"),
        (",car\n", ",\n"),
        ("30,1 ", "30,9 "),
    ):
        if old in content:
            content = content.replace(old, new, 1)
            break
    if key in ("datumaro", "fiftyone labels"):
        content = (
            target.read_text(encoding="utf-8")
            .replace('"label_id": 0', '"label_id": 7')
            .replace('"label": 1', '"label": 7')
        )
    target.write_text(content, encoding="utf-8")
    (part,) = converted(folder).values()
    assert problems(folder)[ProblemKind.LABEL_LINE] >= 1
    assert ("bus", pytest.approx((50, 20, 90, 45))) in part["b b" if key == "yolo list" else "b"]


def test_a_picture_that_is_not_there_is_told(made):
    _, folder = made
    next(folder.rglob("a.png")).unlink()
    (part,) = converted(folder).values()
    assert "a" not in part and problems(folder)[ProblemKind.LABEL_ALONE] == 1

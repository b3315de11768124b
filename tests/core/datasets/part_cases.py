"""Small data sets to take parts of, and what a part is as saved or refused."""

import errno
import json
from pathlib import Path

import pytest
from hypothesis import strategies as st

from core import DataError
from core.datasets.layouts import find_splits
from core.datasets.part import save_subset
from core.datasets.split import examine_split
from core.datasets.subset import Subset
from tests.core.coco_cases import gt_of

CARS = Subset(("car",))
POLYGON = '"segmentation": [[1.50, 2e0, 3,4.125 ,5,6]]'
CROWD = '"segmentation": {"counts": [0, 12, 19988], "size": [100,200]}'
FULL = OSError(errno.ENOSPC, "No space left on device")

numbers = st.integers(1, 10**9)
subsets = st.builds(
    Subset, st.sampled_from([("car",), ("dog",), ("car", "dog")]), st.integers(0, 8), st.integers(0, 4),
    st.sampled_from([0.0, 0.2, 0.29, 0.5, 0.9]), st.integers(0, 5),
)  # fmt: skip


@st.composite
def truths(draw):
    """Up to twelve images with any ids, some without objects, some with crowds alone."""
    images = draw(st.lists(numbers, unique=True, max_size=12))
    if not images:
        return gt_of(images=0)
    row = st.tuples(st.sampled_from(images), st.integers(1, 3), st.booleans())
    rows = draw(st.lists(row, max_size=20))
    boxes = [(i, k, (n, 0, 10, 10), {"iscrowd": int(crowd)}) for n, (i, k, crowd) in enumerate(rows)]
    gt = gt_of(*boxes, categories=("car", "dog", "bus"))
    gt["images"] = [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 100} for i in images]
    ids = draw(st.lists(numbers, unique=True, min_size=len(rows), max_size=len(rows)))
    for annotation, own in zip(gt["annotations"], ids, strict=True):
        annotation["id"] = own
    return gt


def dataset(folder: Path, **splits: dict | str) -> Path:
    """A folder with these splits; one that is called `single` is a file without splits. One empty picture each."""
    for name, gt in splits.items():
        stem, place = ("all", "images") if name == "single" else (f"instances_{name}", name)
        (folder / "annotations").mkdir(parents=True, exist_ok=True)
        (folder / place).mkdir()
        (folder / place / "1.jpg").touch()
        text = gt if isinstance(gt, str) else json.dumps(gt)
        (folder / "annotations" / f"{stem}.json").write_text(text, encoding="utf-8")
    return folder


def splits_of(folder: Path) -> dict:
    """The splits that have a file of their own, or both of a file without splits."""
    return {
        name: examine_split(place._replace(shared=place.json_path.stem == "all"), name)
        for name, place in find_splits(folder).items()
        if place.json_path.stem in ("all", f"instances_{name}")
    }


def saved(folder: Path, subset: Subset, out: Path) -> dict:
    """What was saved of the folder, read again."""
    save_subset(splits_of(folder), subset, out)
    return splits_of(out)


def refused(folder: Path, subset: Subset, out: Path) -> str:
    """What is said; nothing is left behind, and the folder is as it was."""
    before, around = files(folder), sorted(out.parent.iterdir()) if out.parent.is_dir() else None
    with pytest.raises(DataError) as caught:
        save_subset(splits_of(folder), subset, out)
    assert files(folder) == before
    assert around is None or sorted(out.parent.iterdir()) == around, "something is left behind"
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return message


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def file_with(*annotations: str, images: str = '{"id": 1, "file_name": "1.jpg", "width": 200, "height": 100}') -> str:
    return (
        f'{{"info": {{"year": 2020}}, "licenses": [{{"id": 4}}], "images": [{images}],\n'
        f'"annotations": [{", ".join(annotations)}], "categories": [{{"id": 1, "name": "car"}}, '
        '{"name":"dog", "id": 2}]}'
    )


def written(out: Path, split: str = "train") -> bytes:
    return (out / "annotations" / f"instances_{split}.json").read_bytes()

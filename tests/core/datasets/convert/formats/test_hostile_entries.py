"""A pipe, a device or the like in place of any file of another tool's folder: it is read on, or refused, at once."""

from contextlib import suppress

import pytest

from core import DataError
from core.datasets.convert.to_coco import convert, detect_format
from tests.core.datasets.convert.formats import made
from tests.core.hostile_entries import no_waiting, put

MAKERS = [
    made.labelme, made.cvat, made.createml, made.tensorflow, made.retinanet, made.yolo_list, made.label_studio,
    made.supervisely, made.datumaro, made.fiftyone_labels, made.fiftyone, made.via,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "far too large"])
@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_whatever_lies_there_holds_nothing_up(tmp_path, make, kind):
    make(tmp_path / "sound")
    names = [path.relative_to(tmp_path / "sound") for path in (tmp_path / "sound").rglob("*") if path.is_file()]
    for number, name in enumerate(names):
        folder = tmp_path / f"{number}"
        make(folder)
        put(kind, folder / name)
        with no_waiting(), suppress(DataError):
            detect_format(folder)
            list(convert(folder, tmp_path / f"out {number}"))

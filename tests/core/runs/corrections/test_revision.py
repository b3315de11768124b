import json
import os
from pathlib import Path

import pytest

from core import DataError, RunError
from core.datasets.check import check_dataset
from core.datasets.convert.to_coco import convert
from core.datasets.split import examine_splits, read_split
from core.evaluation.findings.relabel import Label
from core.runs.corrections.corrected import label_of
from core.runs.corrections.journal import CorrectionKind, Journal, label_file
from core.runs.corrections.revision import newer_of, read_revision, save_revision
from tests.invented import draw_street

KIND = CorrectionKind
BOX = (3.0, 4.0, 40.5, 60.25)


@pytest.fixture
def street(store) -> Path:
    return draw_street(store.root, val=6)


def correct(store, split, image_id, label_id, after, kind=KIND.CLASS):
    journal = Journal(store, label_file(store, split.json_path))
    before = None if label_id is None else label_of(split, journal.all(), image_id, label_id)
    highest = max(a["id"] for a in split.annotations)
    return journal.add(image_id, label_id, kind, before, after, highest)


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files of a folder with their times and bytes."""
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_a_revision_is_a_data_set_of_its_own_with_all_ids_and_every_other_byte(store, street):
    val = read_split(street, "val")
    before = files_of(street)
    first, second, third = val.annotations[:3]
    gone = correct(store, val, first["image_id"], first["id"], None, KIND.DELETED)
    correct(store, val, second["image_id"], second["id"], Label("dog", BOX), KIND.CLASS)
    drawn = correct(store, val, third["image_id"], None, Label("cat", BOX), KIND.DRAWN)
    folder, revision = save_revision(store, str(street))
    assert files_of(street) == before and folder == store.data_dir / "street-r1"
    assert (revision.number, revision.of, revision.name) == (1, "data/street", "street-r1")
    again = read_split(folder, "val")
    assert [i["id"] for i in again.images] == [i["id"] for i in val.images] and again.categories == val.categories
    assert all(again.image_path(a).samefile(val.image_path(b)) for a, b in zip(again.images, val.images, strict=True))
    by_id = {a["id"]: a for a in again.annotations}
    assert gone.label_id not in by_id and by_id[second["id"]]["bbox"] == [3, 4, 37.5, 56.25]
    assert by_id[drawn.label_id]["area"] == 37.5 * 56.25 and drawn.label_id == max(by_id)
    raw, made = (json.loads(split.json_path.read_text()) for split in (val, again))
    unchanged = {a["id"]: a for a in raw["annotations"]}
    assert [a for a in made["annotations"] if a == unchanged.get(a["id"])] == [
        a for a in raw["annotations"] if a["id"] not in (first["id"], second["id"])
    ]
    assert read_split(folder, "train").to_dict() == read_split(street, "train").to_dict()
    assert not [p for split in examine_splits(folder).values() for p in split.problems]


def test_what_changed_is_listed(store, street):
    val = read_split(street, "val")
    image_id = val.annotations[0]["image_id"]
    drawn = correct(store, val, image_id, None, Label("cat", BOX, crowd=True), KIND.DRAWN)
    folder, _ = save_revision(store, str(street))
    [change] = read_revision(folder).changes
    assert (change.part, change.image_id, change.label_id, change.before) == ("val", image_id, drawn.label_id, None)
    assert change.after == {"class": "cat", "box": list(BOX), "crowd": True}
    assert change.file_name == val.image_by_id[image_id]["file_name"]


def test_a_revision_of_a_revision_knows_what_it_comes_from(store, street):
    val = read_split(street, "val")
    correct(store, val, val.images[0]["id"], None, Label("cat", BOX), KIND.DRAWN)
    first, _ = save_revision(store, str(street))
    with pytest.raises(RunError, match=r"No label of .*street-r1 was corrected"):
        save_revision(store, str(first))
    correct(store, read_split(first, "val"), val.images[1]["id"], None, Label("dog", BOX), KIND.DRAWN)
    second, revision = save_revision(store, str(first))
    assert (second.name, revision.number, revision.of) == ("street-r2", 2, "data/street-r1")
    root, names = store.root, [f"data/{name}" for name in ("street", "street-r1", "street-r2")]
    assert newer_of(root, names[0], names[2]) == newer_of(root, names[2], names[0]) == names[2]
    assert newer_of(root, names[0], names[0]) is None and newer_of(root, names[1], "data/other") is None
    assert newer_of(root, None, names[1]) is None
    (second / "revision.json").write_text('{"of": "data/street-r2", "number": 1, "created": 1, "changes": []}')
    assert newer_of(root, names[0], names[2]) is None  # a circle


def test_corrections_of_both_parts_go_into_one_revision(store, street):
    for part in ("train", "val"):
        split = read_split(street, part)
        correct(store, split, split.images[0]["id"], None, Label("cat", BOX), KIND.DRAWN)
    folder, revision = save_revision(store, str(street), name="mine")
    assert folder.name == "mine" and [change.part for change in revision.changes] == ["train", "val"]
    with pytest.raises(RunError, match="data/mine is there already"):
        save_revision(store, str(street), name="mine")
    for name in ("../out", ".hidden", " ", "a/b"):
        with pytest.raises(RunError, match="cannot be the name"):
            save_revision(store, str(street), name=name)


def shared(store, annotations, images=12, name="one") -> Path:
    folder = store.data_dir / name
    (folder / "images").mkdir(parents=True)
    street = draw_street(store.root / "drawn", val=images)
    names = sorted(path for path in (street / "val").iterdir())
    for number, path in enumerate(names, start=1):
        (folder / f"images/{number}.jpg").hardlink_to(path)
    data = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 160, "height": 160} for i in range(1, images + 1)],
        "annotations": annotations, "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }  # fmt: skip
    (folder / "result.json").write_text(json.dumps(data))
    return folder


def annotation(number, image_id, **more):
    box = {"bbox": [5, 5, 40, 40], "segmentation": [[5, 5, 45, 5, 45, 45]], "area": 800, "score": 0.5}
    return {"id": number, "image_id": image_id, "category_id": 1, "iscrowd": 0, **box, **more}


def test_a_file_of_both_parts_keeps_its_division_polygons_and_broken_entries(store):
    entries = [annotation(i, i) for i in range(1, 13)] + [annotation(50, 3, bbox=[0, 0, 0, 0])]
    folder = shared(store, entries)
    parts = examine_splits(folder)
    image_id = parts["val"].images[0]["id"]
    was = label_of(parts["val"], [], image_id, image_id)
    correct(store, parts["val"], image_id, image_id, Label("dog", was.box, was.area))
    moved = parts["train"].images[0]["id"]
    correct(store, parts["train"], moved, moved, Label("cat", BOX), KIND.BOX)
    made, _ = save_revision(store, str(folder))
    again = examine_splits(made)
    for part in ("train", "val"):
        assert [i["id"] for i in again[part].images] == [i["id"] for i in parts[part].images]
    raw = {a["id"]: a for p in ("train", "val") for a in json.loads(again[p].json_path.read_text())["annotations"]}
    assert raw[image_id] == annotation(image_id, image_id, category_id=2)  # its polygon is as good as before
    assert "segmentation" not in raw[moved] and raw[moved]["score"] == 0.5
    assert raw[50]["bbox"] == [0, 0, 0, 0] and len(raw) == 13
    assert check_dataset(made)


def test_ids_that_repeat_become_those_that_the_file_is_read_with(store):
    folder = shared(store, [annotation(1, i) for i in range(1, 13)])
    parts = examine_splits(folder)
    first = parts["val"].annotations[0]
    correct(store, parts["val"], first["image_id"], first["id"], None, KIND.DELETED)
    made, _ = save_revision(store, str(folder))
    again = examine_splits(made)
    ids = [a["id"] for part in again.values() for a in part.annotations]
    assert sorted(ids) == sorted({a["id"] for part in parts.values() for a in part.annotations} - {first["id"]})
    assert not [problem for part in again.values() for problem in part.problems]


def test_a_converted_folder_and_a_single_coco_file_have_revisions_too(store, tmp_path):
    folder = Path(os.environ["DETR_LAB_COCO"]).parent / "bccd"
    out = store.data_dir / "cells"
    for _ in convert(folder, out):
        pass
    val = read_split(out, "val")
    correct(store, val, val.images[0]["id"], None, Label("RBC", BOX), KIND.DRAWN)
    made, _ = save_revision(store, str(out))
    assert made.name == "cells-r1" and len(read_split(made, "val").annotations) == len(val.annotations) + 1
    assert read_split(made, "val").image_path(val.images[0]).is_file()

    street = draw_street(tmp_path)
    file = street / "annotations/instances_val.json"
    split = read_split(street, "val")
    correct(store, split, split.images[0]["id"], None, Label("cat", BOX), KIND.DRAWN)
    made, revision = save_revision(store, str(file), str(street / "val"))
    assert revision.of == "data/street/annotations/instances_val.json" and made.name == "instances_val-r1"
    assert len(read_split(made, "val").annotations) == len(split.annotations) + 1


def test_nothing_is_left_where_it_cannot_be_written(store, street, monkeypatch):
    val = read_split(street, "val")
    correct(store, val, val.images[0]["id"], None, Label("cat", BOX), KIND.DRAWN)
    monkeypatch.setattr("core.runs.corrections.revision.write_lists", full_disk)
    with pytest.raises(DataError, match="street-r1 cannot be written: No space left"):
        save_revision(store, str(street))
    assert [path.name for path in store.data_dir.iterdir()] == ["street"] and read_revision(street) is None


def full_disk(*_):
    raise OSError(28, "No space left on device")

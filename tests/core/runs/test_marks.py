import contextlib
import io
import json
import threading
from dataclasses import replace

import pytest
from pycocotools.coco import COCO

from core import RunError
from core.datasets.split import CocoSplit, read_split
from core.evaluation.coco_files import read_ground_truth
from core.evaluation.findings.label_errors import LabelErrorKind, label_errors
from core.evaluation.table import table_metadata
from core.evaluation.tide import detection_table
from core.runs.bin import Bin
from core.runs.experiments.record import Experiments
from core.runs.many.clock import RECORDED, clock
from core.runs.many.preferences import preference
from core.runs.many.tags import change_tags
from core.runs.many.views import Views
from core.runs.marks import Mark, Marks, marks_to_coco
from core.runs.store import RunStore
from core.runs.tables import UPGRADES
from tests.core.coco_cases import gt_of, result

MISSING = Mark(LabelErrorKind.MISSING, 1, "car", (10.25, 20.5, 30.25, 60.0), score=0.875)
WRONG = Mark(LabelErrorKind.WRONG, 1, "car", (50.0, 0.0, 60.0, 10.0), gt_id=1, score=0.75)
IMAGE = Mark(LabelErrorKind.IMAGE, 2)
GT = gt_of((1, 2, (50, 0, 10, 10), {"area": 55}), (3, 1, (0, 0, 9, 9)), images=3)
ABOUT = table_metadata(detection_table(GT, []))


@pytest.fixture
def run_id(store) -> str:
    return store.create({}).id


def undated(marks: list[Mark]) -> list[Mark]:
    return [replace(mark, created=None) for mark in marks]


def split_of(gt: dict, **more) -> CocoSplit:
    return CocoSplit("val", **{"json_path": None, "image_dir": None, **more}, **gt)


# Keeping


def test_marks_come_back_whole_in_the_order_of_marking(store, run_id):
    for mark in (WRONG, IMAGE, MISSING):
        Marks(store).add(run_id, mark)
    found = Marks(store).all(run_id)
    assert undated(found) == [WRONG, IMAGE, MISSING]
    assert [mark.created for mark in found] == sorted(mark.created for mark in found)


def test_marks_survive_a_restart_and_belong_to_one_run(store, run_id, tmp_path):
    Marks(store).add(run_id, WRONG)
    other = store.create({}).id
    store.close()
    again = RunStore(tmp_path)
    assert undated(Marks(again).all(run_id)) == [WRONG]
    assert Marks(again).all(other) == []
    again.close()


def test_a_mark_can_be_taken_back_even_twice(store, run_id):
    marks = Marks(store)
    marks.add(run_id, WRONG)
    marks.add(run_id, MISSING)
    for _ in range(2):
        marks.remove(run_id, WRONG.key)
    assert undated(marks.all(run_id)) == [MISSING]


def test_what_is_marked_twice_is_one_mark_the_newer(store, run_id):
    marks = Marks(store)
    marks.add(run_id, WRONG)
    marks.add(run_id, replace(WRONG, class_name="bus"))
    assert undated(marks.all(run_id)) == [replace(WRONG, class_name="bus")]


def test_marks_of_different_things_have_different_keys():
    other = [
        replace(MISSING, image_id=2), replace(MISSING, class_name="dog"), replace(MISSING, box=(0, 0, 9, 9)),
        replace(WRONG, gt_id=2), replace(IMAGE, image_id=1), replace(WRONG, kind=LabelErrorKind.PLACE),
        replace(WRONG, kind=LabelErrorKind.DUPLICATE),
    ]  # fmt: skip
    assert len({mark.key for mark in (MISSING, WRONG, IMAGE, *other)}) == 10


def test_a_suspect_becomes_a_mark_with_the_same_key_whenever_it_is_found_again():
    results = [result(1, 1, (50, 0, 10, 10)), result(2, 1, (0, 0, 9, 9), 0.8)]
    first, again = ([Mark.of(s) for s in label_errors(detection_table(GT, results))] for _ in range(2))
    assert [(m.kind, m.class_name, m.gt_id) for m in first] == [
        (LabelErrorKind.WRONG, "car", 1),
        (LabelErrorKind.MISSING, "car", None),
    ]
    assert [m.key for m in first] == [m.key for m in again]


def test_two_tabs_can_mark_at_once(store, run_id, tmp_path):
    tabs = [RunStore(tmp_path) for _ in range(2)]

    def mark(tab, offset):
        for i in range(20):
            Marks(tab).add(run_id, replace(WRONG, gt_id=i + offset))

    threads = [threading.Thread(target=mark, args=(tab, 10 * n)) for n, tab in enumerate(tabs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(mark.gt_id for mark in Marks(store).all(run_id)) == list(range(30))
    for tab in tabs:
        tab.close()


def test_a_deleted_run_takes_its_marks_along_gets_no_more_and_brings_them_back(store, run_id):
    marks = Marks(store)
    marks.add(run_id, WRONG)
    store.update(run_id, status="stopped")
    Bin(store).delete(run_id)
    assert marks.all(run_id) == []
    marks.remove(run_id, WRONG.key)
    with pytest.raises(RunError, match=r"There is no run .* any more"):
        marks.add(run_id, WRONG)
    Bin(store).restore(run_id)
    assert undated(marks.all(run_id)) == [WRONG]
    Bin(store).delete(run_id)
    Bin(store).remove([run_id])
    with store.database.read() as db:
        assert db.execute("select count(*) from marks").fetchone()[0] == 0


def test_many_are_marked_and_unmarked_at_once(store, run_id):
    marks, many = Marks(store), [Mark(LabelErrorKind.IMAGE, i) for i in range(5000)]
    marks.add(run_id, WRONG)
    marks.add_all(run_id, many)
    assert undated(marks.all(run_id)) == [WRONG, *many]
    assert marks.image_ids(run_id) == list(range(5000))
    marks.remove_all(run_id, [mark.key for mark in many[1:]] + ["image 77777"])
    assert undated(marks.all(run_id)) == [WRONG, many[0]]
    marks.add_all(run_id, [])
    marks.remove_all(run_id, [])
    assert undated(marks.all(run_id)) == [WRONG, many[0]]


def test_of_many_marks_all_are_kept_or_none(store, run_id):
    with pytest.raises(RunError):
        Marks(store).add_all(run_id, [WRONG, replace(IMAGE, image_id=None), MISSING])
    assert Marks(store).all(run_id) == []
    with pytest.raises(RunError, match="There is no run 'gone' any more"):
        Marks(store).add_all("gone", [IMAGE])


@pytest.mark.parametrize("version", UPGRADES)
def test_an_older_store_keeps_its_runs_and_can_be_marked_in(store, run_id, tmp_path, version):
    with store.database.write() as db:  # back to what that version had
        for table in ("times", "views", "preferences"):
            db.execute(f"drop table {table}")
        db.execute("alter table runs drop column tags")
        for table in ("experiment_runs", "experiments") if version < 6 else ():
            db.execute(f"drop table {table}")
        if version < 5:
            db.execute("drop table corrections")
        if version < 3:
            db.execute("drop table marks")
        if version < 2:
            db.execute("alter table runs drop column remarks")
        for column in ("notes", "deleted") if version < 4 else ():
            db.execute(f"alter table runs drop column {column}")
        db.execute(f"pragma user_version = {version}")
    store.close()
    with contextlib.closing(RunStore(tmp_path)) as newer:
        Marks(newer).add(run_id, MISSING)
        assert undated(Marks(newer).all(run_id)) == [MISSING]
        assert [run.id for run in newer.runs()] == [run_id]
        assert Experiments(newer).all() == []
        assert newer.runs()[0].tags == [] and Views(newer).all() == [] and preference(newer, "columns") is None
        assert change_tags(newer, [run_id], ["kept"]) == {run_id: ["kept"]}
        newer.record(run_id, 1, {"train/loss": 1.0})
        assert clock(newer, run_id).source == RECORDED


# Giving out


def load(coco: dict, path) -> tuple[COCO, dict]:
    """The file as pycocotools and as this project read it."""
    path.write_text(json.dumps(coco))
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path)), read_ground_truth(path)


def test_marks_become_a_coco_file_that_tools_read(tmp_path):
    theirs, ours = load(marks_to_coco([WRONG, IMAGE, MISSING], split_of(GT), ABOUT), tmp_path / "marks.json")
    assert sorted(theirs.getImgIds()) == [1, 2]
    assert {c["id"]: c["name"] for c in ours["categories"]} == {1: "car", 2: "dog"}
    assert theirs.loadImgs([1, 2]) == [
        {"id": 1, "file_name": "1.jpg", "width": 200, "height": 100},
        {"id": 2, "file_name": "2.jpg", "width": 200, "height": 100, "mark": "image"},
    ]
    assert theirs.loadAnns(theirs.getAnnIds()) == [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [50, 0, 10, 10], "area": 55, "iscrowd": 0, "score": 0.75,
         "annotated": "dog", "mark": "wrong label"},
        {"id": 3, "image_id": 1, "category_id": 1, "bbox": [10.25, 20.5, 20, 39.5], "area": 790, "iscrowd": 0,
         "score": 0.875, "mark": "missing label"},
    ]  # fmt: skip


def test_a_badly_placed_label_gets_the_predicted_box_a_duplicate_stays_and_several_marks_are_one_annotation():
    place = Mark(LabelErrorKind.PLACE, 1, "dog", (52.0, 0.0, 62.0, 10.0), gt_id=1, score=0.5)
    double = Mark(LabelErrorKind.DUPLICATE, 1, "car", (50.0, 0.0, 60.0, 10.0), gt_id=1)
    (moved,) = marks_to_coco([place], split_of(GT), ABOUT)["annotations"]
    original = next(annotation for annotation in GT["annotations"] if annotation["id"] == 1)
    assert moved["bbox"] == [52, 0, 10, 10] and moved["annotated_bbox"] == original["bbox"]
    assert moved["category_id"] == original["category_id"] and moved["mark"] == "badly placed"
    (kept,) = marks_to_coco([double], split_of(GT), ABOUT)["annotations"]
    assert kept["bbox"] == original["bbox"] and kept["mark"] == "duplicate label" and kept["score"] is None
    (both,) = marks_to_coco([WRONG, place], split_of(GT), ABOUT)["annotations"]
    assert both["mark"] == "wrong label, badly placed" and both["bbox"] == [52, 0, 10, 10]
    assert both["category_id"] == 1 and both["annotated"] == "dog"


def test_no_marks_are_an_empty_file_with_all_classes(tmp_path):
    theirs, _ = load(marks_to_coco([], split_of(GT), ABOUT), tmp_path / "marks.json")
    assert (theirs.getImgIds(), theirs.getAnnIds(), theirs.getCatIds()) == ([], [], [1, 2])


def test_what_left_the_data_set_since_is_left_out():
    gone = [
        replace(WRONG, gt_id=99),
        replace(WRONG, image_id=3),
        replace(MISSING, image_id=7),
        Mark(LabelErrorKind.IMAGE, 7),
    ]
    coco = marks_to_coco([*gone, replace(MISSING, class_name="bus")], split_of(GT), ABOUT)
    assert coco["images"] == coco["annotations"] == []


def test_new_ids_lie_above_those_of_boxes_without_extent_too(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val").mkdir()
    gt = gt_of((1, 1, (0, 0, 9, 9)), (1, 1, (5, 5, 0, 0), {"id": 70}))
    (tmp_path / "annotations/instances_val.json").write_text(json.dumps(gt))
    coco = marks_to_coco([MISSING], read_split(tmp_path, "val"), ABOUT)
    assert [annotation["id"] for annotation in coco["annotations"]] == [71]


def test_giving_out_changes_nothing_of_the_data_set():
    before = json.dumps(GT)
    marks_to_coco([WRONG, IMAGE, MISSING], split_of(GT), ABOUT)
    assert json.dumps(GT) == before

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from core import RunError
from core.evaluation.model_input import ModelInput
from core.evaluation.table import (
    COLUMNS,
    ERROR_TYPES,
    SCHEMA,
    ErrorType,
    TableMetadata,
    read_table,
    table_metadata,
    write_table,
)
from core.evaluation.tide import detection_table
from tests.core.coco_cases import gt_of, result, rows

GT = gt_of(
    (1, 1, (0, 0, 10, 10)), (2, 1, (0, 0, 50, 50)), (2, 2, (60, 0, 10, 10)), (3, 1, (0, 0, 99, 99), {"iscrowd": 1}),
    images=4,
)  # fmt: skip
RESULTS = [result(1, 1, (0, 0, 10, 9), 0.7), result(2, 1, (0, 0, 50, 20), 0.4), result(4, 2, (0, 0, 120, 90), 0.3)]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return detection_table(GT, RESULTS)


# Columns


def test_the_table_says_who_found_what():
    gt = gt_of((1, 1, (10, 20, 30, 40)), (1, 2, (0, 0, 50, 50), {"area": 900}))
    table = detection_table(gt, [result(1, 2, (150, 0, 20, 20), 0.1), result(1, 1, (10, 20, 30, 39), 0.7)])
    assert table.schema.equals(SCHEMA)
    truths, (found, stray) = rows(table, "ground_truth"), rows(table)
    assert [(r["gt_id"], r["class_name"], r["match_query"], r["size"]) for r in truths] == [
        (1, "car", 1, "medium"), (2, "dog", None, "small"),
    ]  # fmt: skip
    assert truths[0]["match_score"] == pytest.approx(0.7)
    assert [found[c] for c in ("x1", "y1", "x2", "y2", "area", "size")] == [10, 20, 40, 59, 1170, "medium"]
    assert (found["gt_id"], found["query"], found["class_name"]) == (1, 1, "car")
    assert found["iou"] == found["best_same_iou"] == pytest.approx(39 / 40)
    assert (stray["error"], stray["query"], stray["best_same_gt"], stray["best_other_gt"]) == ("background", 0, 2, 1)


def test_each_column_is_null_exactly_where_its_kind_of_row_does_not_have_it():
    table = detection_table(gt_of((1, 1, (0, 0, 10, 10))), [result(1, 1, (0, 0, 10, 10))])
    (truth,), (found,) = rows(table, "ground_truth"), rows(table)
    for name, _, kind, _ in COLUMNS:
        assert kind != "detection" or truth[name] is None, name
        assert kind != "ground truth" or found[name] is None, name
    assert [name for name, value in found.items() if value is None and truth[name] is None] == [
        "error", "best_other_iou", "best_other_gt", "pointed_score",
    ]  # fmt: skip


def test_rows_lie_by_image_truths_first_then_by_falling_score():
    gt = gt_of((2, 1, (0, 0, 10, 10)), (1, 1, (0, 0, 10, 10)), images=2)
    table = detection_table(gt, [result(i, 1, (0, 0, 5, 5), s) for i, s in ((2, 0.1), (1, 0.2), (2, 0.9), (1, 0.3))])
    listed = [(row["image_id"], row["kind"], round(row["score"] or 0, 1)) for row in table.to_pylist()]
    assert listed == [
        (1, "ground_truth", 0), (1, "detection", 0.3), (1, "detection", 0.2),
        (2, "ground_truth", 0), (2, "detection", 0.9), (2, "detection", 0.1),
    ]  # fmt: skip


# Files


def test_a_written_table_is_read_back_whole_or_by_column(table, tmp_path):
    path = tmp_path / "run" / "table.parquet"
    write_table(table, path)
    assert read_table(path).equals(table)
    assert read_table(path, ["image_id", "error"]).column_names == ["image_id", "error"]
    assert [p.name for p in path.parent.iterdir()] == ["table.parquet"]  # nothing half written is left


def test_only_the_rows_that_are_asked_for_are_read_and_still_tell_of_the_whole(table, tmp_path):
    write_table(table, tmp_path / "t.parquet")
    part = read_table(tmp_path / "t.parquet", ["image_id", "class_name"], pc.field("image_id") == 2)
    assert part["class_name"].to_pylist() == ["car", "dog", "car"]
    assert table_metadata(part) == table_metadata(table)


def test_a_table_tells_of_every_image_and_class_and_of_what_the_model_saw(tmp_path):
    gt = gt_of(images=3) | {"images": [{"id": 7, "width": 200, "height": 100}, {"id": 3, "file_name": "unknown size"}]}
    write_table(detection_table(gt, [], model_input=ModelInput(50, 80, 32)), tmp_path / "t.parquet")
    told = table_metadata(read_table(tmp_path / "t.parquet"))
    assert told == TableMetadata((3, 7), (None, (200, 100)), ("car", "dog"), (1, 2), ModelInput(50, 80, 32))
    assert told.input_scales().tolist() == [pytest.approx(np.nan, nan_ok=True), 80 / 200]
    assert told.label_map.names == ("car", "dog")


def test_a_csv_has_every_row_and_column(table, tmp_path):
    write_table(table, tmp_path / "t.csv")
    back = pyarrow.csv.read_csv(tmp_path / "t.csv")
    assert back.column_names == table.column_names
    assert back["class_name"].to_pylist() == table["class_name"].to_pylist()
    assert back["score"].to_pylist() == pytest.approx(table["score"].to_pylist())


def test_a_csv_holds_no_formula_and_parquet_is_exact(table, tmp_path):
    name = '=HYPERLINK("http://a.b";"x")'
    classes = [None if c is None else name for c in table["class_name"].to_pylist()]
    place = table.schema.get_field_index("class_name")
    table = table.set_column(place, table.schema.field(place), pa.array(classes).dictionary_encode().cast(_type(table)))
    write_table(table, tmp_path / "t.csv")
    write_table(table, tmp_path / "t.parquet")
    back = pyarrow.csv.read_csv(tmp_path / "t.csv")
    assert set(back["class_name"].to_pylist()) == {"'" + name}
    assert back["x1"].to_pylist() == pytest.approx(table["x1"].to_pylist())
    assert set(read_table(tmp_path / "t.parquet")["class_name"].to_pylist()) == {name}


def _type(table):
    return table.schema.field("class_name").type


def test_a_missing_damaged_or_foreign_file_is_said_to_be_so(table, tmp_path):
    path = tmp_path / "table.parquet"
    with pytest.raises(RunError, match="There is no detection table"):
        read_table(path)
    write_table(table, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunError, match="is damaged"):
        read_table(path)
    pq.write_table(table.drop_columns(["iou"]), path)
    with pytest.raises(RunError, match="other columns"):
        read_table(path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(table, tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    path.write_text("old")

    def full(_, where, **__):
        where.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(RunError, match="cannot be written: No space left"):
        write_table(table, path)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("table.parquet", "old")]


def test_every_column_and_error_type_explains_itself():
    assert [name for name, *_ in COLUMNS] == SCHEMA.names
    assert all(meaning for *_, meaning in COLUMNS)
    assert len(ERROR_TYPES) == 6
    for kind in ErrorType:
        assert kind == kind.value == str(kind)
        assert kind.label and kind.description.endswith(".")

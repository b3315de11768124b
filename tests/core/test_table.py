import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError, RunError
from core.coco import SIZES
from core.errors import detection_table
from core.table import (
    COLUMNS,
    ERROR_TYPES,
    SCHEMA,
    ErrorType,
    count_errors,
    error_codes,
    image_rows,
    read_table,
    select_images,
    visible,
    worst_images,
    write_table,
)
from tests.core.coco_cases import cases, gt_of, result, rows

GT = gt_of(
    (1, 1, (0, 0, 10, 10)), (2, 1, (0, 0, 50, 50)), (2, 2, (60, 0, 10, 10)), (3, 1, (0, 0, 99, 99), {"iscrowd": 1}),
    images=4,
)  # fmt: skip
RESULTS = [result(1, 1, (0, 0, 10, 9), 0.7), result(2, 1, (0, 0, 50, 20), 0.4), result(4, 2, (0, 0, 120, 90), 0.3)]
thresholds = st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.1])


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return detection_table(GT, RESULTS)


def errors_of(table: pa.Table, threshold: float) -> list[tuple]:
    """(image, class, size, error type) of every error, row by row, as the module's description says it."""
    found = []
    for row in table.to_pylist():
        if row["kind"] == "detection":
            error = row["error"] if row["score"] >= threshold else None
        else:
            reached = [row[c] for c in ("match_score", "pointed_score") if row[c] is not None]
            error = None if row["iscrowd"] or any(score >= threshold for score in reached) else "missed"
        if error:
            found.append((row["image_id"], row["class_name"], row["size"], error))
    return found


@settings(max_examples=60, deadline=None)
@given(cases(), thresholds)
def test_every_count_agrees_with_the_rows(case, threshold):
    table = detection_table(*case)
    errors = errors_of(table, threshold)
    assert count_errors(table, threshold) == {t.value: sum(e[3] == t for e in errors) for t in ErrorType}
    assert dict(worst_images(table, threshold)) == {
        i: sum(e[0] == i for e in errors) for i in table["image_id"].to_pylist()
    }
    for image_id, _ in worst_images(table, threshold):
        shown = image_rows(table, image_id, threshold)
        assert sorted(r["error"] for r in shown if r["error"]) == sorted(e[3] for e in errors if e[0] == image_id)


@settings(max_examples=60, deadline=None)
@given(cases(), thresholds, st.data())
def test_chosen_images_are_those_with_such_errors_worst_first(case, threshold, data):
    gt, results = case
    table = detection_table(gt, results)
    some = st.none() | st.lists(st.sampled_from([c["name"] for c in gt["categories"]]), unique=True)
    classes, types = data.draw(some), data.draw(st.lists(st.sampled_from(ERROR_TYPES), unique=True))
    sizes = data.draw(st.none() | st.lists(st.sampled_from(SIZES), unique=True))
    images = [
        image for image, name, size, kind in errors_of(table, threshold)
        if kind in types and (classes is None or name in classes) and (sizes is None or size in sizes)
    ]  # fmt: skip
    expected = sorted(set(images), key=lambda image: (-images.count(image), image))
    assert select_images(table, threshold, classes, types, sizes) == expected


def test_without_error_types_an_image_needs_something_to_show(table):
    assert select_images(table, 0.35) == [2, 1, 3, 4]  # no restriction: also what has nothing at this threshold
    assert select_images(table, 0.35, classes=["car", "dog"]) == [2, 1, 3]
    assert select_images(table, 0.0, classes=["dog"]) == [2, 4]
    assert select_images(table, 0.0, classes=["car"], sizes=["large"]) == [3]
    assert select_images(table, 0.0, classes=["no such class"]) == []
    assert select_images(table, 0.75, classes=["car", "dog"]) == [2, 1, 3]  # by errors, then by id


def test_images_are_ordered_by_errors_not_by_what_there_is_to_show():
    gt = gt_of(*((1, 1, (20 * i, 0, 10, 10)) for i in range(5)), (2, 1, (0, 0, 10, 10)), images=2)
    table = detection_table(gt, [result(1, 1, (20 * i, 0, 10, 10)) for i in range(5)])
    assert select_images(table, classes=["car"]) == select_images(table) == [2, 1]


def test_worst_images_lead_and_the_faultless_come_too(table):
    assert worst_images(table, 0.35) == [(2, 2), (1, 0), (3, 0), (4, 0)]
    assert worst_images(table, 0.8) == [(2, 2), (1, 1), (3, 0), (4, 0)]


def test_a_score_is_at_its_own_threshold_although_float32_rounds_it(table):
    assert float(np.float32(0.7)) < 0.7
    assert visible(table, 0.7).sum() == 4 + 1
    assert count_errors(table, 0.7)["missed"] == count_errors(table, 0.5)["missed"]


def test_an_images_rows_are_truths_first_then_predictions_by_falling_score():
    table = detection_table(GT, [result(2, 1, (0, 0, 50, 20), s) for s in (0.2, 0.9, 0.4)])
    expected = [("ground_truth", None), ("ground_truth", "missed"), *[("detection", "localization")] * 2]
    assert [(r["kind"], r["error"]) for r in image_rows(table, 2, 0.3)] == expected
    assert [r["score"] for r in image_rows(table, 2)[2:]] == pytest.approx([0.9, 0.4, 0.2])
    assert image_rows(table, 2)[0].keys() == {name for name, *_ in COLUMNS}
    assert image_rows(table, 99) == []


def test_an_empty_table_has_no_errors_and_no_images():
    empty = SCHEMA.empty_table()
    assert set(count_errors(empty).values()) == {0}
    assert worst_images(empty) == select_images(empty) == select_images(empty, classes=["car"]) == []


@pytest.mark.parametrize(
    "filters, says", [({"error_types": ["odd"]}, "no error type 'odd'"), ({"sizes": ["tiny"]}, "no size 'tiny'")]
)
def test_an_unknown_filter_is_refused(table, filters, says):
    with pytest.raises(DataError, match=says):
        select_images(table, **filters)


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


def test_a_joined_table_counts_like_its_parts(table):
    other = detection_table(gt_of((9, 1, (0, 0, 9, 9)), images=9, categories=("bus",)), [])
    joined = pa.concat_tables([table, other])
    assert error_codes(joined).tolist() == [*error_codes(table), *error_codes(other)]
    assert select_images(joined, classes=["bus"]) == [9]


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


# Size


def test_half_a_million_rows_are_filtered_at_once(table):
    big = table.take(np.sort(np.arange(500_000) % len(table)))
    select_images(big, 0.3)
    times = []
    for _ in range(5):
        start = time.process_time()
        select_images(big, 0.3, ["car"], ["missed", "background"], ["small", "large"])
        times.append(time.process_time() - start)
    assert min(times) < 0.1


def test_every_column_and_error_type_explains_itself():
    assert [name for name, *_ in COLUMNS] == SCHEMA.names
    assert all(meaning for *_, meaning in COLUMNS)
    assert len(ERROR_TYPES) == 6
    for kind in ErrorType:
        assert kind == kind.value == str(kind)
        assert kind.label and kind.description.endswith(".")

"""Every figure that the Results page shows comes from one table, and agrees with the other figures and other tools'."""

import inspect

import hotcoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts import sections
from core.charts.chart import Chart
from core.charts.sections import SECTIONS, View, charts_of, verdicts
from core.charts.to_json import to_json
from core.evaluation.coco_files import read_ground_truth, read_results
from core.evaluation.selection import Selection, selected_rows
from core.evaluation.table import ERROR_TYPES, has_value, is_detection
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, from_env, gt_of, judge, result
from tests.core.evaluation.test_tide import HOTCOCO

thresholds = st.sampled_from([0.0, 0.25, 0.5, 1.1])
CAR, DOG = (1, 1, (0, 0, 10, 10)), (1, 2, (50, 0, 10, 10))


def everything(view: View) -> dict[str, Chart]:
    """Every chart of the page, by its key."""
    return {chart.key: chart for _, charts in charts_of(view) for chart in charts}


def column(chart: Chart, name: str) -> list:
    return [row[chart.columns.index(name)] for row in chart.rows]


def by(chart: Chart, *names: str) -> dict:
    """The last of these columns by the others."""
    columns = [column(chart, name) for name in names]
    keys = columns[0] if len(names) == 2 else zip(*columns[:-1], strict=True)
    return dict(zip(keys, columns[-1], strict=True))


def agree(gt: dict, results: list[dict], score: float) -> None:
    """Holds the charts of a pair against each other, pycocotools and hotcoco."""
    table = detection_table(gt, results)
    charts, run = everything(View(table, score)), judge(gt, results)
    objects = sum(not a["iscrowd"] for a in gt["annotations"])
    stats = [None if value == -1 else value for value in run.stats]
    theirs = hotcoco.COCOeval(truth := hotcoco.COCO(gt), truth.load_res(results), "bbox")
    theirs.evaluate()

    # AP
    ap = by(charts["ap-by-class"], "class", "AP")
    ap50 = by(charts["ap-by-class"], "class", "AP50")
    if objects:
        assert np.mean(list(ap.values())) == pytest.approx(stats[0])
        assert np.mean(list(ap50.values())) == pytest.approx(stats[1])
        curve = charts["precision-recall-50"]
        for name, value in ap50.items():
            points = [p for c, p in zip(column(curve, "class"), column(curve, "precision"), strict=True) if c == name]
            assert np.mean(points) == pytest.approx(value)
    for size, value in by(charts["ap-by-size"], "size", "AP").items():
        assert value == pytest.approx(stats[("small", "medium", "large").index(size) + 3])

    # errors
    tide = theirs.tide_errors()
    costs = by(charts["impact"], "error", "delta_AP50")
    for name in ("Dupe", "Bkg", "Both"):
        if objects:
            assert costs[HOTCOCO[name]] == pytest.approx(tide["delta_ap"][name], abs=1e-9)
    boxes, counts = by(charts["impact"], "error", "boxes"), count_errors(table)
    if objects:
        assert boxes == counts
    by_cell = charts["impact-by-class"]
    for kind in counts if objects else ():
        cells = zip(column(by_cell, "error"), column(by_cell, "boxes"), strict=True)
        assert sum(n for k, n in cells if k == kind) == counts[kind]

    # what is found from the score on
    shown = judge(gt, [row for row in results if row["score"] >= score])
    cells = [c for c in shown.evalImgs if c and c["aRng"] == [0, 1e10]]
    found = sum(int(((c["dtMatches"][0] > 0) & (c["dtIgnore"][0] == 0)).sum()) for c in cells)
    sizes = charts["recall-by-class-and-size"]
    assert sum(column(sizes, "found")) == sum(column(charts["recall-by-pixels"], "found")) == found
    assert sum(column(charts["iou"], "found")) == found
    assert sum(column(charts["ap-by-class-and-size"], "found")) == found
    assert sum(column(sizes, "objects")) == sum(column(charts["recall-by-pixels"], "objects")) == objects
    recall = by(charts["score-threshold"], "score", "recall")
    if score in recall:
        assert recall[score] == (pytest.approx(found / objects) if objects else None)

    # confusion, calibration, duplicates
    matrix = theirs.confusion_matrix(iou_thr=0.5, max_det=10**6, min_score=score)["matrix"]
    ours = column(charts.get("confusion-all", charts["confusion"]), "boxes")
    assert sorted(n for n in ours if n) == sorted(n for n in matrix.ravel().tolist() if n)
    calibration = theirs.calibration(n_bins=10, iou_threshold=0.5)
    assert sum(column(charts["calibration"], "predictions")) == calibration["num_detections"]
    shown_errors = count_errors(table, score)
    for kind in ERROR_TYPES:  # what a button of Errors counts is what its selection shows
        assert selected_rows(table, Selection(score, error=kind)).sum() == shown_errors[kind]


@settings(max_examples=60, deadline=None)
@given(cases(crowds=False), thresholds)
def test_all_figures_agree_with_each_other_pycocotools_and_hotcoco(case, score):
    gt, results = case
    agree(gt, results, score)


def test_they_agree_on_the_coco_apis_own_pair():
    folder = next(from_env("DETR_LAB_EVAL_FIXTURE").rglob("instances_val2014_100.json")).parent
    gt = read_ground_truth(folder / "instances_val2014_100.json")
    results = read_results(folder / "instances_val2014_fakebbox100_results.json")
    gt["annotations"] = [a for a in gt["annotations"] if not a["iscrowd"]]
    agree(gt, results, 0.5)


@settings(max_examples=60, deadline=None)
@given(cases(), st.sampled_from([0.0, 0.25, 0.5]))
def test_what_a_click_opens_is_there(case, score):
    table = detection_table(*case)
    classes = set(table["class_name"].combine_chunks().dictionary.to_pylist())
    for chart in everything(View(table, score)).values():
        for target in targets(chart):
            listed = {name: value if isinstance(value, list) else [value] for name, value in target.items()}
            selection = Selection.from_query(listed, sorted(classes))
            assert selection.to_query() == target, chart.key
            if score >= 0.05:
                assert selected_rows(table, selection).any() or selection.images or chart.key in EMPTY, chart.key


EMPTY = {  # a point on these may stand for nothing at that score, or only for lower ones
    "ap-by-class", "ap-by-size", "ap-by-class-and-size", "impact", "impact-cells", "impact-by-class", "impact-by-size",
    "calibration", "calibration-by-class",
}  # fmt: skip


def targets(chart: Chart) -> list[dict]:
    found, waiting = [], [trace.get("customdata") for trace in chart.traces]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            found.append(item)
        elif isinstance(item, list | tuple):
            waiting += item
    return found


@pytest.mark.parametrize(
    "gt, results",
    [
        (gt_of(), []),
        (gt_of(CAR), []),
        (gt_of(), [result(*CAR)]),
        (gt_of(CAR, DOG), [result(*CAR), result(*DOG)]),
        (gt_of((1, 1, (0, 0, 10, 10), {"iscrowd": 1})), [result(*CAR)]),
        (gt_of((1, 1, (0, 0, 0, 0))), [result(1, 1, (0, 0, 0, 0))]),
        (gt_of(CAR, categories=("car",)), [result(*CAR, 0.5), result(*CAR, 0.5)]),
    ],
    ids=[
        "nothing",
        "no predictions",
        "no objects",
        "perfect",
        "only crowds",
        "boxes without extent",
        "ties, one class",
    ],
)
@pytest.mark.parametrize("classes", [None, ("car",)])
def test_every_section_has_its_charts_whatever_the_table_holds(gt, results, classes):
    view = View(detection_table(gt, results), 0.5, classes)
    for chart in everything(view).values():
        assert chart.title and to_json(chart)
        assert all(len(row) == len(chart.columns) for row in chart.rows), chart.key
    assert all(sentence.endswith(".") for sentence in verdicts(view))


def test_one_class_is_looked_at_by_itself():
    gt = gt_of(CAR, DOG, (1, 2, (50, 50, 10, 10)))
    charts = everything(View(detection_table(gt, [result(*CAR), result(*DOG)]), 0.5, ("dog",)))
    assert by(charts["ap-by-class"], "class", "objects") == {"dog": 2}
    assert charts["recall-by-pixels"].n == 2
    assert charts["calibration"].n == 1


def test_a_section_knows_nothing_but_the_table():
    """Nothing of a run, a data set or an evaluator comes in: only what a View holds, the slices being made of both."""
    for section in SECTIONS.values():
        assert list(inspect.signature(section.charts).parameters) == ["view"]
    names = set(View.__dataclass_fields__)
    assert names == {"table", "score", "classes", "slices"}
    assert not {"evaluate", "read_ground_truth", "RunStore"} & set(vars(sections))


def test_charts_have_keys_of_their_own():
    charts = [chart for _, charts in charts_of(View(detection_table(gt_of(CAR), [result(*CAR)]))) for chart in charts]
    assert len({chart.key for chart in charts}) == len(charts)


def test_every_row_is_a_ground_truth_or_a_detection():
    table = detection_table(gt_of(CAR), [result(*CAR)])
    assert (is_detection(table) == has_value(table, "query")).all()

"""What the command line tells of a model: its figures, and everything about runs that are imported."""

import csv
import json

import pytest
from PIL import Image

from core.evaluation.coco_eval import evaluate
from core.evaluation.table import read_table, table_metadata
from core.evaluation.tide import detection_table
from core.export.text import evaluation_text, percent
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.cli.test_main import TWELVE, run
from tests.core.coco_cases import from_env, gt_of, result
from tests.core.evaluation.test_coco_eval import FIXTURE


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("value", "sign", "said"),
    [
        (None, False, "–"), (None, True, "–"), (0.0, False, "0.0"), (1.0, False, "100.0"), (0.39949, False, "39.9"),
        (0.001, True, "+0.1"), (-0.25, True, "-25.0"), (-0.0004, True, "+0.0"), (0.0, True, "+0.0"),
    ],
)  # fmt: skip
def test_a_figure_is_percent_with_one_decimal(value, sign, said):
    assert percent(value, sign) == said


GT = gt_of((1, 1, (0, 0, 40, 40)), (1, 1, (60, 0, 40, 40)), (1, 2, (0, 50, 20, 20), {"iscrowd": 1}))


def told(*models, score=0.0):
    """`evaluation_text` of results lists, the last being the model's, as lines of words."""
    figures = {f"model {i}": evaluate(GT, model).to_dict() for i, model in enumerate(models)}
    lines = evaluation_text(figures, detection_table(GT, models[-1]), score).splitlines()
    return {line.split("  ")[0]: line.split() for line in lines if line}


def test_the_summary_of_one_model_has_its_figures_classes_and_errors():
    lines = told([result(1, 1, (0, 0, 40, 40)), result(1, 2, (150, 50, 9, 9), 0.3)])
    assert lines["AP50"] == ["AP50", "50.5"] and lines["APl"] == ["APl", "–"]
    assert lines["class"] == ["class", "objects", "AP50", "AP"]
    assert lines["car"] == ["car", "2", "50.5", "50.5"] and lines["dog"] == ["dog", "0", "–", "–"]
    assert lines["Missed"] == ["Missed", "1", "+49.5"] and lines["Background"] == ["Background", "1", "+0.0"]


def test_the_summary_of_a_trained_model_says_how_it_differs_from_the_baseline():
    found = result(1, 1, (0, 0, 40, 40))
    lines = told([found, result(1, 1, (60, 0, 40, 40))], [found])
    assert lines["percent"] == ["percent", "model", "0", "model", "1", "change"]
    assert lines["AP50"] == ["AP50", "100.0", "50.5", "-49.5"] and lines["APl"] == ["APl", "–", "–", "–"]
    assert lines["class"] == ["class", "objects", "AP50", "baseline", "AP", "change"]
    assert lines["car"] == ["car", "2", "50.5", "100.0", "50.5", "-49.5"]


def test_errors_are_counted_from_the_score_and_their_cost_at_any():
    model = [result(1, 1, (0, 0, 40, 40)), result(1, 1, (150, 50, 9, 9), 0.95)]
    low, high = told(model), told(model, score=0.96)
    assert (low["Background"][1], high["Background"][1]) == ("1", "0")
    assert low["Background"][2] == high["Background"][2] and low["Background"][2] > "+0.0"


def test_no_detections_give_zeros_and_no_objects_give_dashes():
    lines = told([])
    assert lines["AP"] == ["AP", "0.0"] and lines["Missed"] == ["Missed", "2", "+100.0"]
    gt = gt_of(images=1)
    text = evaluation_text({"results": evaluate(gt, []).to_dict()}, detection_table(gt, []), 0.5)
    assert text.startswith("1 image, 0 objects, 0 predictions\n")
    assert {line.split()[1] for line in text.splitlines() if line.startswith("A")} == {"–"}


@pytest.fixture
def imported(root, tmp_path, capsys) -> str:
    """The id of a run of imported results, of one image with two cats of which one is found."""
    truths = gt_of((1, 1, (10, 10, 40, 40)), (1, 1, (100, 10, 40, 40)), categories=("cat", "dog"))
    (tmp_path / "gt.json").write_text(json.dumps(truths))
    (tmp_path / "dt.json").write_text(json.dumps([result(1, 1, (10, 10, 40, 40)), result(1, 2, (150, 50, 9, 9), 0.3)]))
    status, out, _ = run(capsys, "import", "--gt", tmp_path / "gt.json", "--dt", tmp_path / "dt.json", "--name", "YOLO")
    assert status == 0
    return out.splitlines()[0]


def test_import_says_the_run_first_then_what_is_in_it_and_what_to_do_next(root, tmp_path, capsys, imported):
    again = ("import", "--gt", tmp_path / "gt.json", "--dt", tmp_path / "dt.json")
    first, second, *rest = run(capsys, *again)[1].splitlines()
    assert first == RunStore(root).get("last").id != imported
    assert second == "imported: 1 image, 2 objects, 2 predictions: AP 50.5, AP50 50.5"
    assert rest[0].startswith("No pictures were found") and f"  python -m core evaluate {first}" in rest
    Image.new("RGB", (200, 100)).save(tmp_path / "1.jpg")
    assert "No pictures" not in run(capsys, *again)[1]


def test_an_imported_run_is_evaluated_like_a_model_without_a_baseline(capsys, imported):
    answer = json.loads(run(capsys, "evaluate", imported, "--json")[1])
    assert set(answer) == {*TWELVE, "per_class", "errors", "impact"} and answer["AP50"] == pytest.approx(51 / 101)
    assert answer["errors"] == dict.fromkeys(answer["errors"], 0) | {"missed": 1, "background": 1}
    out = run(capsys, "evaluate", imported, "--score", 0.5)[1]
    assert "results" in out and "baseline" not in out and "change" not in out
    status, _, err = run(capsys, "evaluate", imported, "--epoch", 3)
    assert status == 1 and "was not evaluated; there are: 0." in err


def test_analyze_of_an_imported_run_draws_its_pictures_or_says_why_not(root, tmp_path, capsys, imported):
    status, out, _ = run(capsys, "analyze", imported)
    assert status == 0 and out.startswith("No pictures: ") and "Missed" in out
    Image.new("RGB", (200, 100)).save(tmp_path / "1.jpg")
    run(capsys, "import", "--gt", tmp_path / "gt.json", "--dt", tmp_path / "dt.json")
    status, out, _ = run(capsys, "analyze", "last")
    assert status == 0 and "analysis_1.png … 1 pictures" in out
    assert RunStore(root).analysis_path(RunStore(root).get("last").id, 1).is_file()
    (tmp_path / "gt.json").unlink()
    status, out, _ = run(capsys, "analyze", "last")
    assert status == 0 and out.startswith("No pictures: There is no file") and "Missed" in out


def test_runs_lists_an_imported_run_as_such(capsys, imported):
    (line,) = [line for line in run(capsys, "runs")[1].splitlines() if imported in line]
    assert line.split() == [imported, "Imported", "–", "–", "50.5", "50.5", "YOLO"]
    assert json.loads(run(capsys, "runs", "--json")[1])[0]["config"]["imported"]["images"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("resume", "last"), "no training to begin, resume or stop."),
        (("stop", "last"), "no training to begin, resume or stop."),
        (("stop", "last", "--force"), "no training to begin, resume or stop."),
        (("train", "--run", "last"), "no training to begin, resume or stop."),
        (("metrics", "last"), "no training has recorded metrics"),
        (("metrics", "last", "--csv"), "no training has recorded metrics"),
    ],
)
def test_what_needs_a_training_refuses_an_imported_run_in_one_sentence(root, capsys, imported, arguments, said):
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (1, "") and err.startswith(f"error: The run {imported} is imported: ") and said in err
    assert RunStore(root).get(imported).status is Status.FINISHED


def test_the_detection_table_is_written_whole_as_parquet_and_its_rows_as_csv(root, tmp_path, capsys, imported):
    kept = read_table(RunStore(root).table_path(imported, 0))
    status, out, _ = run(capsys, "table", imported, "--out", tmp_path / "new/table.parquet")
    assert status == 0 and "4 rows: 1 image, 2 objects, 2 predictions" in out
    copy = read_table(tmp_path / "new/table.parquet")
    assert copy.equals(kept) and table_metadata(copy) == table_metadata(kept)
    assert run(capsys, "table", "last", "--epoch", 0, "--out", tmp_path / "table.CSV")[0] == 0
    rows = list(csv.DictReader((tmp_path / "table.CSV").read_text().splitlines()))
    assert [(row["kind"], row["class_name"], row["error"]) for row in rows] == [
        ("ground_truth", "cat", ""), ("ground_truth", "cat", ""), ("detection", "cat", ""),
        ("detection", "dog", "background"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["table.xlsx", "table", ".csv", "folder.csv"])
def test_a_table_that_cannot_be_written_is_one_sentence(tmp_path, capsys, imported, name):
    (tmp_path / "folder.csv").mkdir()
    status, out, err = run(capsys, "table", imported, "--out", tmp_path / name)
    assert (status, out) == (1, "") and name in err and err.count("\n") == 1


def test_the_coco_apis_fixture_keeps_its_published_figures_through_import_and_evaluate(root, capsys):
    folder = next(from_env("DETR_LAB_EVAL_FIXTURE").rglob("instances_val2014_100.json")).parent
    results = folder / "instances_val2014_fakebbox100_results.json"
    assert run(capsys, "import", "--gt", folder / "instances_val2014_100.json", "--dt", results)[0] == 0
    answer = json.loads(run(capsys, "evaluate", "last", "--json")[1])
    assert {name: answer[name] for name in TWELVE} == pytest.approx(FIXTURE, abs=1e-10, rel=0)

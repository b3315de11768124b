"""The commands import, evaluate, analyze, slices and table, of runs and of any results."""

import csv
import json
import shutil

import pytest
from PIL import Image

from core.evaluation.table import ErrorType, read_table, table_metadata
from core.runs.corrections.mend import Mender
from core.runs.evaluated.images import read_part
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.cli.running import TINY, TWELVE, run
from tests.core.coco_cases import from_env, gt_of, result
from tests.core.evaluation.test_coco_eval import FIXTURE


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
    assert set(answer) == {*TWELVE, "per_class", "errors", "impact"} and answer["AP50"] == pytest.approx(100 * 51 / 101)
    assert answer["errors"] == dict.fromkeys(answer["errors"], 0) | {"missed": 1, "background": 1}
    out = run(capsys, "evaluate", imported, "--score", 0.5)[1]
    assert "results" in out and "baseline" not in out and "change" not in out
    status, _, err = run(capsys, "evaluate", imported, "--epoch", 3)
    assert status == 1 and "was not evaluated; there are: 0." in err


def test_json_has_the_percents_that_are_printed(capsys, imported):
    answer = json.loads(run(capsys, "evaluate", imported, "--json")[1])
    printed = [line.rsplit(maxsplit=2) for line in run(capsys, "evaluate", imported)[1].splitlines() if line]
    values = {words[0].strip(): words[1:] for words in printed}
    labels = {kind.value: kind.label for kind in ErrorType}
    assert {labels[kind]: [str(answer["errors"][kind]), f"{answer['impact'][kind]:+.1f}"] for kind in labels} == {
        label: values[label] for label in labels.values()
    }
    for line in run(capsys, "evaluate", imported)[1].splitlines():
        name, _, value = line.partition(" ")
        if name in TWELVE:
            assert value.strip() == ("–" if answer[name] is None else f"{answer[name]:.1f}")


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


def test_a_damaged_picture_costs_one_picture_of_the_analysis(root, tmp_path, capsys):
    truths = gt_of(*((i, 1, (10, 10, 40, 40)) for i in (1, 2, 3)), images=3)
    (tmp_path / "gt.json").write_text(json.dumps(truths))
    (tmp_path / "dt.json").write_text(json.dumps([result(1, 1, (10, 10, 40, 40))]))
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        Image.new("RGB", (200, 100)).save(tmp_path / name)
    run(capsys, "import", "--gt", tmp_path / "gt.json", "--dt", tmp_path / "dt.json")
    (tmp_path / "2.jpg").write_bytes(b"")
    status, out, _ = run(capsys, "analyze", "last", "--images", 2)
    assert status == 0 and "analysis_1.png … 2 pictures" in out
    (left_out,) = [line for line in out.splitlines() if line.startswith("Left out: ")]
    assert "2.jpg cannot be read (an empty file)" in left_out
    for name in ("1.jpg", "3.jpg"):
        (tmp_path / name).unlink()
    status, out, _ = run(capsys, "analyze", "last")
    assert status == 0 and "\nNo pictures: " in out and "Missed" in out


def test_runs_lists_an_imported_run_as_such(capsys, imported):
    (line,) = [line for line in run(capsys, "runs")[1].splitlines() if imported in line]
    assert line.split() == [imported, "Imported", "–", "–", "50.5", "50.5", "YOLO"]
    assert json.loads(run(capsys, "runs", "--json")[1])[0]["config"]["imported"]["images"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("resume", "RUN"), "no training to begin, resume or stop."),
        (("stop", "RUN"), "no training to begin, resume or stop."),
        (("stop", "RUN", "--force"), "no training to begin, resume or stop."),
        (("train", "--run", "last"), "no training to begin, resume or stop."),
        (("metrics", "RUN"), "no training has recorded metrics"),
        (("metrics", "RUN", "--csv"), "no training has recorded metrics"),
    ],
)
def test_what_needs_a_training_refuses_an_imported_run_in_one_sentence(root, capsys, imported, arguments, said):
    status, out, err = run(capsys, *(imported if word == "RUN" else word for word in arguments))
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
    published = {name: 100 * value for name, value in FIXTURE.items()}
    assert {name: answer[name] for name in TWELVE} == pytest.approx(published, abs=1e-8, rel=0)


def test_a_run_whose_folder_was_deleted_is_told_and_its_figures_stay(root, street, capsys):
    out = run(capsys, "train", "--data", street, *TINY)[1]
    run_id = out.splitlines()[0]
    shutil.rmtree(root / "runs" / run_id)
    for command in ("evaluate", "analyze"):
        status, _, err = run(capsys, command, run_id)
        assert status == 1 and "There is no detection table" in err and run_id in err
    assert run(capsys, "metrics", run_id)[0] == run(capsys, "runs")[0] == 0


def test_results_of_any_tool_are_evaluated(tmp_path, capsys):
    truths = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}],
        "categories": [{"id": 7, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "bbox": [10, 10, 40, 40], "area": 1600}],
    }
    results = [{"image_id": 1, "category_id": 7, "bbox": [10, 10, 40, 40], "score": 0.9}]
    (tmp_path / "gt.json").write_text(json.dumps(truths))
    (tmp_path / "dt.json").write_text(json.dumps(results))
    _, out, _ = run(capsys, "evaluate", "--gt", tmp_path / "gt.json", "--dt", tmp_path / "dt.json", "--json")
    answer = json.loads(out)
    assert (
        answer["AP"] == pytest.approx(100.0) and answer["APs"] is None and answer["per_class"] == {"cat": answer["AP"]}
    )
    assert set(answer["errors"].values()) == {0} and set(answer["impact"].values()) == {0.0}


# Corrected labels


def corrected(root, tmp_path, box=(150, 50, 159, 59)) -> None:
    """The dog that was found where nothing is labelled gets its label; the cat that was missed loses its."""
    store = RunStore(root)
    mender = Mender(store, read_part(str(tmp_path / "gt.json"), "val", str(tmp_path)))
    mender.draw(1, "dog", box)
    mender.delete(1, 2)
    store.close()


def test_evaluate_says_what_corrected_labels_change(root, tmp_path, capsys, imported):
    Image.new("RGB", (200, 100)).save(tmp_path / "1.jpg")
    status, out, _ = run(capsys, "evaluate", imported, "--corrected")
    assert status == 0 and "with the labels as they were, after all" in out
    corrected(root, tmp_path)
    _, out, _ = run(capsys, "evaluate", imported, "--corrected")
    assert out.startswith("Wrong labels cost 49.5 points of AP") and "with 2 corrected labels on 1 image" in out
    answer = json.loads(run(capsys, "evaluate", imported, "--corrected", "--json")[1])
    assert "as evaluated" in out and answer["AP"] == pytest.approx(100)
    assert json.loads(run(capsys, "evaluate", imported, "--json")[1])["AP"] == pytest.approx(50.5, abs=0.1)


def test_corrected_is_about_a_run(capsys, tmp_path, imported):
    files = ("--gt", tmp_path / "gt.json", "--dt", tmp_path / "dt.json")
    status, _, err = run(capsys, "evaluate", *files, "--corrected")
    assert status == 1 and "about the labels of a RUN" in err
    status, _, err = run(capsys, "evaluate", "--model", "x", "--data", "y", "--corrected")
    assert status == 1 and "leave out --gt, --dt, --epoch and --corrected" in err


def test_revise_saves_the_corrected_labels(root, tmp_path, capsys, imported):
    Image.new("RGB", (200, 100)).save(tmp_path / "1.jpg")
    status, _, err = run(capsys, "revise", "--data", tmp_path / "gt.json")
    assert status == 1 and "nothing to save as a revision" in err
    corrected(root, tmp_path)
    status, out, _ = run(capsys, "revise", "--data", tmp_path / "gt.json", "--name", "mine")
    first, second, third = out.splitlines()
    assert status == 0 and first.endswith("data/mine") and third.endswith("--data " + first)
    assert "2 labels on 1 image" in second and second.endswith("1 new, 1 gone, 0 changed")
    status, _, err = run(capsys, "revise", "--data", tmp_path / "gone")
    assert status == 1 and "There is no data set folder" in err

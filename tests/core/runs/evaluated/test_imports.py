"""Results of other tools as runs: what is read, what is refused, that nothing is left of what failed."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from core import DataError, RunError
from core.evaluation.coco_files import read_ground_truth, read_results
from core.evaluation.table import read_table, table_metadata, write_table
from core.evaluation.tide import detection_table
from core.runs.bin import Bin
from core.runs.evaluated.images import evaluated_images
from core.runs.evaluated.imports import import_results
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.coco_cases import cases, from_env, gt_of, judge, result
from tests.core.evaluation.test_coco_eval import FIXTURE

GT = gt_of((1, 1, (0, 0, 20, 20)), (2, 2, (5, 5, 40, 40)), images=3)
DT = [result(1, 1, (0, 0, 20, 18), 0.9), result(2, 1, (50, 50, 9, 9), 0.25)]


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path / "root")
    yield store
    store.close()


@pytest.fixture
def write(tmp_path):
    """Writes what is to be imported: `write(gt, dt)` gives the paths; text goes into the files as it is."""

    def write(gt=GT, dt=DT, folder=tmp_path):
        folder.mkdir(exist_ok=True, parents=True)
        paths = folder / "gt.json", folder / "dt.json"
        for path, content in zip(paths, (gt, dt), strict=True):
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return paths

    return write


def imported(store, paths, **how):
    """The run, its evaluation and its table."""
    run = import_results(store, *paths, **how)
    (evaluation,) = store.evaluations(run.id)
    return run, evaluation, read_table(evaluation.table)


def test_the_run_is_evaluated_and_finished_and_was_never_trained(store, write):
    run, evaluation, table = imported(store, write(), name="YOLO")
    assert (run.name, run.status, run.label, run.is_imported) == ("YOLO", Status.FINISHED, "Imported", True)
    assert (evaluation.epoch, evaluation.step, evaluation.is_best) == (0, 0, True)
    assert run.ap == run.best_ap == evaluation.figures["AP"] and run.best_epoch == 0
    assert run.label_map == {"names": ["car", "dog"], "category_ids": [1, 2]}
    assert table.num_rows == 4 and table_metadata(table).image_ids == (1, 2, 3) and table_metadata(table).input is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases())
def test_its_figures_and_table_are_those_of_the_two_files(store, write, case):
    gt, dt = case
    run, evaluation, table = imported(store, write(gt, dt))
    stats = [None if value == -1 else float(value) for value in judge(gt, dt).stats]
    assert list(evaluation.figures.values())[:12] == stats
    assert table.equals(detection_table(gt, dt))
    Bin(store).delete(run.id)


def test_the_coco_apis_fixture_keeps_its_published_figures(store):
    folder = next(from_env("DETR_LAB_EVAL_FIXTURE").rglob("instances_val2014_100.json")).parent
    paths = folder / "instances_val2014_100.json", folder / "instances_val2014_fakebbox100_results.json"
    _, evaluation, table = imported(store, paths)
    found = {name: evaluation.figures[name] for name in FIXTURE}
    assert found == pytest.approx(FIXTURE, abs=1e-10, rel=0)
    assert table.equals(detection_table(read_ground_truth(paths[0]), read_results(paths[1])))


def test_no_detections_are_results_too(store, write):
    _, evaluation, table = imported(store, write(dt=[]))
    assert evaluation.figures["AP"] == 0 and evaluation.figures["per_class"] == {"car": 0.0, "dog": 0.0}
    assert table.num_rows == 2


def test_without_objects_the_figures_are_undefined(store, write):
    run, _, _ = imported(store, write(gt_of(images=3)))
    assert run.ap is None and run.best_ap is None and run.status is Status.FINISHED


def test_crowds_only_leave_nothing_to_find(store, write):
    crowd = gt_of((1, 1, (0, 0, 50, 50), {"iscrowd": 1}), images=3)
    run, _, table = imported(store, write(crowd))
    assert run.ap is None and table.num_rows == 3


def test_a_dict_with_annotations_gives_what_its_list_gives(store, write):
    first, second = (imported(store, write(dt=dt))[1] for dt in (DT, {"info": {}, "annotations": DT}))
    assert first.figures == second.figures


def test_ids_of_0_are_ids(store, write):
    from_0 = {
        "images": [image | {"id": image["id"] - 1} for image in GT["images"]],
        "categories": [c | {"id": c["id"] - 1} for c in GT["categories"]],
        "annotations": [a | {key: a[key] - 1 for key in ("id", "image_id", "category_id")} for a in GT["annotations"]],
    }
    rows = [row | {key: row[key] - 1 for key in ("image_id", "category_id")} for row in DT]
    first, second = (imported(store, write(*pair)) for pair in ((GT, DT), (from_0, rows)))
    assert first[1].figures == second[1].figures
    assert second[2]["gt_id"].to_pylist() == [None if i is None else i - 1 for i in first[2]["gt_id"].to_pylist()]


def test_whole_float_ids_are_ids(store, write):
    as_float = [row | {key: float(row[key]) for key in ("image_id", "category_id")} for row in DT]
    gt = GT | {"annotations": [a | {"image_id": float(a["image_id"])} for a in GT["annotations"]]}
    first, second = (imported(store, write(*pair))[1] for pair in ((GT, DT), (gt, as_float)))
    assert first.figures == second.figures


def test_boxes_of_zero_size_count_as_pycocotools_counts_them_and_are_no_objects_of_the_split(store, write):
    gt = gt_of((1, 1, (3, 3, 0, 5)), (1, 1, (0, 0, 20, 20)))
    run, evaluation, table = imported(store, write(gt, [DT[0]]))
    assert evaluation.figures["AP"] == judge(gt, [DT[0]]).stats[0] and table.num_rows == 3
    split = evaluated_images(run)
    assert (len(split.annotations), split.dropped) == (1, 1)


def test_two_imports_of_the_same_are_two_runs_of_their_own(store, write):
    paths = write()
    first, second = (imported(store, paths) for _ in range(2))
    assert first[0].id != second[0].id and first[1].figures == second[1].figures
    Bin(store).delete(first[0].id)
    assert not first[1].table.exists() and read_table(second[1].table).equals(second[2])


@pytest.mark.parametrize("name", [None, "", "  "])
def test_without_a_name_it_is_called_by_its_id(store, write, name):
    run = import_results(store, *write(), name=name)
    assert run.name == run.id


BROKEN = [
    ('{"images": [', DT, "gt.json is not valid JSON"),
    (GT, "[{", "dt.json is not valid JSON"),
    (DT, DT, "gt.json is not a COCO annotation file"),
    ({"images": []}, DT, "gt.json is not a COCO annotation file"),
    (GT | {"images": [], "annotations": []}, [], "gt.json lists no images"),
    (GT | {"categories": [], "annotations": []}, [], "gt.json lists no categories"),
    (GT, {"images": []}, "dt.json is not a COCO results file"),
    (GT, [1, 2], "dt.json is not a COCO results file"),
    (
        GT,
        [result(7, 1, (0, 0, 1, 1))],
        "dt.json has the image_id 7, which is no image of the ground truth (ids 1 to 3)",
    ),
    (
        GT,
        [result(1, 9, (0, 0, 1, 1))],
        "dt.json has the category_id 9, which is no category of the ground truth (ids 1 to 2)",
    ),
    (GT, GT, "gt.json: The score of detection number 1 is missing, but must be a number."),
    (GT, [result(1, 1, (0, 0, 1, 1), 87.5)], "lie between 87.5 and 87.5, but must lie between 0 and 1"),
    (GT, [result(1, 1, (0, 0, 1, 1), -2)], "must lie between 0 and 1"),
]


@pytest.mark.parametrize(("gt", "dt", "said"), BROKEN, ids=[said[:45] for *_, said in BROKEN])
def test_what_cannot_be_imported_is_one_sentence_and_leaves_no_run(store, write, gt, dt, said):
    with pytest.raises(DataError) as error:
        import_results(store, *write(gt, dt))
    assert said in str(error.value) and "\n" not in str(error.value)
    assert store.runs() == []


def test_files_that_are_not_there_are_named(store, write, tmp_path):
    gt, dt = write()
    for pair, missing in (((tmp_path / "none.json", dt), "none.json"), ((gt, tmp_path / "no.json"), "no.json")):
        with pytest.raises(DataError, match=f"There is no file .*{missing}"):
            import_results(store, *pair)
    assert store.runs() == []


def fail_at(what, error):
    def fail(*arguments, **options):
        raise error

    return what, fail


@pytest.mark.parametrize("what", ["core.runs.evaluated.record.write_table", "core.runs.store.insert_evaluation"])
@pytest.mark.parametrize("error", [RunError("The disk is full."), KeyboardInterrupt()], ids=["full disk", "Ctrl-C"])
def test_nothing_is_left_if_the_run_cannot_be_written(store, write, monkeypatch, what, error):
    monkeypatch.setattr(*fail_at(what, error))
    with pytest.raises(type(error)):
        import_results(store, *write())
    assert store.runs() == [] and [path.name for path in store.runs_dir.iterdir() if path.is_dir()] == []


def test_while_it_is_written_no_queue_takes_it_for_a_training(store, write, monkeypatch):
    claimed = []

    def look(*arguments, **options):
        write_table(*arguments, **options)
        claimed.append(RunQueue(store).claim((1, 1.0)))
        claimed.extend(RunQueue(store).waiting())

    monkeypatch.setattr("core.runs.evaluated.record.write_table", look)
    import_results(store, *write())
    assert claimed == [None]


# Pictures


def test_a_ground_truth_that_is_gone_or_broken_since_is_a_sentence(store, write):
    gt, dt = write()
    run = import_results(store, gt, dt)
    gt.write_text("{")
    with pytest.raises(DataError, match=r"gt\.json is not valid JSON"):
        evaluated_images(run)
    gt.unlink()
    with pytest.raises(DataError, match=r"There is no file .*gt\.json"):
        evaluated_images(run)


def test_the_images_of_a_training_are_its_validation_images(store, street):
    run = store.create({"data": str(street)})
    assert not run.is_imported and len(evaluated_images(run).images) == 6
    with pytest.raises(DataError, match="There is no data set folder"):
        evaluated_images(replace(run, config={"data": "/none"}))

"""The popover of bulk actions, on a small page of its own."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.evaluation.findings.label_errors import LabelErrorKind
from core.export.writers import ExportFormat
from core.runs.bin import Bin
from core.runs.evaluated.imports import import_results
from core.runs.marks import Mark, Marks
from tests.core.coco_cases import gt_of, result
from ui.choose import export_download
from ui.errors import mark_and_export
from ui.server.background import background_tasks

CAR = (40, 20, 50, 40)
FOUND = [result(1, 1, CAR, 0.9), result(2, 2, CAR, 0.6), result(2, 2, CAR, 0.3)]


@pytest.fixture
def made(store, tmp_path):
    """An imported run with four images, of which 1, 2 and 3 have pictures."""
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "gt.json").write_text(json.dumps(gt_of((1, 1, CAR), (2, 1, CAR), images=4)))
    (folder / "dt.json").write_text(json.dumps(FOUND))
    for number in (1, 2, 3):
        Image.new("RGB", (200, 100)).save(folder / f"{number}.jpg")
    return import_results(store, folder / "gt.json", folder / "dt.json", name="*YOLO*")


@pytest.fixture(autouse=True)
def ended():
    yield
    background_tasks().stop_all(10)


def page():
    import streamlit as st

    from core.evaluation.selection import Selection
    from ui.choose.run_picker import EvaluatedModel
    from ui.errors.mark_and_export import show_mark_and_export
    from ui.server import cache, services

    state = st.session_state
    run = services.store().get(state.run)
    (evaluation,) = services.store().evaluations(run.id)
    viewed = EvaluatedModel(run, "untouched", evaluation, evaluation)
    table, images = cache.table_of(evaluation), cache.validation_images(run)
    show_mark_and_export(viewed, table, images, state.found, state.shown, Selection(state.from_score))


def shown(run, found=(3, 2, 1), on_page=(3, 2), score=0.5):
    app = AppTest.from_function(page, default_timeout=30)
    for name, value in {"run": run.id, "found": list(found), "shown": list(on_page), "from_score": score}.items():
        app.session_state[name] = value
    return checked(app.run())


def checked(app):
    assert not app.exception, app.exception
    return app


def choose(app, which):
    return checked(app.button_group(key=mark_and_export.CHOICE).set_value(which).run())


def click(app, key):
    return checked(app.button(key=key).click().run())


def export(app, kind, run) -> str:
    """Clicks, waits and comes back to the page; what it says then."""
    click(app, f"export {kind}")
    background_tasks().find(f"export {run.id}").join(30)
    checked(app.run())
    return " ".join(text.value for text in (*app.caption, *app.info, *app.error)).replace("\\", "")


def contents(store, run, kind) -> dict[str, bytes]:
    with zipfile.ZipFile(store.folder(run.id) / "export" / f"{run.id}-{kind}.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# Marks


def test_all_that_are_found_can_be_marked_and_unmarked(made, store):
    app = shown(made)
    assert app.caption[0].value == "3 images, none marked" and app.button(key="unmark all").disabled
    click(app, "mark all")
    assert app.caption[0].value == "3 images, all marked" and app.button(key="mark all").disabled
    assert Marks(store).image_ids(made.id) == [3, 2, 1]
    click(app, "unmark all")
    assert app.caption[0].value == "3 images, none marked" and Marks(store).all(made.id) == []


def test_of_the_page_only_those_on_it_are_marked_and_older_marks_stay(made, store):
    suspect = Mark(LabelErrorKind.WRONG, 2, "dog", CAR, 2)
    Marks(store).add_all(made.id, [Mark(LabelErrorKind.IMAGE, 2), suspect])
    app = choose(shown(made), mark_and_export.PAGE)
    assert app.caption[0].value == "2 images, 1 marked"
    click(app, "mark all")
    assert Marks(store).image_ids(made.id) == [2, 3]
    click(app, "unmark all")
    assert [mark.key for mark in Marks(store).all(made.id)] == [suspect.key]


def test_marks_survive_a_new_tab_and_are_of_one_run(made, store):
    click(shown(made), "mark all")
    app = choose(shown(made, found=[4]), mark_and_export.MARKED)
    assert app.caption[0].value == "3 images, all marked"
    store.create({})
    click(app, "unmark all")
    assert app.caption[0].value.startswith("No image is marked yet")
    assert all(app.button(key=f"export {kind}").disabled for kind in ExportFormat)


def test_an_image_with_several_objects_counts_once(made):
    assert shown(made, found=[1, 1, 2]).caption[0].value == "2 images, none marked"


def test_a_run_that_is_gone_is_told_when_it_is_marked(made, store):
    mark_and_export._mark(made.id, [1], True)
    Bin(store).delete(made.id)
    app = AppTest.from_string(
        f"from ui.errors import mark_and_export\nmark_and_export._mark({made.id!r}, [1], True)", default_timeout=30
    ).run()
    assert app.toast[0].value.startswith("There is no run")


# Exports


@pytest.mark.parametrize("kind", list(ExportFormat))
def test_an_export_is_built_and_then_offered(made, store, kind):
    app = shown(made)
    assert not app.get("download_button")
    said = export(app, kind, made)
    assert f"{made.id}-{kind}.zip: 3 images, " in said and said.endswith(" kB")
    (button,) = app.get("download_button")
    assert button.label == "Download" and not button.disabled
    files = contents(store, made, kind)
    assert len([name for name in files if name.endswith(("jpg", "png"))]) == (0 if kind is ExportFormat.COCO else 3)


def test_what_is_chosen_goes_out_in_its_order_at_the_pages_score(made, store):
    app = choose(shown(made, score=0.5), mark_and_export.PAGE)
    export(app, ExportFormat.COCO, made)
    files = contents(store, made, ExportFormat.COCO)
    assert [image["id"] for image in json.loads(files["labels.json"])["images"]] == [3, 2]
    assert [row["score"] for row in json.loads(files["predictions.json"])] == pytest.approx([0.6])


def test_predictions_of_every_score_go_out_where_they_are_asked_for(made, store):
    app = shown(made)
    checked(app.toggle(key=mark_and_export.ALL_SCORES).set_value(True).run())
    export(app, ExportFormat.FIFTYONE, made)
    files = contents(store, made, ExportFormat.FIFTYONE)
    assert [row["score"] for row in json.loads(files["predictions.json"])] == pytest.approx([0.6, 0.3, 0.9])
    assert b"*YOLO*, imported results" in files["README.txt"]


def test_marked_images_go_out_with_their_marks(made, store):
    Marks(store).add_all(made.id, [Mark(LabelErrorKind.IMAGE, 1), Mark(LabelErrorKind.WRONG, 2, "dog", CAR, 2)])
    export(choose(shown(made, found=[2]), mark_and_export.MARKED), ExportFormat.COCO, made)
    files = contents(store, made, ExportFormat.COCO)
    for name in ("labels.json", "marks.json"):
        assert [image["id"] for image in json.loads(files[name])["images"]] == [1]


def test_a_missing_picture_is_told_and_none_at_all_is_an_error(made, store):
    app = shown(made, found=[1, 4])
    assert " kB; 1 left out: left_out.txt inside says why" in export(app, ExportFormat.FIFTYONE, made)
    app = shown(made, found=[4])
    assert "None of the 1 pictures can be exported" in export(app, ExportFormat.PNG, made)
    assert not app.get("download_button")
    click(app, "dismiss export")
    assert not app.error


def test_the_next_export_takes_the_place_of_the_last_and_dismissed_it_is_gone(made, store):
    app, folder = shown(made), store.folder(made.id) / "export"
    for kind in (ExportFormat.COCO, ExportFormat.PNG):
        export(app, kind, made)
        assert [path.name for path in folder.iterdir()] == [f"{made.id}-{kind}.zip"]
    click(app, "dismiss export")
    assert not app.get("download_button") and not folder.exists()


def test_while_it_is_built_it_shows_how_far_it_is_and_can_be_stopped(made, store):
    def slow():
        step = 0
        while True:
            step = min(step + 1, 7)
            yield step, 10

    task = background_tasks().start(f"export {made.id}", slow, "It failed")
    next(task.progress())
    app = shown(made)
    assert not [button for button in app.button if (button.key or "").startswith("export ")]
    assert "of 10 images" in app.get("progress")[0].proto.text
    app.button(key="stop export").click()
    app.run()
    task.join(10)
    checked(app.run())
    assert app.info[0].value == "The export was stopped."
    assert not app.button(key=f"export {ExportFormat.COCO}").disabled


def test_a_file_too_large_for_the_browser_is_shown_where_it_lies(made, store, monkeypatch):
    monkeypatch.setattr(export_download, "MOST_BYTES", 10)
    app = shown(made)
    assert "too large for a download" in export(app, ExportFormat.COCO, made)
    assert Path(app.code[0].value).is_file() and not app.get("download_button")


def test_the_download_is_the_file_until_that_is_gone(made, store):
    export(shown(made), ExportFormat.COCO, made)
    path = background_tasks().find(f"export {made.id}").result.path
    assert export_download._read(path) == path.read_bytes()
    shutil.rmtree(path.parent)
    with pytest.raises(export_download.LabError, match="The export is gone: make it again"):
        export_download._read(path)

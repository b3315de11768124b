"""Train offers to resume on changed data where that was refused and is safe, and asks before it does."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core import RunError
from core.runs.provenance.data import hold_to_data, keep_fingerprint, read_record
from core.runs.schema import Status
from tests.core.datasets.fingerprint import small_data
from tests.core.datasets.fingerprint.small_data import SmallData

SHELL = str(Path(__file__).parents[2] / "ui/shell.py")


@pytest.fixture
def data(tmp_path):
    return SmallData(tmp_path / "mine")


def refused(store, data, run, edit):
    """The page after the run was refused because of this change."""
    keep_fingerprint(store.folder(run.id), data.fingerprint())
    data.change(edit)
    with pytest.raises(RunError) as error:
        hold_to_data(store, run, data.fingerprint())
    store.update(run.id, status=Status.FAILED, message=str(error.value))
    app = AppTest.from_file(SHELL, default_timeout=60).run()
    app.switch_page("../pages/train.py")
    app.run()
    assert not app.exception
    return app


def button(app, key):
    return next((one for one in app.button if one.key == key), None)


def test_a_button_asks_and_resumes_on_exactly_this_data(store, data, finished):
    app = refused(store, data, finished, small_data.move_a_box)
    assert any("1 training image has other boxes" in one.value for one in app.error)
    button(app, "changed data").click()
    app.run()
    assert any("1 training image has other boxes" in one.value for one in app.markdown)
    assert store.get(finished.id).status is Status.FAILED  # not before it is confirmed
    button(app, "resume anyway").click()
    app.run()
    assert store.get(finished.id).status is Status.QUEUED
    assert read_record(store, finished.id).accepted == data.fingerprint().digest
    assert button(app, "changed data") is None


def test_resume_alone_agrees_to_nothing(store, data, finished):
    app = refused(store, data, finished, small_data.move_a_box)
    button(app, "resume").click()
    app.run()
    assert store.get(finished.id).status is Status.QUEUED and read_record(store, finished.id).accepted == ""


def test_other_classes_are_not_offered(store, data, finished):
    app = refused(store, data, finished, small_data.add_a_class)
    assert button(app, "changed data") is None and button(app, "resume")

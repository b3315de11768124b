"""Train in a real browser: settings that spoil the model ask first, and the doctor's advice is queued by one click.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import pytest
from playwright.sync_api import expect

from core.engine.process_id import this_process
from core.runs.schema import Status
from core.runs.store import RunStore
from core.training.remark import Level, Remark
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.invented import draw_street, invented_run
from tests.pages_in_browser import choose

pytestmark = needs_chromium
address, page = pages_in_browser.own_address, pages_in_browser.page
REMARK = Remark(
    rule="plateau", level=Level.INFO, title="AP no longer rises", cause="It is so.", evidence="AP 5.", step=9,
    advice="Set “Schedule” (schedule) from cosine to step.", changes={"schedule": "step"},
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A root folder with a run that the doctor has looked at; another one is at work, so that none begins."""
    root = tmp_path_factory.mktemp("root")
    store = RunStore(root)
    run = invented_run(store, draw_street(root), name="told")
    store.update(run.id, remarks=[REMARK.to_dict()])
    store.create(run.config | {"seed": 9}, "at work", process=this_process())
    store.close()
    return root


@pytest.fixture
def store(root):
    store = RunStore(root)
    yield store
    store.close()


def queued(store) -> list:
    return [run for run in store.runs() if run.status is Status.QUEUED]


def test_the_starter_with_the_experiments_settings_asks_and_takes_what_fits(page, address, store):
    page.goto(address)
    choose(page, "Preset", "Experiment")
    expect(page.get_by_role("spinbutton", name="Learning rate").first).to_have_value("0.00001")
    page.get_by_role("button", name="Add to the queue").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("This will likely spoil the model")
    expect(dialog).to_contain_text("objects have a size that it does not know")
    dialog.get_by_role("button", name="Take the preset that fits").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("combobox", name="Preset")).to_have_value("Built-in demo")
    assert queued(store) == []
    choose(page, "Preset", "Experiment")
    page.get_by_role("button", name="Add to the queue").click()
    dialog.get_by_role("button", name="Train anyway").click()
    expect(page.get_by_role("button", name="Queue · 1")).to_be_visible()
    (run,) = queued(store)
    assert run.config["shortest_edge"] == 800
    store.update(run.id, status=Status.STOPPED)


def test_a_button_of_the_doctor_queues_a_run_and_a_second_click_is_refused(page, address, store):
    page.goto(address)
    told = next(run for run in store.runs() if run.name == "told")
    box = page.get_by_role("combobox", name="Run", exact=True)
    box.click()
    page.get_by_role("option", name="told").click()
    train = page.get_by_role("button", name="Train with schedule step")
    train.click()
    expect(page.get_by_role("button", name="Queue · 1")).to_be_visible()
    (run,) = queued(store)
    assert run.config == {**told.config, "schedule": "step"} and run.name == "schedule step · told"
    assert run.notes.startswith(f"As the doctor advised of the run {told.id} (AP no longer rises): “Schedule”")
    expect(train).to_be_enabled()
    train.click()
    expect(page.get_by_text("has these settings, and waits or trains already")).to_be_visible()
    assert queued(store) == [store.get(run.id)]

"""Several at once as a user sees it, in a real browser: two values and two seeds, queued on Train, judged on Compare.

The app waits for another run while the test itself writes what the trainings would. Needs Chromium; skipped without it,
unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import re

import pytest
from playwright.sync_api import expect

from core.datasets.demo import BUILT_IN, draw_dataset
from core.engine.process_id import this_process
from core.runs.experiments.record import Experiments
from core.runs.schema import Status
from core.runs.store import RunStore
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.core.runs.fake_training import figures
from tests.pages_in_browser import MINUTE, chart_named, link, points_of, query_of, traces_of
from tests.serving import served

pytestmark = needs_chromium
page = pages_in_browser.page


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    for _ in draw_dataset(root / "data" / BUILT_IN[0].folder, train=8, val=4, size=64):
        pass
    return root


@pytest.fixture(scope="module")
def store(root):
    store = RunStore(root)
    store.create({"data": "data/street"}, "at work elsewhere", process=this_process())
    yield store
    store.close()


@pytest.fixture(scope="module")
def address(root, store):
    with served(root) as url:
        yield url


def finish(store, member):
    ap = (0.2 if member.variant["lr"] == 1e-4 else 0.4) + 0.001 * member.seed * member.variant["lr"] / 1e-4
    store.add_evaluation(member.run.id, 1, 8, figures(ap).to_dict(), is_best=True)
    store.update(member.run.id, status=Status.FINISHED, epoch=1, epochs=1, step=8, steps=8)


def test_a_sweep_is_queued_followed_and_judged(page, address, store):
    page.goto(link(address, "", epochs="1"))
    expect(page.get_by_text("8 train + 4 val images")).to_be_visible(timeout=MINUTE)
    page.get_by_text("Several at once").click()
    values = page.get_by_role("textbox", name="Values, a setting a line")
    values.fill("lr=1e-4,4e-4")
    values.press("Control+Enter")
    seeds = page.get_by_role("spinbutton", name="Seeds")
    seeds.fill("2")
    seeds.press("Enter")
    page.get_by_role("button", name="Queue 4 trainings").click()

    expect(page.get_by_text("0 of 4 trainings have ended · 4 wait")).to_be_visible(timeout=MINUTE)
    (experiment,) = Experiments(store).all()
    assert query_of(page)["experiment"] == [experiment.id]
    members = Experiments(store).members(experiment.id)
    store.update(members[0].run.id, status=Status.RUNNING, epoch=0, epochs=1, pid=this_process()[0],
                 pid_started=this_process()[1])  # fmt: skip
    expect(page.get_by_text("lr 0.0001, seed 0 trains, epoch 1 of 1 · 3 wait")).to_be_visible()
    for member in members[:2]:
        finish(store, member)
    expect(page.get_by_text(re.compile("^2 of 4 trainings have ended"))).to_be_visible()
    assert len(points_of(chart_named(page, "Learning rate against AP"))) == 2
    for member in members[2:]:
        finish(store, member)
    expect(page.get_by_text("4 of 4 trainings have ended", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Stop all")).to_have_count(0)
    sentence = "Best: lr 0.0004, AP 40.2, the mean of 2 seeds"
    expect(page.get_by_text(re.compile(f"^{sentence}"))).to_be_visible()
    expect(page.get_by_text(re.compile("^More than noise: it is better than lr 0.0001"))).to_be_visible()
    chart = chart_named(page, "Learning rate against AP")
    assert traces_of(chart) == ["trainings", "mean"] and len(points_of(chart)) == 4

    page.reload()
    expect(page.get_by_text(re.compile(f"^{sentence}"))).to_be_visible(timeout=MINUTE)

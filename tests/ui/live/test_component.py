"""ui/live/live.js and what it imports, in a real browser against the real routes, without Streamlit around it.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import pytest
from PIL import Image

from core.runs.bin import Bin
from core.runs.queue import RunQueue
from core.runs.recorder import Recorder
from core.runs.schema import Status
from core.training.events import Check, Loading, PreflightRunning
from core.training.remark import Remark
from tests.chromium import needs_chromium
from tests.serving import served_page
from ui.live import component as live_component
from ui.server import services
from ui.server.scripts import address as script

PAGE = """
<style>:root { --st-chart-categorical-colors: #2f5bd0,#c2620a,#12834a,#7a4cc2,#d0312d,#66738a;
--st-text-color: #1b2430; --st-border-color: #d6dde6; --st-background-color: #fff; --st-gray-color: #66738a; }
%s</style><div id="host"><div class="dl-curves"></div></div>
<script type="module">
import live from "%s"
window.told = []
const parentElement = document.getElementById("host")
window.show = (data) => live({ parentElement, data, setTriggerValue: (name, value) => told.push([name, value]) })
</script>
"""

pytestmark = needs_chromium


@pytest.fixture
def address(store):
    """The routes, and a page with nothing but the component, on a free port."""
    html = PAGE % ((live_component.HERE / "live.css").read_text(), script("ui/live/live.js"))
    with served_page(html) as url:
        yield url


@pytest.fixture
def page(browser, address):
    """The component's page of a laptop's size, on which no script may fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    opened, problems = context.new_page(), []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto(address)
    opened.wait_for_function("typeof show === 'function'")
    yield opened
    context.close()
    assert not problems, problems


def show(page, run, version=None):
    data = live_component.live_data(run)
    page.evaluate("data => { show(data) }", data | {"version": version or data["version"]})


def wait_for_points(page, plot, at_least, trace=0):
    page.wait_for_function(
        "([plot, trace, n]) => document.querySelector(`.dl-plot-${plot} .dl-canvas`)?.data?.[trace]?.x.length >= n",
        arg=[plot, trace, at_least],
    )


def choose(page, name):
    page.get_by_role("tab", name=name).click()


def told(page):
    return page.evaluate("told")


def box(page, selector):
    return page.locator(selector).first.bounding_box()


def remark(level, title):
    return Remark(
        rule="rule", level=level, title=title, cause="<i>Why</i> & how", evidence="7 of 9", advice="Do *this*.", step=12
    )


def test_each_tab_draws_its_own_curves_and_nothing_below_moves(page, finished, store):
    for n in (1, 2, 3):
        store.record(finished.id, 20, {f"train/{loss}/layer{n}": n for loss in ("loss_ce", "loss_bbox", "loss_giou")})
    store.record(finished.id, 20, {"train/lr": 1e-5, "train/lr_head": 0.0, "train/grad_norm": 7.0, "train/wait": 0.25})
    store.record(finished.id, 20, {f"val/AP/{name}": 0.5 for name in finished.label_map["names"]})
    show(page, finished)
    wait_for_points(page, "loss_ce", 20)
    wait_for_points(page, "ap", 3, trace=1)
    below = box(page, ".dl-legend"), box(page, ".dl-doctor")
    choose(page, "Layers")
    wait_for_points(page, "loss_giou-layers", 1, trace=2)
    assert page.locator(".dl-legend").inner_text().count("layer ") == 3
    choose(page, "Rates")
    wait_for_points(page, "grad_norm", 2, trace=2)  # the line at which it is clipped
    wait_for_points(page, "lr", 1)
    choose(page, "Machine")
    wait_for_points(page, "wait", 1)
    assert page.locator(".dl-plot-wait").is_visible() and not page.locator(".dl-plot-gpu_busy").is_visible()
    choose(page, "Classes")
    wait_for_points(page, "classes", 1, trace=9)
    assert page.locator(".dl-class").count() == 10
    assert (box(page, ".dl-legend"), box(page, ".dl-doctor")) == below
    assert not page.locator(".dl-plot-loss_ce").is_visible()


def test_a_run_shows_the_losses_that_its_model_has(page, finished, store):
    run = store.create(finished.config)
    store.update(run.id, status=Status.RUNNING, epochs=2, steps=20, label_map=finished.label_map)
    shown = "[...document.querySelectorAll('.dl-plot')].filter((one) => !one.hidden).map((one) => one.className)"

    def losses():
        names = [name.split("dl-plot-")[1] for name in page.evaluate(shown)]
        return [name for name in names if name.startswith("loss") and not name.endswith("-layers")]

    show(page, store.get(run.id))
    page.wait_for_selector(".dl-plot-loss_bbox", state="attached")
    assert losses() == ["loss", "loss_ce", "loss_bbox", "loss_giou"], "DETR's are awaited"
    names = ("loss", "loss_vfl", "loss_bbox", "loss_giou", "loss_fgl")
    store.record(run.id, 1, {f"train/{name}": 2.0 for name in names})
    wait_for_points(page, "loss_vfl", 1)
    assert losses() == ["loss", "loss_vfl", "loss_bbox", "loss_giou", "loss_fgl"]


def test_a_tab_keeps_its_zoom_while_others_are_looked_at_and_rows_arrive(page, run_maker, store):
    run = run_maker(status=Status.RUNNING, evaluated=False)
    show(page, run)
    wait_for_points(page, "loss_ce", 20)
    area = box(page, ".dl-plot-loss_ce .nsewdrag")
    page.mouse.move(area["x"] + 0.1 * area["width"], area["y"] + 40)
    page.mouse.down()
    page.mouse.move(area["x"] + 0.5 * area["width"], area["y"] + 40, steps=5)
    page.mouse.up()
    zoom = "document.querySelector('.dl-plot-loss_ce .dl-canvas').layout.xaxis.range"
    zoomed = page.evaluate(zoom)
    assert zoomed[1] < 15
    choose(page, "Rates")
    store.record(run.id, 21, {"train/loss_ce": 2.0, "train/loss_bbox": 2.0})
    choose(page, "Losses")
    wait_for_points(page, "loss_bbox", 21)
    assert page.evaluate(zoom) == pytest.approx(zoomed)


def test_remarks_are_shown_as_text_and_the_most_urgent_leads_to_them(page, run_maker, store):
    run = run_maker(status=Status.RUNNING, evaluated=False)
    show(page, run)
    page.get_by_text("Nothing to remark.").wait_for()
    assert not page.locator(".dl-alert").is_visible()
    before = box(page, ".dl-plot-loss_ce")
    found = [remark("warning", "Waits <b>often</b>"), remark("critical", "AP is below the untouched model")]
    store.update(run.id, remarks=[r.to_dict() for r in found])
    page.locator(".dl-remark").nth(1).wait_for()
    first, second = (card.inner_text() for card in page.locator(".dl-remark").all())
    assert "AP is below the untouched model" in first and "critical · first seen at step 12" in first
    assert "Waits <b>often</b>" in second and "<i>Why</i> & how" in second and "Do *this*." in second
    assert page.locator(".dl-alert").inner_text() == "✕ 1 critical · ! 1 warning"
    assert box(page, ".dl-plot-loss_ce") == before
    page.locator(".dl-alert").click()
    assert page.evaluate("document.activeElement.className") == "dl-doctor"


@pytest.mark.ci
def test_during_an_evaluation_the_place_is_the_epoch_that_ended(page, run_maker, store):
    run = run_maker(status=Status.RUNNING, evaluated=False)
    place = page.locator(".dl-place")
    states = [
        (0, 0, "Evaluating image 3 of 30", "Baseline · step 0 of 20"),
        (0, 3, None, "Epoch 1 of 2 · step 3 of 20"),
        (1, 10, "Evaluating image 3 of 30", "Epoch 1 of 2 · step 10 of 20"),
        (1, 11, None, "Epoch 2 of 2 · step 11 of 20"),
        (2, 20, "Evaluating image 3 of 30", "Epoch 2 of 2 · step 20 of 20"),
    ]
    show(page, run)
    for epoch, step, message, words in states:
        store.update(run.id, epoch=epoch, step=step, message=message)
        page.wait_for_function("words => document.querySelector('.dl-place').textContent === words", arg=words)
        assert place.inner_text() == words


def test_the_page_is_told_once_when_what_it_shows_besides_has_changed(page, run_maker, store, leave):
    run = run_maker(status=Status.RUNNING, evaluated=False)
    show(page, run)
    wait_for_points(page, "loss_ce", 20)
    leave(run, checks=[("Disk", True, "71 GiB free.")])
    page.wait_for_function("told.length > 0")
    store.record(run.id, 21, {"train/loss_ce": 2.0})
    wait_for_points(page, "loss_ce", 21)
    assert told(page) == [["version", services.page_version(store.get(run.id))]]


def test_beside_a_run_that_has_ended_the_page_is_told_when_the_queue_goes_on(page, run_maker, store):
    ended, waiting = run_maker(evaluated=False), store.create({"data": "x"})
    show(page, ended)
    wait_for_points(page, "loss_ce", 20)
    for status in (Status.RUNNING, Status.FINISHED):
        store.update(waiting.id, status=status)
        page.wait_for_function("n => told.length === n", arg=1 + (status == Status.FINISHED))
    assert told(page)[1] == ["version", services.page_version(ended)]


def test_a_run_that_is_deleted_meanwhile_is_told_once(page, run_maker, store):
    run = run_maker(status=Status.RUNNING, evaluated=False)
    show(page, run)
    wait_for_points(page, "loss_ce", 20)
    store.update(run.id, status=Status.STOPPED, stop_requested=False)
    page.wait_for_function("told.length === 1")
    Bin(store).delete(run.id)
    show(page, run, "stopped")
    page.wait_for_function("told.length === 2")
    assert told(page)[1] == ["version", "gone"]


def test_what_a_resumed_run_repeats_replaces_what_came_after_its_checkpoint(page, run_maker, store):
    run = run_maker(status=Status.RUNNING, evaluated=False)
    store.record(run.id, 20, {"val/AP": 0.3})
    show(page, run)
    wait_for_points(page, "ap", 1, trace=1)
    store.rewind(run.id, 11)
    store.record(run.id, 11, {"train/loss_ce": 9.0})
    page.wait_for_function("document.querySelector('.dl-plot-loss_ce .dl-canvas').data[0].y.at(-1) === 9")
    last = "document.querySelector('.dl-plot-loss_ce .dl-canvas').data[0].x.at(-1)"
    assert page.evaluate(last) == 11
    assert page.get_by_text("Waiting for the first figures").count() == 1  # the AP of what is trained anew


def test_a_class_is_marked_by_a_click_in_the_list(page, finished, store):
    store.record(finished.id, 0, {f"val/AP/{name}": 0.1 for name in finished.label_map["names"]})
    store.record(finished.id, 20, {f"val/AP/{name}": i / 10 for i, name in enumerate(finished.label_map["names"])})
    show(page, finished)
    choose(page, "Classes")
    wait_for_points(page, "classes", 2, trace=9)
    best = page.locator(".dl-class").first
    assert best.inner_text().split() == [*finished.label_map["names"][9].split(), "90.0", "▲", "+80.0"]
    best.click()
    page.mouse.move(5, 5)
    page.evaluate("document.activeElement.blur()")
    dim = "document.querySelector('.dl-plot-classes .dl-canvas').data.map(line => line.opacity < 1)"
    assert page.evaluate(dim) == [True] * 9 + [False]
    assert best.get_attribute("aria-pressed") == "true"


def start_shown(page):
    """The lines of the start: name and text of each, by its state."""
    lines = page.locator(".dl-start li").all()
    return [(line.get_attribute("data-state"), *line.locator("b, span").all_inner_texts()) for line in lines]


def test_a_start_is_told_step_by_step_where_the_curves_will_be_and_nothing_moves_when_they_come(page, store):
    run = RunQueue(store).begin(store.create({"data": "x"}).id, (1, 1.0))
    show(page, run)
    page.locator(".dl-start").wait_for()
    assert start_shown(page)[0] == ("now", "Process", "Loading the libraries")
    start, cards, below = (box(page, f".dl-{name}") for name in ("start", "cards", "doctor"))
    common = {"epoch": 0, "epochs": 2, "step": 0, "steps": 20}
    with Recorder(store, run.id) as recorder:
        read = Check("Annotations", True, "9 <b>images</b>.")
        recorder.write(Loading(**common, message="Looking at the pictures: 3 of 9", done=read))
        page.get_by_text("Looking at the pictures: 3 of 9").last.wait_for()
        assert start_shown(page)[1:3] == [
            ("done", "Annotations", "9 <b>images</b>."), ("now", "Pictures", "Looking at the pictures: 3 of 9"),
        ]  # fmt: skip
        recorder.write(PreflightRunning(**common, picture=Image.new("RGB", (800, 600), "navy")))
        page.wait_for_function("document.querySelector('.dl-start img').naturalWidth === 800")
        recorder.write(PreflightRunning(**common, done=Check("Disk", True, "71 GiB free.")))
        page.get_by_text("71 GiB free.").wait_for()
        assert page.locator(".dl-plot:visible").count() == 0
        assert [box(page, f".dl-{name}") for name in ("start", "cards", "doctor")] == [start, cards, below]
    store.record(run.id, 0, {"val/loss_ce": 2.0, "val/AP": 0.5})
    wait_for_points(page, "loss_ce", 1, trace=2)
    assert not page.locator(".dl-start").is_visible()
    assert [box(page, f".dl-{name}") for name in ("losses", "cards", "doctor")] == [start, cards, below]


def test_another_run_shows_nothing_of_the_start_before_it(page, run_maker, store):
    starting = RunQueue(store).begin(store.create({"data": "x"}).id, (1, 1.0))
    show(page, starting)
    page.locator(".dl-start").wait_for()
    show(page, run_maker(evaluated=False))
    assert not page.locator(".dl-start").is_visible()
    wait_for_points(page, "loss_ce", 20)

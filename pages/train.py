"""Train: is this run healthy? Choose data, model and settings, click Train, and watch the curves live."""

from collections.abc import Callable

import streamlit as st

from core import LabError, lab_root
from core.config import TrainConfig
from core.runs.provenance.data import DataRecord, refused_data
from core.runs.schema import Run, Status
from core.training.typed_settings import check_typed
from ui.apps.tensorboard import show_tensorboard
from ui.choose import built_in, pickers
from ui.choose.address import remember
from ui.choose.manage_run import show_bin, show_manage
from ui.choose.run_picker import RUN
from ui.live.component import show_live_run
from ui.refusal import show_refusal
from ui.server import cache, services
from ui.server.going import open_page
from ui.text import plain
from ui.train import draft, form
from ui.train.advised import queue_advised
from ui.train.augment import show_preview
from ui.train.device import check_device
from ui.train.drawing import begin_when_drawn, follow, waiting_training
from ui.train.preflight import has_failed, read_checks, show_checks
from ui.train.profiler import show_profile
from ui.train.queue_list import show_queue
from ui.train.settings_file import show_file_of_form, show_settings_of
from ui.train.several import show_experiment_of, show_several
from ui.train.spoils import confirm_spoiling
from ui.train.tracking import show_tracking

WATCHED, REFUSED = "watched run", "refused"


def watch(run_id: str | None) -> None:
    """Show this run from now on; None: the one that trains, or else the latest. Also a callback."""
    st.session_state[WATCHED] = run_id


def choose(run_id: str) -> None:
    """Show a run of the list, on the other pages, too; a callback."""
    watch(run_id)
    remember(RUN, run_id)


def latest(runs: list[Run]) -> Run:
    """Return the newest run that has recorded metrics, not one that failed at its start; else the newest."""
    whole = [run for run in runs if not run.is_damaged]
    return next((run for run in whole if store.metrics_after(run.id, limit=1)[0]), (whole or runs)[0])


def start(config: TrainConfig) -> None:
    """Queue a training, and show it unless another one trains; raises LabError for what is not there.

    One on built-in scenes that are still being drawn is queued as soon as they are there.
    """
    scenes = built_in.built_in_at(config.data)
    drawing = scenes and built_in.start_drawing(scenes)
    if not drawing:
        check_typed(config, lab_root(), cache.images_of)
    check_device(config)
    if drawing:
        begin_when_drawn(config, drawing)
        watch(None)
        return
    ahead = services.jobs().current
    run = services.jobs().submit(config)
    watch(None if ahead else run.id)
    if ahead:
        st.toast(f"Queued: it begins when {plain(pickers.run_name(ahead))} has ended.", icon=":material/schedule:")


def start_again(run: Run) -> None:
    """Train with a run's settings again, and fill the form with them; a callback."""
    form.fill_from(run)
    attempt(lambda: start(TrainConfig.from_dict(run.config)))


def train_advised(run: Run, rule: str) -> None:
    """Queue what the doctor advises of a run, and show it unless another one trains."""
    ahead = services.jobs().current
    advised = queue_advised(run.id, rule)
    watch(run.id if ahead else advised.id)


def attempt(action: Callable[..., object], *args: object) -> None:
    """Call an action of a button; if it cannot be done, keep the error for the page to show."""
    try:
        action(*args)
    except LabError as error:
        st.session_state[REFUSED] = str(error)


@st.dialog("Resume on the changed data?")
def confirm_changed_data(run: Run, refused: DataRecord) -> None:
    """Ask whether to go on with a run on data that is not what it was trained on before."""
    st.markdown(f"Since the run stopped, this changed: {plain(refused.words)}.")
    st.write("Its numbers are then not those of one training on the same data, and the run says so.")
    with st.container(horizontal=True):
        if st.button("Resume", key="resume anyway", type="primary", icon=":material/play_arrow:", on_click=attempt,
                     args=(services.jobs().resume, run.id, refused.refused)):  # fmt: skip
            st.rerun()
        if st.button("Cancel", key="not on this data"):
            st.rerun()


def show_actions(run: Run) -> None:
    """Show the buttons for what can be done with the run now."""
    jobs = services.jobs()
    if run.is_damaged:
        return
    if run.is_live and run.stop_requested:
        st.button("End it now", key="end", icon=":material/dangerous:", on_click=attempt,
                  args=(jobs.stop, run.id, True), help="Ends its process without waiting for its step.")  # fmt: skip
    if run.is_live:
        # last in a row that ends at the right edge, also while it stops: a second click must not end the process
        st.button("Stopping" if run.stop_requested else "Stop", key="stop", icon=":material/stop_circle:",
                  on_click=attempt, args=(jobs.stop, run.id), disabled=run.stop_requested,
                  help="Ends after the current step and keeps a checkpoint; the run can be resumed.")  # fmt: skip
    if not run.is_live:
        show_actions_after(run)


def show_actions_after(run: Run) -> None:
    """Show the buttons of a run that has ended; last, where Stop was, what does no harm at a second click."""
    st.button("Train again", key="again", icon=":material/replay:", on_click=start_again, args=(run,),
              help="A new run with this run's settings, which are also filled into the form.")  # fmt: skip
    if run.status != Status.FINISHED:
        st.button("Resume", key="resume", icon=":material/play_arrow:", on_click=attempt,
                  args=(services.jobs().resume, run.id),
                  help="Goes on from its checkpoint, if it has one.")  # fmt: skip
    if (refused := refused_data(store, run)) and st.button(
        "Resume on the changed data", key="changed data", icon=":material/published_with_changes:",
        help="Asks before it goes on.",
    ):  # fmt: skip
        confirm_changed_data(run, refused)
    st.button("Use settings", key="use", icon=":material/tune:", on_click=form.fill_from, args=(run,),
              help="Fills this run's settings into the form, to change one thing and train again.")  # fmt: skip
    if any(e.table for e in store.evaluations(run.id)):
        if st.button("Results", key="results", icon=":material/query_stats:", help="How good is it, and where?"):
            open_page(services.RESULTS_PAGE, {"run": run.id})
        if st.button("Look at the errors", key="look", type="primary", icon=":material/image_search:"):
            open_page(services.ERRORS_PAGE, {"run": run.id})


def show_end(run: Run) -> None:
    """Say why a run ended before its end."""
    message = run.message or run.status.description
    if run.status == Status.FAILED:
        show_refusal(message, icon=":material/error:")
    elif run.status == Status.INTERRUPTED:
        st.warning(plain(message), icon=":material/warning:")


def show_runs() -> None:
    """Show a run, and the queue."""
    live = [run for run in runs if run.is_live]
    current = next((run for run in live if run.status != Status.QUEUED), live[-1] if live else latest(runs))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = pickers.pick_run(runs, "train run", st.session_state.get(WATCHED), current, choose)
        watch(run.id)  # also after its end, when another one trains
        show_queue(attempt, watch)
        show_manage(run, "train")
        show_experiment_of(run)
        show_actions(run)
        show_bin()
    if run.is_damaged:  # the note above every page says how
        return
    show_end(run)
    show_tracking(run)
    checks = read_checks(run)
    if has_failed(checks):  # nothing else was recorded: this is what to look at
        show_checks(run, checks)
    show_live_run(run, lambda rule: attempt(train_advised, run, rule))
    if not has_failed(checks):
        show_checks(run, checks)
    show_profile(run)
    with st.container(horizontal=True):
        with st.popover("TensorBoard", key="tensorboard", icon=":material/show_chart:"):
            show_tensorboard(run)
        show_settings_of(run)


store = services.store()
draft.take_draft()
waiting = waiting_training()
everything = store.runs()
runs = [run for run in everything if not run.is_imported]  # those were never trained here

with st.sidebar:
    filled = form.show_training_form(store)
    config, drawing = filled.config, filled.drawing
    # no callback: it would get the settings as they stood before a number that was typed just before the click
    label = "Add to the queue" if any(run.is_live for run in everything) else "Train"
    clicked = st.button(label, key="train", type="primary", icon=":material/play_arrow:", width="stretch",
                        disabled=config is None or bool(drawing and waiting))  # fmt: skip
    if clicked and config and not filled.judgement.asks:
        attempt(start, config)
        st.rerun()
    form.show_back_to_preset()
    show_file_of_form(config)
    show_several(None if drawing else config, bool(filled.judgement.asks), attempt)
draft.write_draft()
if clicked and config:  # it asks first
    confirm_spoiling(config, filled.judgement, lambda config: attempt(start, config))

if refusal := st.session_state.pop(REFUSED, None):
    show_refusal(refusal)
if not runs:
    st.title("Train")
if config and not drawing:  # else as soon as they are there
    show_preview(config)
if waiting:
    waiting.show_here()
elif not runs:
    st.info("No run yet. Choose data and model on the left and click **Train**: the curves appear here.")
if runs:
    show_runs()
else:
    show_bin()
if drawing or waiting:  # only now, when all else is on the page
    st.session_state[REFUSED] = follow(drawing, waiting)
    st.session_state[form.DRAWING_FAILED] = bool(drawing and drawing.task.error)
    if waiting and not waiting.task.is_running:
        watch(None)
    if not (drawing and drawing.task.stopped):  # else the server ends
        st.rerun()

"""What a user waits for: the first start, the click on Train, the first why and prediction.

Every figure is of an app that was just started, in a root folder of its own and a real browser. The trained model that
is asked has learned for one epoch from a few scenes. Three minutes a round on two cores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from bench.page import require_chromium
from bench.table import Bench, Figures, Row, once
from core import PROJECT
from core.datasets.street.scenery import draw_scene
from core.runs.store import RunStore
from tests.chromium import CHROMIUM, FLAGS
from tests.pages_in_browser import BOXES, CELLS, link
from tests.serving import served

MINUTE = 60_000  # milliseconds
UP_SECONDS = 20.0  # from the app's start until what is clicked first
IDLE_SECONDS = 20.0
SCENES = {"train": 16, "val": 4}
POINT = "() => document.querySelector('.dl-plot-loss_ce .dl-canvas')?.data?.[0]?.x.length > 0"


@dataclass(frozen=True)
class Mark:
    """What is measured: its name and words, the most that is wanted (None: it is only stated), and its unit."""

    name: str
    words: str
    wanted: float | None = None
    unit: str = "s"


START = Mark("first", "very first start, until Train can be clicked", 6)
WORK = Mark("work", "… CPU of the app's own process until then")
OWN = Mark("folder", "very first start with a folder of one's own, until Train can be clicked", 6)
RUNNING = Mark("running", "click on Train, until the run is running", 1)
CURVE = Mark("curve", "click on Train, until the first point of `loss_ce`", 4)
WHY = Mark("why", "the first *why* of a run", 1.5)
PREDICTION = Mark("prediction", "the first prediction", 2)
MEMORY = Mark("memory", "memory of the idle app, what its processes share counted once", unit="MB")
BUSY = Mark("idle", "CPU of the idle app", unit="% of a core")
MARKS = (START, WORK, OWN, RUNNING, CURVE, WHY, PREDICTION, MEMORY, BUSY)


class App:
    """The app that was just started, and a page of a browser, which is still empty."""

    def __init__(self, root: Path, url: str, page, begin: float) -> None:
        self.root, self.url, self.page, self.begin = root, url, page, begin

    def wait_until_up(self) -> None:
        """Wait until the app has been up for UP_SECONDS, and no scenes are drawn any more."""
        time.sleep(max(0.0, self.begin + UP_SECONDS - time.perf_counter()))
        while list((self.root / "data").glob(".*.partial")):
            time.sleep(0.2)

    def button(self, name: str):
        return self.page.get_by_role("button", name=name, exact=True).last

    def server(self) -> psutil.Process:
        return next(process for process in self.processes() if "streamlit" in process.cmdline())

    def processes(self) -> list[psutil.Process]:
        """Return the app's process, all that it has started, and a training that has outlived it."""
        named = [process for process in psutil.process_iter() if _root_of(process) == str(self.root)]
        return list({process for one in named for process in (one, *_started_by(one))})


def _root_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("DETR_LAB_ROOT")
    except (psutil.Error, OSError):  # it has just ended, or is another user's
        return None


def _started_by(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


@contextmanager
def started(browser, trained: Path | None = None) -> Iterator[App]:
    """Start the app in an empty root folder, or in one with the runs of `trained`; yield once its port answers."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        for name in ("runs", "checkpoints") if trained else ():
            shutil.copytree(trained / name, root / name)
        page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
        page.set_default_timeout(3 * MINUTE)
        begin = time.perf_counter()
        with served(root, engine=True) as url:
            app = App(root, url, page, begin)
            yield app
            page.context.close()
            left = app.processes()
        for process in left:  # a training outlives the app
            with suppress(psutil.NoSuchProcess):
                process.kill()


def make_run(root: Path) -> None:
    """Train the starter model for an epoch on a few scenes, under `root`."""
    data = root / "data/few"
    sizes = [f"--{name}={count}" for name, count in SCENES.items()]
    for arguments in (
        ["demo", f"--out={data}", *sizes],
        ["train", "--preset=Built-in demo", f"--data={data}", "--model=checkpoints/starter", "--epochs=1"],
    ):
        subprocess.run(
            [sys.executable, "-m", "core", *arguments], cwd=PROJECT, env={**os.environ, "DETR_LAB_ROOT": str(root)},
            check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


def time_to_train(app: App, query: str = "") -> float:
    """Return the seconds from the app's start until Train can be clicked."""
    app.page.goto(f"{app.url}/{query}", wait_until="commit")
    app.button("Train").click(trial=True)
    return time.perf_counter() - app.begin


def time_to_curve(app: App) -> tuple[float, float]:
    """Click on Train; return the seconds until the page shows that the run is running, and the first point."""
    app.wait_until_up()
    begin = time.perf_counter()
    app.button("Train").click()
    # not from here: what is waited for may come and go between two looks
    app.page.wait_for_function("() => document.querySelector('.dl-chip')?.dataset.status === 'running'", polling="raf")
    running = time.perf_counter() - begin
    app.page.wait_for_function(POINT, polling="raf")
    return running, time.perf_counter() - begin


def time_to_why(app: App) -> float:
    """Return the seconds from the click on Why to the first line of the answer, of a run that was never asked."""
    app.wait_until_up()
    with_store = RunStore(app.root)
    run = with_store.runs()[0].id
    with_store.close()
    app.page.goto(link(app.url, "errors", run=run))
    app.page.locator(CELLS).first.click()
    large = app.page.get_by_role("dialog")
    large.locator("tbody tr").filter(has_text="Prediction").first.click()
    begin = time.perf_counter()
    large.get_by_role("button", name="Why this box?").click()
    large.locator(".why-table tbody tr").first.wait_for()
    return time.perf_counter() - begin


def time_to_prediction(app: App, picture: Path) -> float:
    """Return the seconds from a picture that is dropped on Predict to its first box."""
    app.page.goto(f"{app.url}/predict")
    app.page.get_by_text("Drop pictures of your own").wait_for()
    begin = time.perf_counter()
    app.page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(picture)
    app.page.locator(BOXES).first.wait_for(state="attached")
    return time.perf_counter() - begin


def idle(app: App) -> tuple[float, float]:
    """Return the app's memory in MB and the share of a core in percent that it takes while nobody does anything."""
    app.wait_until_up()
    before = _cpu_seconds(app)
    time.sleep(IDLE_SECONDS)
    share = 100 * (_cpu_seconds(app) - before) / IDLE_SECONDS
    return sum(process.memory_full_info().pss for process in app.processes()) / 1e6, share


def _cpu_seconds(app: App) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in app.processes())


def measure_round(browser, trained: Path, picture: Path) -> Iterator[tuple[Mark, float]]:
    """Yield the figure of every mark, of four apps one after another."""
    with started(browser) as app:
        yield START, time_to_train(app)
        yield WORK, sum(app.server().cpu_times()[:2])
        yield from zip((RUNNING, CURVE), time_to_curve(app), strict=True)
    with started(browser) as app:
        yield OWN, time_to_train(app, f"?data={trained}/data/few")
    with started(browser, trained) as app:
        yield WHY, time_to_why(app)
    with started(browser, trained) as app:
        time_to_train(app, f"?data={trained}/data/few")
        yield from zip((MEMORY, BUSY), idle(app), strict=True)
        yield PREDICTION, time_to_prediction(app, picture)


@once
def measure_starts(bench: Bench) -> dict[Mark, list[float]]:
    """Return the figures of every mark, of each round."""
    require_chromium()
    from playwright.sync_api import sync_playwright

    figures: dict[Mark, list[float]] = defaultdict(list)
    trained, picture = bench.folder / "trained", bench.folder / "scene.png"
    draw_scene(np.random.default_rng(33), (256, 192), look="day").image.save(picture)
    make_run(trained)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        for _ in range(bench.rounds):
            for mark, figure in measure_round(browser, trained, picture):
                figures[mark].append(figure)
        browser.close()
    return figures


def measure_mark(mark: Mark, bench: Bench) -> Figures:
    return Figures(measure_starts(bench)[mark])


ROWS = [
    Row(f"start-{mark.name}", mark.words, partial(measure_mark, mark), mark.unit, wanted=mark.wanted) for mark in MARKS
]

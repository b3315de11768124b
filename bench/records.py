"""What a training leaves and a page asks for: recording a step, a poll of the live page, drawn scenes."""

from __future__ import annotations

from functools import partial

import httpx
import numpy as np
import psutil

from bench.gallery import server_process
from bench.table import Bench, Figures, Row, once, take_turns
from core.config import TrainConfig
from core.datasets.street.scenery import draw_scene
from core.metrics import GRAD_NORM, LEARNING_RATES, LOSSES, SPEED, WAIT
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.serving import served

RECORDED = tuple(metric.tag for metric in (*(loss.train for loss in LOSSES), *LEARNING_RATES, GRAD_NORM, SPEED, WAIT))
STEPS, POLLS = 20_000, 300  # recorded before, and polls of the page in each round


def record_steps(store: RunStore, run: str, steps: range) -> None:
    for step in steps:
        store.record(run, step, dict.fromkeys(RECORDED, 0.5))


def measure_recording(bench: Bench) -> Figures:
    store = RunStore(bench.folder / "recording")
    run = store.create({}).id
    figures = take_turns(
        lambda number: record_steps(store, run, range(1000 * number, 1000 * number + 1000)), rounds=bench.rounds
    )
    store.close()
    return Figures([seconds / 1000 for seconds in figures.ours])


@once
def measure_polls(bench: Bench) -> dict[str, list[float]]:
    """Return the seconds until a poll is answered, and the server's CPU for one, while a training records steps."""
    root = bench.folder / "live"
    store = RunStore(root)
    this = psutil.Process()
    run = store.create(TrainConfig(data="scenes").to_dict(), process=(this.pid, this.create_time())).id
    store.update(run, status=Status.RUNNING, epochs=10, steps=2 * STEPS)
    record_steps(store, run, range(STEPS))
    figures: dict[str, list[float]] = {"answer": [], "server": []}
    with served(root) as url, httpx.Client(base_url=url) as client:
        answer = client.get(f"/api/metrics/{run}").raise_for_status().json()
        last, remarks, server = answer["last"], answer["remarks"]["mark"], server_process(root)

        def poll(_: int) -> None:
            nonlocal last
            parameters = {"after": last, "remarks": remarks}
            last = client.get(f"/api/metrics/{run}", params=parameters).raise_for_status().json()["last"]

        for number in range(bench.rounds):
            before = sum(server.cpu_times()[:2])
            for step in range(STEPS + number * POLLS, STEPS + (number + 1) * POLLS):
                record_steps(store, run, range(step, step + 1))
                figures["answer"] += take_turns(poll, rounds=1).ours
            figures["server"].append((sum(server.cpu_times()[:2]) - before) / POLLS)
    store.close()
    return figures


def measure_poll(name: str, bench: Bench) -> Figures:
    return Figures(measure_polls(bench)[name])


def measure_drawing(look: str, bench: Bench) -> Figures:
    rng = np.random.default_rng(0)
    return take_turns(lambda _: draw_scene(rng, look=look), rounds=10 * bench.rounds)


ROWS = [
    Row("live-recording", "recording one training step", measure_recording),
    Row("live-poll", f"live refresh after {STEPS:,} steps: a poll for what is new, until it is answered",
        partial(measure_poll, "answer")),
    Row("live-server", "… the server's CPU for it", partial(measure_poll, "server")),
    Row("drawing-day", "drawing a scene by day", partial(measure_drawing, "day")),
    Row("drawing-dusk", "… at dusk", partial(measure_drawing, "dusk")),
]  # fmt: skip

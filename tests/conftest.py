"""What several tests share: small drawn data sets; for pages, a store of their own with a run in it."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.components.v2 import manifest_scanner

from core.boxes import Detections, xywh_to_xyxy
from core.config import TrainConfig
from core.datasets.demo import draw_dataset
from core.datasets.split import read_split
from core.evaluation.coco_eval import evaluate
from core.evaluation.table import write_table
from core.evaluation.tide import detection_table
from core.runs.manager import JobManager
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.chromium import browser  # noqa: F401 (a fixture of several tests)
from tests.core.runs.fake_training import leave_checkpoint
from ui.choose import built_in
from ui.server import services

LONGEST = (
    "test_compare_browser", "test_browser", "test_main", "test_distributed", "test_download", "test_whole_runs",
    "test_image_browser", "test_data_browser", "test_results_browser", "test_errors_browser", "test_hostile_browser",
)  # fmt: skip
os.environ.setdefault("OMP_NUM_THREADS", "1")  # several threads on two busy cores are slower than one


def pytest_collection_modifyitems(items):
    """Files that take minutes come first, or one core would wait for the other at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def street(tmp_path_factory) -> Path:
    """A demo data set of 12 training and 6 validation images, 96 pixels wide; read it, never write."""
    folder = tmp_path_factory.mktemp("data") / "street"
    for _ in draw_dataset(folder, "day", train=12, val=6, seed=3, size=96):
        pass
    return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A built-in data set of 3 training and 30 validation images, drawn once."""
    folder = tmp_path_factory.mktemp("drawn") / "street"
    for _ in draw_dataset(folder, train=3, val=30, seed=5, size=64):
        pass
    return folder


@pytest.fixture
def few_scenes(monkeypatch):
    """Built-in data sets are drawn with 6 training and 3 validation images, 64 pixels wide."""

    def draw(one, data_dir):
        return draw_dataset(data_dir / one.folder, one.look, train=6, val=3, size=64, extra=one.extra)

    monkeypatch.setattr(built_in, "draw_built_in", draw)


@pytest.fixture(autouse=True)
def no_search_for_components(monkeypatch):
    """Streamlit looks through every installed package for components at each new AppTest: half a second."""
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", list)


@pytest.fixture
def store(tmp_path, monkeypatch, drawn):
    """An empty run store with the tiny data set, under the root that the app sees; runs that are queued stay so."""
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    shutil.copytree(drawn, tmp_path / "data/street")
    store = RunStore(tmp_path)
    jobs = JobManager(store)
    jobs.shutdown()
    monkeypatch.setattr(services, "jobs", lambda: jobs)
    yield store
    store.close()


@pytest.fixture
def finished(store):
    """A run of two epochs with its curves and the evaluations of the untouched, the first and the last model."""
    return make_run(store)


@pytest.fixture
def run_maker(store):
    """Makes further runs: `run_maker(status=…, evaluated=…, message=…, data=…, remarks=…)`."""
    return lambda **how: make_run(store, **how)


@pytest.fixture
def leave(store):
    """Writes what a training leaves in its run's folder beside its curves: `leave(run, checks=…, operators=…)`."""
    return lambda run, **what: leave_files(store, run, **what)


def make_run(store, status=Status.FINISHED, evaluated=True, message=None, data="street", remarks=()):
    config = TrainConfig(data=str(store.data_dir / data), epochs=2)
    run = store.create(config.to_dict())
    split = read_split(config.data, "val")
    label_map = split.label_map()
    for step in range(1, 21):
        tags = ("train/loss", "train/loss_ce", "train/loss_bbox", "train/loss_giou")
        store.record(run.id, step, dict.fromkeys(tags, 4.0 - 0.1 * step))
    for epoch in (0, 1, 2) if evaluated else ():
        found = half_right(split, label_map, shift=6 - 3 * epoch)
        figures = evaluate(split.to_dict(), found, label_map)
        path = store.table_path(run.id, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(detection_table(split.to_dict(), found, label_map), path)
        store.record(run.id, 10 * epoch, {"val/AP": figures.AP, "val/loss": 3.0 - epoch})
        store.add_evaluation(run.id, epoch, 10 * epoch, figures.to_dict(), is_best=epoch == 2, has_table=True)
    store.update(
        run.id, status=status, epoch=2, epochs=2, step=20, steps=20, message=message, label_map=label_map.to_dict(),
        remarks=[remark.to_dict() for remark in remarks],
    )  # fmt: skip
    leave_checkpoint(store.checkpoint(run.id, "last"))  # without it a run that has trained is not resumed
    return store.get(run.id)


def leave_files(store, run, checks=None, operators=None, trace=b"a trace"):
    """`checks`: (name, ok, evidence) each, with a picture; `operators`: (name, calls, cpu_ms, gpu_ms) each."""
    store.folder(run.id).mkdir(parents=True, exist_ok=True)
    if checks is not None:
        rows = [dict(zip(("name", "ok", "evidence"), check, strict=True)) for check in checks]
        Image.new("RGB", (40, 30), "navy").save(store.preflight_picture(run.id))
        store.preflight_path(run.id).write_text(json.dumps({"checks": rows}))
    if operators is not None:
        names = ("name", "calls", "cpu_ms", "gpu_ms")
        rows = [dict(zip(names, operator, strict=True)) for operator in operators]
        store.profile_path(run.id).write_text(json.dumps({"steps": 10, "operators": rows}))
        if trace:
            store.trace_path(run.id).write_bytes(trace)


def half_right(split, label_map, shift):
    """Every other object found, all with scores from 0.2 to 0.9, their boxes `shift` pixels to the right."""
    rows = [a for a in split.annotations if not a["iscrowd"]][::2]
    boxes = xywh_to_xyxy([a["bbox"] for a in rows]) + np.array([shift, 0, shift, 0])
    return Detections(
        [a["image_id"] for a in rows], range(len(rows)), label_map.to_labels([a["category_id"] for a in rows]),
        np.linspace(0.2, 0.9, len(rows)), boxes,
    )  # fmt: skip

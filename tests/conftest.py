"""What several tests share: small drawn data sets; for pages, a store of their own with a run in it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.boxes import Detections, xywh_to_xyxy
from core.coco import read_split
from core.config import TrainConfig
from core.demo import draw_dataset
from core.errors import detection_table
from core.evaluate import evaluate
from core.jobs import JobManager
from core.records import Status
from core.runs import RunStore
from core.table import write_table
from ui import server

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several threads on two busy cores are slower than one


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
def store(tmp_path, monkeypatch, drawn):
    """An empty run store with the tiny data set, under the root that the app sees; runs that are queued stay so."""
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    shutil.copytree(drawn, tmp_path / "data/street")
    store = RunStore(tmp_path)
    jobs = JobManager(store)
    jobs.shutdown()
    monkeypatch.setattr(server, "jobs", lambda: jobs)
    yield store
    store.close()


@pytest.fixture
def finished(store):
    """A run of two epochs with its curves and the evaluations of the untouched, the first and the last model."""
    return make_run(store)


@pytest.fixture
def run_maker(store):
    """Makes further runs: `run_maker(status=…, evaluated=…, message=…, data=…)`."""
    return lambda **how: make_run(store, **how)


def make_run(store, status=Status.FINISHED, evaluated=True, message=None, data="street"):
    config = TrainConfig(data=str(store.data_dir / data), epochs=2)
    run = store.create(config.to_dict())
    split = read_split(config.data, "val")
    label_map = split.label_map()
    for step in range(1, 21):
        tags = ("train/loss", "train/loss_ce", "train/loss_bbox", "train/loss_giou")
        store.record(run.id, step, {tag: 4.0 - 0.1 * step for tag in tags})
    for epoch in (0, 1, 2) if evaluated else ():
        found = half_right(split, label_map, shift=6 - 3 * epoch)
        figures = evaluate(split.to_dict(), found, label_map)
        path = store.table_path(run.id, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(detection_table(split.to_dict(), found, label_map), path)
        store.record(run.id, 10 * epoch, {"val/AP": figures.AP, "val/loss": 3.0 - epoch})
        store.add_evaluation(run.id, epoch, 10 * epoch, figures.to_dict(), is_best=epoch == 2, has_table=True)
    store.update(
        run.id, status=status, epoch=2, epochs=2, step=20, steps=20, message=message, label_map=label_map.to_dict()
    )
    return store.get(run.id)


def half_right(split, label_map, shift):
    """Every other object found, all with scores from 0.2 to 0.9, their boxes `shift` pixels to the right."""
    rows = [a for a in split.annotations if not a["iscrowd"]][::2]
    boxes = xywh_to_xyxy([a["bbox"] for a in rows]) + np.array([shift, 0, shift, 0])
    return Detections(
        [a["image_id"] for a in rows], range(len(rows)), label_map.to_labels([a["category_id"] for a in rows]),
        np.linspace(0.2, 0.9, len(rows)), boxes,
    )  # fmt: skip

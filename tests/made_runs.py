"""Runs without a training: their curves, evaluations and files, as a training leaves them."""

import json

import numpy as np
from PIL import Image

from core.boxes import Detections, xywh_to_xyxy
from core.config import TrainConfig
from core.datasets.split import read_split
from core.evaluation.coco_eval import evaluate
from core.evaluation.table import write_table
from core.evaluation.tide import detection_table
from core.runs.schema import Status
from tests.core.runs.fake_training import leave_checkpoint


def make_run(store, status=Status.FINISHED, evaluated=True, message=None, data="street", remarks=()):
    config = TrainConfig(data=str(store.data_dir / data), epochs=2)
    run = store.create(config.to_dict())
    split = read_split(config.data, "val")
    label_map = split.label_map()
    for step in range(1, 21):
        tags = ("train/loss", "train/loss_ce", "train/loss_bbox", "train/loss_giou")
        store.record(run.id, step, dict.fromkeys(tags, 4.0 - 0.1 * step))
    for epoch in (0, 1, 2) if evaluated else ():
        detections = half_right(split, label_map, shift=6 - 3 * epoch)
        figures = evaluate(split.to_dict(), detections, label_map)
        path = store.table_path(run.id, epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(detection_table(split.to_dict(), detections, label_map), path)
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

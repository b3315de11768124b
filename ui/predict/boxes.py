"""What Predict shows of the boxes besides the pictures: how long they took, a table of them, and downloads."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from statistics import median

import pandas as pd
import pyarrow as pa
import streamlit as st

from core.boxes import clip, xyxy_to_xywh
from core.datasets.pictures import read_picture
from core.inference.own_pictures import OwnPicture
from core.inference.predictions import above_score, draw_predictions, predictions_to_coco, safe_file_names
from ui.predict.asking import Answers
from ui.text import plain

JSON_FORMAT = (
    "A COCO file: images with file names and sizes; annotations with image_id, category_id, bbox (x, y, width, height "
    "in pixels) and score; categories. Annotation tools read it, and so does python -m core import."
)


def speed(pictures: dict[int, OwnPicture], answers: Answers, label: str) -> str:
    """How many pictures there are, which model has looked at them where, and how long one took."""
    count = f"{len(pictures):,} picture{'s' * (len(pictures) != 1)}"
    done = [p for number, p in answers.predictions.items() if number in pictures]
    if not done:
        return f"{count} · {plain(label)}"
    own, whole = median(p.model_seconds for p in done), median(p.whole_seconds for p in done)
    times = f"{milliseconds(own)} a picture in the model, {milliseconds(whole)} with reading and resizing"
    return f"{count} · {plain(label)} · {plain(answers.device)} · {times}{' (median)' if len(done) > 1 else ''}"


def milliseconds(seconds: float) -> str:
    """In two figures at least, in seconds from one on.

    >>> milliseconds(0.00456), milliseconds(0.1234), milliseconds(2.34)
    ('4.6 ms', '123 ms', '2.3 s')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{1000 * seconds:.1f} ms" if seconds < 0.01 else f"{1000 * seconds:.0f} ms"


def box_table(pictures: dict[int, OwnPicture], answers: Answers, score: float) -> None:
    """Every box from `score` on, in pixels of its picture, once it is opened."""
    shown = st.expander("Boxes as a table", key="predict boxes", on_change="rerun", icon=":material/table:")
    if not shown.open:
        return
    rows = []
    for number, own in pictures.items():
        if number not in answers.predictions:
            continue
        found = above_score(answers.predictions[number].detections, score)
        boxes = xyxy_to_xywh(clip(found.boxes, own.size)).tolist()
        for label, value, box in zip(found.label.tolist(), found.score.tolist(), boxes, strict=True):
            rows.append((own.name, answers.label_map.names[label], value, *box))
    columns = ["Picture", "Class", "Score", "x", "y", "Width", "Height"]
    formats = {name: st.column_config.NumberColumn(format="%.1f") for name in columns[3:]}
    formats["Score"] = st.column_config.NumberColumn(format="%.3f")
    with shown:
        st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, column_config=formats,
                     alt="Boxes: class, score and place in pixels")  # fmt: skip
        st.caption(f"{len(rows):,} boxes with a score of {score:.2f} or more; x and y are the left upper corner, in "
                   "pixels of the upright picture.")  # fmt: skip


def offer_downloads(
    pictures: dict[int, OwnPicture], answers: Answers, table: pa.Table, score: float, label: str
) -> None:
    """The boxes from `score` on as JSON, and as pictures with them drawn; made when they are asked for."""
    done = {number: own for number, own in pictures.items() if number in answers.predictions}
    predictions = dict(answers.predictions)  # more may come meanwhile

    def coco() -> str:
        return json.dumps(predictions_to_coco(done, predictions, answers.label_map, score, label), indent=1)

    with st.container(horizontal=True):
        st.download_button("JSON", coco, "predictions.json", "application/json", key="predict json",
                           on_click="ignore", icon=":material/download:", help=JSON_FORMAT)  # fmt: skip
        if len(done) == 1:
            (number,), (name,) = done, safe_file_names([own.name for own in done.values()], ".png")
            st.download_button("Picture with boxes", lambda: drawn(done[number], table, number, score), name,
                               "image/png", key="predict png", on_click="ignore", icon=":material/image:")  # fmt: skip
        else:
            st.download_button(f"{len(done)} pictures with boxes", zipped(done, table, score), "predictions.zip",
                               "application/zip", key="predict zip", on_click="ignore",
                               icon=":material/folder_zip:")  # fmt: skip


def drawn(own: OwnPicture, table: pa.Table, number: int, score: float) -> bytes:
    """The picture with its boxes as PNG."""
    file = io.BytesIO()
    draw_predictions(read_picture(own.path, own.size), table, number, score).save(file, "PNG", compress_level=1)
    return file.getvalue()


def zipped(pictures: dict[int, OwnPicture], table: pa.Table, score: float) -> Callable[[], bytes]:
    """Makes a zip of the pictures with their boxes, each under a name of its own."""

    def make() -> bytes:
        file = io.BytesIO()
        names = safe_file_names([own.name for own in pictures.values()], ".png")
        with zipfile.ZipFile(file, "w") as archive:  # PNGs are packed already
            for (number, own), name in zip(pictures.items(), names, strict=True):
                archive.writestr(name, drawn(own, table, number, score))
        return file.getvalue()

    return make

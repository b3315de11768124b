"""The boxes on Predict besides the pictures: how long the model took, a table of the boxes, and downloads."""

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
from core.wording import cell, visible
from ui.predict.answers import Answers
from ui.text import Markup, plain

JSON_FORMAT = (
    "A COCO file: images with file names and sizes; annotations with image_id, category_id, bbox (x, y, width, height "
    "in pixels) and score; categories. Annotation tools read it, and so does python -m core import."
)


def speed(pictures: dict[int, OwnPicture], answers: Answers, label: str) -> Markup:
    """Say how many pictures there are, which model was used on which device, and how long one picture took."""
    count = f"{len(pictures):,} picture{'s' * (len(pictures) != 1)}"
    done = [p for number, p in answers.predictions.items() if number in pictures]
    if not done:
        return Markup(f"{count} · {plain(label)}")
    model, whole = median(p.model_seconds for p in done), median(p.whole_seconds for p in done)
    times = f"{milliseconds(model)} a picture in the model, {milliseconds(whole)} with reading and resizing"
    return Markup(f"{count} · {plain(label)} · {plain(answers.device)} · {plain(times)}{' (median)' * (len(done) > 1)}")


def milliseconds(seconds: float) -> str:
    """Write a duration with at least two digits, in seconds from one second on.

    >>> milliseconds(0.00456), milliseconds(0.1234), milliseconds(2.34)
    ('4.6 ms', '123 ms', '2.3 s')
    """
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{1000 * seconds:.1f} ms" if seconds < 0.01 else f"{1000 * seconds:.0f} ms"


def show_box_table(pictures: dict[int, OwnPicture], answers: Answers, score: float) -> None:
    """Show every box from `score` on as a table, in pixels of its picture, folded up at first."""
    expander = st.expander("Boxes as a table", key="predict boxes", on_change="rerun", icon=":material/table:")
    if not expander.open or answers.label_map is None:
        return
    rows = []
    for number, picture in pictures.items():
        if number not in answers.predictions:
            continue
        detections = above_score(answers.predictions[number].detections, score)
        boxes = xyxy_to_xywh(clip(detections.boxes, picture.size)).tolist()
        for label, value, box in zip(detections.label.tolist(), detections.score.tolist(), boxes, strict=True):
            name = answers.label_map.names[label]
            rows.append((cell(visible(picture.name)), cell(visible(name)), value, *box))
    columns = ["Picture", "Class", "Score", "x", "y", "Width", "Height"]
    formats = {name: st.column_config.NumberColumn(format="%.1f") for name in columns[3:]}
    formats["Score"] = st.column_config.NumberColumn(format="%.3f")
    with expander:
        st.dataframe(pd.DataFrame(rows, columns=columns), hide_index=True, column_config=formats,
                     alt="Boxes: class, score and place in pixels")  # fmt: skip
        st.caption(f"{len(rows):,} boxes with a score of {score:.2f} or more; x and y are the left upper corner, in "
                   "pixels of the upright picture.")  # fmt: skip


def offer_downloads(
    pictures: dict[int, OwnPicture], answers: Answers, table: pa.Table, score: float, label: str
) -> None:
    """Offer the boxes from `score` on as JSON, and the pictures with these boxes; files are made at the click."""
    if (label_map := answers.label_map) is None:
        return
    done = {number: picture for number, picture in pictures.items() if number in answers.predictions}
    predictions = dict(answers.predictions)  # more may come meanwhile

    def coco() -> str:
        return json.dumps(predictions_to_coco(done, predictions, label_map, score, label), indent=1)

    with st.container(horizontal=True):
        st.download_button("JSON", coco, "predictions.json", "application/json", key="predict json",
                           on_click="ignore", icon=":material/download:", help=JSON_FORMAT)  # fmt: skip
        if len(done) == 1:
            (number,), (name,) = done, safe_file_names([picture.name for picture in done.values()], ".png")
            st.download_button("Picture with boxes", lambda: drawn(done[number], table, number, score), name,
                               "image/png", key="predict png", on_click="ignore", icon=":material/image:")  # fmt: skip
        else:
            st.download_button(f"{len(done)} pictures with boxes", zipped(done, table, score), "predictions.zip",
                               "application/zip", key="predict zip", on_click="ignore",
                               icon=":material/folder_zip:")  # fmt: skip


def drawn(picture: OwnPicture, table: pa.Table, number: int, score: float) -> bytes:
    """Return the picture with its boxes as PNG."""
    file = io.BytesIO()
    draw_predictions(read_picture(picture.path, picture.size), table, number, score).save(file, "PNG", compress_level=1)
    return file.getvalue()


def zipped(pictures: dict[int, OwnPicture], table: pa.Table, score: float) -> Callable[[], bytes]:
    """Return a function that makes a zip of the pictures with their boxes, each under a name of its own."""

    def make() -> bytes:
        file = io.BytesIO()
        names = safe_file_names([picture.name for picture in pictures.values()], ".png")
        with zipfile.ZipFile(file, "w") as archive:  # PNGs are packed already
            for (number, picture), name in zip(pictures.items(), names, strict=True):
                archive.writestr(name, drawn(picture, table, number, score))
        return file.getvalue()

    return make

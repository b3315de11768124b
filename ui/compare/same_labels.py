"""Two models on the same labels: where they were evaluated with different ones of the same images, on the newer ones.

In: two evaluated models. Out: `Pair`: their tables, of which the older one's detections are matched anew if need be,
and a sentence that says so. Newer is the revision of the other's data, or else what was evaluated later.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import streamlit as st

from core.evaluation.findings.changes import are_of_same_images, ground_truth_digest
from core.evaluation.findings.curves import coco_figures
from core.evaluation.findings.relabel import different_images, labels_of, relabel
from core.runs.corrections.revision import newer_of
from core.runs.evaluated.images import data_of
from core.wording import short
from ui.choose.labels import table_of
from ui.choose.pickers import ap_text
from ui.choose.run_picker import EvaluatedModel, TableKey
from ui.server import cache, services


class Pair(NamedTuple):
    """The tables of (before, after) with the same labels, if any can be; `sentence` is "" where they had the same."""

    tables: tuple[pa.Table, pa.Table]
    keys: tuple[TableKey, TableKey]
    sentence: str = ""


def on_same_labels(before: EvaluatedModel, after: EvaluatedModel, names: tuple[str, str]) -> Pair:
    """Return the two models' tables on the newer one's labels; raises LabError if a table is gone."""
    tables, keys = (table_of(before), table_of(after)), (before.table_key, after.table_key)
    evaluated = [cache.table_of(model.evaluation) for model in (before, after)]
    if not are_of_same_images(*tables) or (_have_same_labels(*tables) and _have_same_labels(*evaluated)):
        return Pair(tables, keys)
    older, reason = _older(before, after, names)
    newer = 1 - older
    run_id, epoch, created, _ = keys[older]
    made, count = _matched_anew((run_id, epoch, created, ""), keys[newer], evaluated[older], tables[newer])
    was, now = (ap_text(coco_figures(table).AP) for table in (evaluated[older], made))
    key = (run_id, epoch, created, f"on {keys[newer]}")
    sentence = (
        f"The two were evaluated with different labels on {count:,} of the same images: {reason}. Both are shown with "
        f"those of {short(names[newer])}; AP of {short(names[older])} is {now} with them, {was} with its own."
    )
    both = ((made, key), (tables[newer], keys[newer]))
    first, second = both if older == 0 else both[::-1]
    return Pair((first[0], second[0]), (first[1], second[1]), sentence)


def _have_same_labels(one: pa.Table, other: pa.Table) -> bool:
    return ground_truth_digest(one) == ground_truth_digest(other)


def _older(before: EvaluatedModel, after: EvaluatedModel, names: tuple[str, str]) -> tuple[int, str]:
    """Return which of the two has the older labels, 0 or 1, and why."""
    data = [data_of(model.run) for model in (before, after)]
    if newer := newer_of(services.store().root, *data):
        older = data.index(next(one for one in data if one != newer))
        return older, f"{short(newer)} is a revision of {short(data[older])}"
    older = 0 if before.evaluation.created <= after.evaluation.created else 1
    return older, f"{short(names[1 - older])} was evaluated later"


@st.cache_resource(show_spinner="Matching with the newer labels …", max_entries=4)
def _matched_anew(older: TableKey, newer: TableKey, _older: pa.Table, _newer: pa.Table) -> tuple[pa.Table, int]:
    """Return a table with the labels of another, and on how many images they differ."""
    images = different_images(_older, _newer)
    return relabel(_older, labels_of(_newer, images)), len(images)

"""The corrected labels of an evaluation, read once for the whole server: tables, splits, and what they change.

In: a run and an evaluation of it. Out: its table and its images with the journal's corrections, made anew once another
one is done. Pages and `ui/gallery/labels_route.py` share them.
"""

from __future__ import annotations

import threading

import pyarrow as pa
import streamlit as st

from core.datasets.split import CocoSplit
from core.evaluation.findings.label_noise import LabelledEvaluation, LabelNoise
from core.runs.corrections.corrected import corrected_split, corrected_table
from core.runs.corrections.mend import Mender
from core.runs.schema import Evaluation, Run
from ui.server import cache, services

Key = tuple[str, float]  # of a detection table: its path, and when it was made


def mender_of(run: Run) -> Mender:
    """Return what corrects the labels that a run is evaluated on; raises DataError if they are gone."""
    return Mender(services.store(), cache.validation_images(run))


def corrected_table_of(run: Run, evaluation: Evaluation) -> pa.Table:
    """Return an evaluation's detections matched with the labels as they are now; raises LabError."""
    mender = mender_of(run)
    return _table(_key(evaluation), _file(mender), mender.journal.state(), evaluation, mender)


def corrected_images(run: Run) -> CocoSplit:
    """Return the split that the run is evaluated on, as it is corrected now; raises DataError if it is gone."""
    mender = mender_of(run)
    state = mender.journal.state()
    return _images(_file(mender), state, mender) if state else (
        mender.split
    )  # fmt: skip


def label_noise_of(run: Run, evaluation: Evaluation, score: float) -> LabelNoise:
    """Return what the corrections change of an evaluation; raises LabError."""
    mender = mender_of(run)
    return _noise(_key(evaluation), _file(mender), mender.journal.state(), score, run, evaluation)


def _file(mender: Mender) -> str:
    """Name an annotation file as it is now: which corrections fit it changes with it."""
    return f"{mender.journal.file} {services.file_stamp(mender.split.json_path)}"


def _key(evaluation: Evaluation) -> Key:
    return str(cache.table_path(evaluation)), evaluation.created


@st.cache_resource(show_spinner=False, max_entries=6)
def _table(key: Key, file: str, state: str, _evaluation: Evaluation, _mender: Mender) -> pa.Table:
    table = cache.table_of(_evaluation)
    return corrected_table(table, _mender.corrections()) if state else table


@st.cache_resource(show_spinner=False, max_entries=4)
def _images(file: str, state: str, _mender: Mender) -> CocoSplit:
    return corrected_split(_mender.split, _mender.corrections()).split


@st.cache_resource(show_spinner=False, max_entries=32)
def _noise(key: Key, file: str, state: str, score: float, _run: Run, _evaluation: Evaluation) -> LabelNoise:
    labelled, lock = _labelled(key, _evaluation)
    with lock:
        return labelled.label_noise(corrected_table_of(_run, _evaluation), score)


@st.cache_resource(show_spinner=False, max_entries=4)
def _labelled(key: Key, _evaluation: Evaluation) -> tuple[LabelledEvaluation, threading.Lock]:
    return LabelledEvaluation(cache.table_of(_evaluation)), threading.Lock()

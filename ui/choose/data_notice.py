"""At a page's top: whether the data changed since the models that it shows were evaluated, and how."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import streamlit as st

from core import LabError
from core.datasets.fingerprint.fingerprint import Fingerprint, read_fingerprint
from core.datasets.split import CocoSplit
from core.evaluation.table import table_metadata
from core.runs.provenance.current import EvaluatedData, changed_between, notice
from core.runs.provenance.data import fingerprint_path
from core.runs.schema import Run
from ui.server import cache, services
from ui.text import plain

ICON = ":material/difference:"


def show_data_notice(*models: tuple[Run, pa.Table], names: Sequence[str] = ()) -> None:
    """Say what changed of the data of these models, each a run and a detection table; show nothing if nothing did.

    names  of the models, where a page shows several
    """
    named: dict[str, list[str]] = {}
    for (run, table), name in zip(models, names or [""] * len(models), strict=True):
        named.setdefault(_notice(run, table), []).append(name)
    for sentence, of in named.items():
        if sentence:
            st.warning(plain(f"{', '.join(of)}: {sentence}" if names else sentence), icon=ICON)


def show_difference(before: tuple[Run, pa.Table], after: tuple[Run, pa.Table]) -> None:
    """Say what changed of the data between the evaluations of two models; show nothing if nothing did."""
    try:
        sentence = changed_between(*(_fingerprint(run, table) for run, table in (before, after)))
    except LabError as error:
        sentence = str(error)
    if sentence:
        st.warning(plain(sentence), icon=ICON)


def _notice(run: Run, table: pa.Table) -> str:
    try:
        fingerprint = _fingerprint(run, table)
        if fingerprint is None:  # of an earlier version's run: nobody knows
            return ""
        images = cache.validation_images(run)
        key = fingerprint.digest, str(images.json_path), services.file_stamp(images.json_path), str(images.image_dir)
        return notice(_data(key, images, fingerprint).changes())
    except LabError as error:
        return f"The data cannot be compared with what this model was evaluated on. {error}"


def _fingerprint(run: Run, table: pa.Table) -> Fingerprint | None:
    path = fingerprint_path(services.store(), run.id, table_metadata(table).data)
    stamp = services.file_stamp(path)
    return _read(path, stamp) if stamp and table_metadata(table).data else None


@st.cache_resource(show_spinner=False, max_entries=8)
def _read(path: Path, stamp: str) -> Fingerprint | None:
    return read_fingerprint(path)


@st.cache_resource(show_spinner=False, max_entries=8)
def _data(key: tuple[str, ...], _images: CocoSplit, _fingerprint: Fingerprint) -> EvaluatedData:
    return EvaluatedData(_fingerprint, _images)

"""The columns of the table of all runs: each says what it is called, and what stands in it for a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.config_diff import Setting, compare_settings, setting_values, value_text
from core.metrics import COCO
from core.runs.schema import Run
from core.wording import cell, short, visible
from ui.charts.tables import percent
from ui.choose import pickers
from ui.text import plain

LONGEST = 200  # characters of a text in a cell
SETTINGS = "settings"  # stands for all settings that differ
DEFAULT = ("status", "tags", "AP", "change", "AP50", "created", "minutes", "epoch", "data", "model", SETTINGS, "notes")


@dataclass(frozen=True)
class Row:
    """A run with what the columns show of it: the figures of its best model, and its settings by name."""

    run: Run
    figures: Mapping[str, Any]
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of the table.

    kind    "text", "number", "time", "words"; of numbers `format` is how they are written
    value   what stands in it for a row; None where there is nothing
    """

    key: str
    label: str
    help: str
    kind: str
    value: Callable[[Row], Any]
    format: str = "%g"


def rows_of(runs: Sequence[Run], figures: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Return a row for each run."""
    return [Row(run, figures.get(run.id, {}), {} if run.is_damaged else setting_values(run.config)) for run in runs]


def all_columns(rows: Sequence[Row]) -> list[Column]:
    """Return every column that these runs can have; SETTINGS stands for those of `differing`."""
    settings = [_setting_column(setting) for setting in _settings(rows)]
    known = {column.key for column in COLUMNS}
    placeholder = Column(SETTINGS, "Settings that differ", "", "text", lambda row: None)
    return [*COLUMNS, placeholder, *(column for column in settings if column.key not in known)]


def differing(rows: Sequence[Row]) -> list[Column]:
    """Return the columns of the settings in which the trainings among these runs differ."""
    known = {column.key for column in COLUMNS}
    return [_setting_column(one) for one in _settings(rows) if one.differs and one.name not in known]


def expand(columns: Sequence[Column], rows: Sequence[Row]) -> list[Column]:
    """Return the columns with those that SETTINGS stands for in its place, each once."""
    named = {column.key for column in columns}
    expanded = []
    for column in columns:
        more = [one for one in differing(rows) if one.key not in named] if column.key == SETTINGS else [column]
        expanded += more
    return expanded


def frame(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table and its columns' formats; the first column is the run's name."""
    texts = {"Run": pd.Series([cell(pickers.run_name(row.run)) for row in rows], dtype=object)}
    formats: dict[str, Any] = {"Run": st.column_config.TextColumn(pinned=True)}
    for column in columns:
        name = column.label if column.label not in texts else f"{column.label} ({column.key})"
        values, text = [column.value(row) for row in rows], plain(column.help)
        if column.kind == "number":
            texts[name] = pd.Series(values, dtype=float)
            formats[name] = st.column_config.NumberColumn(help=text, format=column.format)
        elif column.kind == "time":
            texts[name] = pd.Series(values, dtype="datetime64[s]")
            formats[name] = st.column_config.DatetimeColumn(help=text, format="YYYY-MM-DD HH:mm")
        elif column.kind == "words":
            texts[name] = pd.Series([[cell(visible(one)) for one in value] for value in values], dtype=object)
            formats[name] = st.column_config.ListColumn(help=text)
        else:
            shown = [None if value is None else cell(short(value, LONGEST)) for value in values]
            texts[name] = pd.Series(shown, dtype=object)
            formats[name] = st.column_config.TextColumn(help=text)
    return pd.DataFrame(texts), formats


def _settings(rows: Sequence[Row]) -> list[Setting]:
    """Return the settings of the trainings among these runs, in their order."""
    return compare_settings([row.run.config for row in rows if not (row.run.is_imported or row.run.is_damaged)])


def _setting_column(setting: Setting) -> Column:
    name = setting.name

    def number(row: Row) -> float | None:
        value = row.settings.get(name) if not row.run.is_imported else None
        # 0.1 * 3 in three digits, not in seventeen
        return float(f"{value:.6g}") if isinstance(value, int | float) else None

    def text(row: Row) -> str | None:
        return value_text(row.settings[name]) if name in row.settings and not row.run.is_imported else None

    if setting.is_number:
        return Column(name, setting.label, setting.help, "number", number)
    return Column(name, setting.label, setting.help, "text", text)


def _figure(name: str) -> Column:
    return Column(
        name, name, f"{COCO[name].help} Of the run's best model, in percent.", "number",
        lambda row: percent(row.figures.get(name)), "%.1f",
    )  # fmt: skip


def _change(row: Row) -> float | None:
    ap, baseline = row.figures.get("AP"), row.run.baseline_ap
    return None if ap is None or baseline is None or row.run.is_imported else 100 * (ap - baseline)


def _created(row: Row) -> datetime | None:
    return datetime.fromtimestamp(int(row.run.created)) if row.run.created else None


def _minutes(row: Row) -> float | None:
    """Return how long the run has worked since it last began."""
    run = row.run
    end = time.time() if run.is_live else run.ended or run.heartbeat
    return max(0.0, end - run.started) / 60 if run.started and end and not run.is_imported else None


def _data(row: Row) -> str | None:
    value = row.settings.get("data") or row.settings.get("gt")
    return Path(str(value)).name if value else None


def _model(row: Row) -> str | None:
    return value_text(value) if (value := row.settings.get("model")) else None


COLUMNS = (
    Column("status", "Status", "What the run does, or how it ended.", "text", lambda row: row.run.label),
    Column("tags", "Tags", "Short words of yours.", "words", lambda row: row.run.tags),
    *map(_figure, ("AP",)),
    Column("change", "Δ AP", "Against the run's own baseline, the untouched model; points.", "number", _change,
           "%+.1f"),
    *map(_figure, (name for name in COCO if name != "AP")),
    Column("baseline", "Baseline AP", "Of the untouched model, in percent.", "number",
           lambda row: None if row.run.is_imported else percent(row.run.baseline_ap), "%.1f"),
    Column("best_epoch", "Best epoch", "After which the best model was saved.", "number",
           lambda row: row.run.best_epoch or None, "%d"),
    Column("created", "Created", "When the run was made.", "time", _created),
    Column("minutes", "Minutes", "How long the run has worked since it last began.", "number", _minutes, "%.1f"),
    Column("epoch", "Epoch", "How many epochs are done.", "number",
           lambda row: None if row.run.is_imported else row.run.epoch, "%d"),
    Column("speed", "Images/s", "How many images it trained on in a second, lately.", "number",
           lambda row: row.run.images_per_second, "%.1f"),
    Column("data", "Data set", "The folder that it was trained or evaluated on.", "text", _data),
    Column("model", "Model", "What it began with, or what was evaluated.", "text", _model),
    Column("notes", "Notes", "What you have written about it.", "text", lambda row: row.run.notes or None),
    Column("id", "Id", "What commands call the run.", "text", lambda row: row.run.id),
)  # fmt: skip

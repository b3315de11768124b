"""The pre-flight checks of a run, and the picture of its first batch, folded up unless a check failed."""

from __future__ import annotations

import json
from typing import TypedDict
from urllib.parse import quote

import streamlit as st

from core.files import read_bytes
from core.runs.schema import Run
from ui.server import services
from ui.text import Markup, plain

MOST_BYTES = 1_000_000  # of the checks' file


class PreflightCheck(TypedDict):
    """A check as it is recorded: its name, whether it passed, and what was measured."""

    name: str
    ok: bool
    evidence: str


def has_failed(checks: list[PreflightCheck]) -> bool:
    """Check whether the pre-flight stopped the run."""
    return not all(check["ok"] for check in checks)


def show_checks(run: Run, checks: list[PreflightCheck]) -> None:
    """Show the checks and the picture in an expander; nothing while there are no checks."""
    if not checks:
        return
    failed = sum(not check["ok"] for check in checks)
    words = f"{failed:,} of {len(checks):,} checks failed" if failed else f"{_count(len(checks))} passed"
    expander = st.expander(
        f"Pre-flight: {words}", expanded=bool(failed), key=f"preflight {run.id}", on_change="rerun",
        icon=":material/error:" if failed else ":material/check_circle:",
    )  # fmt: skip
    if not expander.open:
        return
    with expander:
        st.markdown("  \n".join(_line(check) for check in checks))
        if stamp := services.file_stamp(services.store().preflight_picture(run.id)):
            # over a route, so that a rerun does not send it again; a click opens it in its full size
            address = f"/api/preflight/{quote(run.id)}?v={quote(stamp)}"
            st.caption("The first training batch as the model sees it; a click opens it in full size.")
            st.markdown(f"[![The first training batch with its boxes]({address})]({address})")


def read_checks(run: Run) -> list[PreflightCheck]:
    """Return the checks; none if they are not there, or half written, or the run's folder is gone."""
    try:
        checks = json.loads(read_bytes(services.store().preflight_path(run.id), MOST_BYTES))["checks"]
        return [{"name": str(c["name"]), "ok": bool(c["ok"]), "evidence": str(c["evidence"])} for c in checks]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _count(number: int) -> Markup:
    return Markup("1 check" if number == 1 else f"{number:,} checks")


def _line(check: PreflightCheck) -> Markup:
    sign = ":green[:material/check_circle:]" if check["ok"] else ":red[:material/cancel:]"
    verdict = "" if check["ok"] else " – failed"
    return Markup(f"{sign} **{plain(check['name'])}**{verdict}: {plain(check['evidence'])}")

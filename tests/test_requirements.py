"""The lock names one version of everything that is installed, and agrees with what is asked for and what is there."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PIN = re.compile(r"([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)(?:\s*;\s*(.+))?")


def pins(name: str) -> list[tuple[str, str, str | None]]:
    """(name, version, marker) of each line of a requirements file."""
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    matches = [PIN.fullmatch(line) for line in lines if line and not line.startswith("-")]
    assert all(matches), f"{name} has a line that pins no version"
    return [(canonicalize_name(match[1]), match[2], match[3]) for match in matches]


LOCKED = {name: number for name, number, marker in pins("requirements.lock") if not marker or Marker(marker).evaluate()}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_has_what_is_asked_for(name):
    asked = {name: number for name, number, _ in pins(name)}
    assert asked
    assert {name: LOCKED.get(name) for name in asked} == asked, "run make lock"


def test_what_is_installed_is_what_is_locked():
    installed = {}
    for name in LOCKED:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:  # of another platform, by a marker inside its own requirements
            continue
    assert len(installed) > 100
    assert {name: number for name, number in installed.items() if number != LOCKED[name]} == {}

"""The short form of `make torture`: a few scenarios of each family, nothing lost; a broken save is reported as lost.

It takes 45 s on two cores at rest, most of it for real apps and for trainings that are resumed.
"""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.engines import run_python
from tests.suite import unmeasured

ROOT = Path(__file__).resolve().parents[2]
ROWS = {  # rows of the table: how many attempts there are at least, in the short form
    "kills: training, at a write": 4,
    "kills: training, at a time": 4,
    "kills: drawing, converting, importing, marks …": 11,
    "kills: app, pretended trainings": 2,
    "faults: full and read-only disks": 2,
    "faults: cut files": 2,
    "inputs: COCO data sets": 80,
    "inputs: folders of other tools": 60,
    "inputs: pictures": 70,
    "inputs: checkpoints' settings": 25,
    "inputs: addresses": 40,
    "inputs: cells of the run database": 30,
    "inputs: arguments": 30,
    "hostile links and requests": 20,
    "polls beside a training": 120,
}


@cache
def short_form() -> tuple[int, str, dict[str, tuple[int, int]]]:
    """Its exit status, what it prints, and its table: (tried, lost) of each row. Once for all tests of this file."""
    environment = unmeasured({**os.environ, "DETR_LAB_ENGINE": "off"})  # its apps train nothing
    done = subprocess.run(
        [sys.executable, "-m", "torture", "--share", "0.01"], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    cells = re.findall(r"^\| (.*?) \| ([\d,]+) \| [\d,]+ \| ([\d,]+) \|$", done.stdout, re.MULTILINE)
    table = {name: (int(tried.replace(",", "")), int(lost.replace(",", ""))) for name, tried, lost in cells}
    return done.returncode, done.stdout + done.stderr, table


@pytest.mark.ci
@pytest.mark.parametrize("row", ROWS)
def test_nothing_is_lost(row):
    _, output, table = short_form()
    assert row in table, output[-3000:]
    assert table[row][0] >= ROWS[row] and table[row][1] == 0, output[:8000]


@pytest.mark.ci
def test_it_ends_well_and_its_last_line_sums_up():
    status, output, table = short_form()
    assert status == 0, output[:8000]
    tried = sum(count for name, (count, _) in table.items() if name != "**all**")
    assert table["**all**"] == (tried, 0)


@pytest.mark.ci
def test_a_save_that_deletes_first_is_lost(start_warm):
    done = run_python(start_warm, "tests/torture/broken_save.py")
    assert done.returncode == 0, done.stderr
    assert "| **all** | 2 | 0 | 2 |" in done.stdout, done.stdout
    assert "cannot be" in done.stdout

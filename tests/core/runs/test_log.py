"""A log has a bound, whoever prints into it, and a resumed run has room for its own."""

import subprocess
import sys

from core import PROJECT
from core.runs.log import EARLIER, MOST_BYTES, open_log

PRINT_FOR_EVER = """
import os, sys
from core.runs.log import bound_output
bound_output()
child = os.fork()
for _ in range(200):
    print("x" * 100_000, file=sys.stderr if child else sys.stdout)
if child:
    os.waitpid(child, 0)
"""


def test_two_processes_that_print_without_end_fill_a_log_no_further_than_its_bound(tmp_path):
    path = tmp_path / "run" / "log.txt"
    with open_log(path) as log:
        subprocess.run([sys.executable, "-c", PRINT_FOR_EVER], cwd=PROJECT, stdout=log, stderr=log, check=True)
    assert MOST_BYTES <= path.stat().st_size < MOST_BYTES + 300_000
    assert b"The log is full: what follows is left out." in path.read_bytes()[-300_000:]


def test_a_log_that_is_half_full_is_set_aside_and_a_small_one_is_gone_on_with(tmp_path):
    path = tmp_path / "log.txt"
    for text, kept in ((b"first", b""), (b"y" * MOST_BYTES, b"first"), (b"third", b"")):
        with open_log(path) as log:
            log.write(text)
        assert path.read_bytes() == kept + text
    assert (tmp_path / EARLIER).read_bytes() == b"first" + b"y" * MOST_BYTES


def test_what_is_no_file_is_printed_as_ever():
    done = subprocess.run([sys.executable, "-c", "from core.runs.log import bound_output; bound_output(); print(1)"],
                          cwd=PROJECT, capture_output=True, text=True, check=True)  # fmt: skip
    assert done.stdout == "1\n"

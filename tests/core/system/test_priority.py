"""Giving way: a thread and its session do; who did not ask does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import PROJECT

CODE = """
import os, threading
from core.system.priority import give_way
def told():
    try:
        group = open("/proc/self/autogroup").read().split()[-1]
    except (OSError, IndexError):  # without autogroups; or in none, as what started before all sessions
        group = "none"
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), group
before = told()
seen = []
def work():
    give_way(7)
    seen.append(told())
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(before == told() if before[1] == "none" else before[0] == told()[0], seen[0][0] - before[0], seen[0][1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux")
@pytest.mark.parametrize("leads", [True, False])
def test_a_thread_gives_way_and_the_session_that_its_process_leads(leads):
    printed = subprocess.run(
        [sys.executable, "-c", CODE], cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        check=True, start_new_session=leads,
    ).stdout.split()  # fmt: skip
    assert printed[:2] == ["True", str(7 - os.getpriority(os.PRIO_PROCESS, 0))]
    if leads and Path("/proc/self/autogroup").exists():
        assert printed[2] == "7"

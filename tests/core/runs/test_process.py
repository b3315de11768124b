"""core/runs/process.py: the process of a run is told from every other one, whatever the clock says."""

import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from core.engine.process_id import process_of, this_process
from core.runs.process import has_process, is_dedicated_process
from core.system.processes import kill_family as kill
from tests.core.runs.waiting import until


def test_a_process_is_known_by_pid_and_start_time(store):
    run = store.create({}, process=this_process())
    assert has_process(run)
    assert not has_process(replace(run, pid_started=run.pid_started - 60))
    assert not has_process(replace(run, pid=None, pid_started=None))
    assert not has_process(replace(run, pid=2**22 + 1))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux' start times move with the clock")
@pytest.mark.parametrize("hours", [-5, 7])
def test_a_process_is_still_known_after_the_machines_clock_was_set(store, monkeypatch, hours):
    run = store.create({}, process=this_process())
    create_time = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: create_time(self) + 3600 * hours)
    monkeypatch.setattr("time.time", lambda: run.created + 3600 * hours)
    assert has_process(run)


def test_a_dead_process_that_nobody_has_collected_does_not_work_on_anything(store):
    child = subprocess.Popen([sys.executable, "-c", ""])
    run = store.create({}, process=process_of(child.pid))
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_ZOMBIE)
    assert not has_process(run)
    child.wait()
    assert not has_process(run)


def test_a_child_is_known_by_the_run_that_its_command_line_names(store):
    run = store.create({})
    program = [sys.executable, "-c", "print(flush=True); input()", run.id]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()  # until it runs its program it has no command line yet
        an_hour_off = process_of(child.pid)[1] - 3600
        mine = has_process(replace(run, pid=child.pid, pid_started=an_hour_off))
        others = has_process(replace(run, pid=child.pid, pid_started=an_hour_off, id="20260101-000000-0000"))
        child.communicate(b"\n")
    assert mine and not others


def test_who_is_gone_is_nobodys_and_can_be_killed_again(store):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not is_dedicated_process(store.create({}, process=(child.pid, 1.0)))
    kill(child.pid)

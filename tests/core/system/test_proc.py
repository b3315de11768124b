"""What the system tells of processes, with /proc and without: the same."""

import os
import subprocess
import sys
import threading
import time

import psutil
import pytest

from core.engine.engine import Engine
from core.engine.process_id import process_of, this_process
from core.runs.process import has_process
from core.system import proc
from core.system.processes import ending_signal, kill_session, own_session, start_method
from tests.core.runs.waiting import create
from tests.processes import lives


@pytest.fixture(params=["with /proc", "without"])
def system(request, monkeypatch):
    if request.param == "without":
        monkeypatch.setenv("DETR_LAB_LACKS", "proc")
    elif not os.path.isdir("/proc/self/task"):
        pytest.skip("this system has none")


def test_a_process_is_known_again_and_no_other_taken_for_it(system, tmp_path):
    from core.runs.queue import RunQueue
    from core.runs.store import RunStore

    store = RunStore(tmp_path)
    run = create(store, "short")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        pid, started = process_of(process.pid)
        assert (pid, started) == process_of(process.pid) != this_process()
        RunQueue(store).claim((pid, started))
        assert has_process(store.get(run.id))
        store.update(run.id, pid_started=started - 60)
        assert not has_process(store.get(run.id))
        process.communicate(b"\n")
    with pytest.raises(psutil.Error):
        process_of(process.pid)
    store.close()


def test_open_files_and_threads_are_counted(system):
    before, threads = proc.open_files(), proc.count_threads()
    ends = os.pipe()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    assert proc.open_files() == before + 2 and proc.count_threads() == threads + 1
    stop.set()
    thread.join()
    for end in ends:
        os.close(end)


def test_a_process_without_proc_gives_way_as_a_whole():
    code = (
        "import os\nfrom core.system.priority import give_way\ngive_way(7)\nprint(os.getpriority(os.PRIO_PROCESS, 0))"
    )
    environment = {**os.environ, "DETR_LAB_LACKS": "proc"}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(printed.stdout) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 7)


@pytest.mark.parametrize("lacks", ["fork", "proc"])
def test_nothing_is_forked_where_that_is_not_safe_or_not_seen(monkeypatch, lacks):
    monkeypatch.setenv("DETR_LAB_LACKS", lacks)
    assert not Engine.is_possible()
    engine = Engine([])
    engine.begin()
    assert engine.pid is None and not engine.is_ready
    engine.stop()
    assert start_method() == ("spawn" if lacks == "fork" else "fork")


def test_a_training_reads_itself_where_each_reader_would_be_a_new_program():
    code = "from core.config import TrainConfig; print(TrainConfig().workers)"
    environment = {**os.environ, "DETR_LAB_LACKS": "fork"}
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "0\n"


@pytest.mark.parametrize("lacks", ["", "sessions"])
def test_a_process_is_killed_with_what_it_started(monkeypatch, lacks):
    monkeypatch.setenv("DETR_LAB_LACKS", lacks)
    code = "import subprocess, sys\np = subprocess.Popen(['sleep', '600'])\nprint(p.pid, flush=True)\np.wait()"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **own_session())
    started = int(process.stdout.readline())
    kill_session(process.pid)
    process.communicate()
    deadline = time.monotonic() + 10
    while lives(started) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ending_signal(process.returncode) == 9 and not lives(started)


def test_exit_codes_of_windows_are_read_as_what_they_mean(monkeypatch):
    assert [ending_signal(code) for code in (0, 1, 15, 0xC0000005, -9)] == [None, None, None, None, 9]
    monkeypatch.setenv("DETR_LAB_LACKS", "signals")
    assert [ending_signal(code) for code in (0, 1, 15, 0xC0000005)] == [None, None, 15, 11]

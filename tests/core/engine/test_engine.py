"""The engine: what it forks is to its owner what a new program is; when it cannot fork, a new program is started."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil
import pytest

from core import PROJECT
from core.engine import engine as engine_module
from core.engine.engine import Engine
from core.engine.process import Forked, start_cold
from tests.core.runs.waiting import until
from tests.engines import forking, session_environment

PROBE = """
import json, os, signal, stat, sys, threading
null = os.stat(os.devnull)
print(json.dumps({
    "argv": sys.argv, "name": __name__, "folder": os.getcwd(), "session": os.getsid(0) == os.getpid(),
    "environment": {name: os.environ[name] for name in sorted(os.environ)} | {"PIPE": bool(os.environ.get("PIPE"))},
    "stdin": os.fstat(0).st_rdev == null.st_rdev, "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "autogroup": open("/proc/self/autogroup").read().split()[-1] if os.path.exists("/proc/self/autogroup") else "",
    "sigint": str(signal.getsignal(signal.SIGINT)), "sigterm": str(signal.getsignal(signal.SIGTERM)),
    "threads": threading.active_count(), "is_main": threading.current_thread() is threading.main_thread(),
    "descriptors": len(os.listdir("/proc/self/fd")) - 1, "inherited": os.get_inheritable(int(os.environ["PIPE"])),
    "path": sys.path, "arguments": open("/proc/self/cmdline").read().replace("\\0", " ").strip(),
}), flush=True)
"""


def told_by(start, command, **environment):
    """What a command prints, its process once it has ended, and what comes through its pipe."""
    (out, output), (reading, writing) = os.pipe(), os.pipe()
    process = start([sys.executable, *command], session_environment() | environment, output, 2, {"PIPE": writing})
    os.close(output)
    os.close(writing)
    with os.fdopen(out) as text, os.fdopen(reading) as piped:
        printed = text.read()
        assert process.wait(30)
        return printed, process, piped.read()


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "a program.py"
    path.write_text(PROBE)
    return path


@pytest.fixture
def make_engine():
    """Makes engines and ends them after the test."""
    made = []

    def make(*modules, **environment):
        made.append(Engine(modules, session_environment() | environment))
        made[-1].begin()
        return made[-1]

    yield make
    for one in made:
        one.stop()


def is_gone(pid):
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True


def test_a_forked_child_sees_what_a_new_program_sees(light_engine, program):
    for command in (["-c", PROBE, "x", "--y"], [str(program), "x"]):
        cold, forked = (
            json.loads(told_by(start, command, DETR_LAB_ROOT="/ä")[0]) for start in (start_cold, forking(light_engine))
        )
        for one in (cold, forked):
            one["environment"].pop("PYTEST_CURRENT_TEST", None)
            one["path"] = [path for path in one["path"] if path != str(PROJECT) or command[0] == "-c"]
        assert cold.pop("arguments").startswith(title := forked.pop("arguments")) and "python " in title
        if command[0] == "-c":
            assert cold.pop("path")[0] == "" and forked.pop("path")[0] == str(PROJECT)
        assert forked == cold
        assert forked["name"] == "__main__" and forked["environment"]["DETR_LAB_ROOT"] == "/ä"


@pytest.mark.parametrize("command, code", [
    (["-c", "raise SystemExit(5)"], 5),
    (["-c", "import os; os.kill(os.getpid(), 9)"], -9),
    (["-c", "import os; os._exit(0)"], 0),
    (["-c", "import sys; sys.stderr = open('/dev/null', 'w'); 1 / 0"], 1),
    (["-m", "core.runs.process"], 0),
])  # fmt: skip
def test_how_it_ends_is_known(start_process, command, code):
    _, process, _ = told_by(start_process, command)
    assert process.code == code and process.wait() and process.code == code


def test_a_module_runs_as_the_main_one_with_its_arguments(start_process):
    printed, process, _ = told_by(start_process, ["-m", "core", "train", "--help"])
    assert process.code == 0 and printed.startswith("usage: python -m core train")


def test_what_it_says_comes_at_once_and_through_its_pipe_too(start_process):
    code = "import os; print('1', end=''); os.write(int(os.environ['PIPE']), b'2'); os._exit(0)"
    printed, _, piped = told_by(start_process, ["-c", code])
    assert (printed, piped) == ("1", "2")  # `_exit` flushes nothing


def test_a_live_one_has_no_code_and_a_time_to_wait(start_process):
    process = start_process([sys.executable, "-c", "import time; time.sleep(600)"], session_environment(), 1, 2)
    pid, started = process.id
    assert process.code is None and not process.wait(0.05)
    assert " ".join(psutil.Process(pid).cmdline()).strip().endswith("python -c import time; time.sleep(600)")
    waiting = [threading.Thread(target=process.wait, args=(30,)) for _ in range(3)]
    for thread in waiting:
        thread.start()
    os.kill(pid, signal.SIGTERM)
    for thread in waiting:
        thread.join()
    assert process.code == -signal.SIGTERM and started > 0


def test_children_draw_other_random_numbers(make_engine):
    engine = make_engine("numpy")
    assert engine.wait_until_ready(60)
    code = "import numpy, random; print(numpy.random.rand(), random.random())"
    drawn = [told_by(forking(engine), ["-c", code])[0].split() for _ in range(3)]
    assert len({one for both in drawn for one in both}) == 6


def test_many_children_leave_no_descriptor_and_no_process_behind(light_engine):
    start, ours, engine = forking(light_engine), psutil.Process(), psutil.Process(light_engine.pid)

    def held():
        gc.collect()
        return ours.num_fds(), engine.num_fds(), len(engine.children())

    told_by(start, ["-c", ""])
    before = until(lambda: held() if not engine.children() else None)
    for _ in range(30):
        assert told_by(start, ["-c", ""])[1].code == 0
    until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))


def test_until_it_is_ready_and_where_it_may_not_be_new_programs_are_started(make_engine, monkeypatch):
    for make in (lambda: Engine(["json"]), lambda: make_engine("scipy.stats")):  # not begun; importing
        printed, process, _ = told_by(make().start, ["-c", "print(1)"])
        assert (printed, process.code, isinstance(process, Forked)) == ("1\n", 0, False)
    monkeypatch.setenv("DETR_LAB_ENGINE", "off")
    engine = make_engine("json")
    assert engine.pid is None and not engine.wait_until_ready(0.05)


@pytest.mark.parametrize("environment, is_forked", [({"DETR_LAB_ROOT": "/x"}, True), ({"OMP_NUM_THREADS": "7"}, False)])
def test_only_what_has_its_environment_is_forked(light_engine, environment, is_forked):
    wanted = session_environment() | environment
    process = light_engine.start([sys.executable, "-c", ""], wanted, 1, 2)
    assert process.wait(30) and isinstance(process, Forked) is is_forked


def test_what_is_too_long_for_a_message_is_started_as_a_new_program(light_engine):
    pid, environment = light_engine.pid, session_environment()
    process = light_engine.start([sys.executable, "-c", f"'{'x' * engine_module.MOST_BYTES}'"], environment, 1, 2)
    assert process.wait(30) and process.code == 0 and not isinstance(process, Forked)
    assert told_by(forking(light_engine), ["-c", "print(5)"])[0] == "5\n" and light_engine.pid == pid


def test_with_a_second_thread_it_refuses(make_engine, logged):
    engine = make_engine("tests.core.engine.with_thread")
    assert engine.wait_until_ready(60)
    process = engine.start([sys.executable, "-c", ""], session_environment(), 1, 2)
    assert process.wait(30) and process.code == 0 and not isinstance(process, Forked)
    assert "2 threads run in the engine" in logged[-1]


def test_while_a_gpu_is_in_use_it_refuses(make_engine, logged):
    engine = make_engine("tests.core.engine.with_gpu")
    assert engine.wait_until_ready(60)
    process = engine.start([sys.executable, "-c", ""], session_environment(), 1, 2)
    assert process.wait(30) and not isinstance(process, Forked)
    assert "the engine has opened /dev/" in logged[-1]


def test_changed_code_is_run_by_a_new_program_and_then_by_a_new_engine(make_engine, monkeypatch):
    monkeypatch.setattr(engine_module, "LONGEST_PAUSE", 0.01)
    engine, code = make_engine("json"), engine_module._code()
    assert engine.wait_until_ready(60)
    first = engine.pid
    monkeypatch.setattr(engine_module, "_code", lambda: code | {("core/new.py", 1)})
    process = engine.start([sys.executable, "-c", ""], session_environment(), 1, 2)
    assert process.wait(30) and not isinstance(process, Forked)
    until(lambda: engine.is_ready and engine.pid != first)
    assert told_by(forking(engine), ["-c", "print(4)"])[0] == "4\n"


def test_a_module_that_is_not_there_costs_nothing_but_the_engine(make_engine, monkeypatch, capfd):
    monkeypatch.setattr(engine_module, "LONGEST_PAUSE", 0.01)
    engine = make_engine("no_such_module")
    until(lambda: "No module named 'no_such_module'" in capfd.readouterr().err)
    assert told_by(engine.start, ["-c", "print(1)"])[0] == "1\n" and not engine.is_ready


def test_one_that_dies_is_followed_by_another_and_its_child_lives_on(make_engine, monkeypatch):
    monkeypatch.setattr(engine_module, "LONGEST_PAUSE", 0.01)
    engine = make_engine("json")
    assert engine.wait_until_ready(60)
    first = engine.pid
    child = forking(engine)([sys.executable, "-c", "import time; time.sleep(600)"], session_environment(), 1, 2)
    os.kill(first, signal.SIGKILL)
    until(lambda: engine.is_ready and engine.pid != first)
    assert not child.wait() and told_by(forking(engine), ["-c", "print(2)"])[0] == "2\n"
    os.kill(child.id[0], signal.SIGKILL)
    assert child.wait(30) and child.code is None  # nobody was there to see it


def test_one_that_hangs_is_replaced_and_what_it_was_asked_for_runs_once(make_engine, monkeypatch, tmp_path, logged):
    monkeypatch.setattr(engine_module, "SECONDS_TO_FORK", 0.2)
    monkeypatch.setattr(engine_module, "LONGEST_PAUSE", 0.01)
    engine = make_engine("json")
    assert engine.wait_until_ready(60)
    first = engine.pid
    os.kill(first, signal.SIGSTOP)
    code = f"open({str(tmp_path / 'ran')!r}, 'a').write('x')"
    process = engine.start([sys.executable, "-c", code], session_environment(), 1, 2)
    assert process.wait(30) and not isinstance(process, Forked)
    assert (tmp_path / "ran").read_text() == "x" and is_gone(first) and "does not answer" in logged[-1]
    until(lambda: engine.is_ready and engine.pid != first)


APP = """
import os, sys, time
from core.engine.engine import Engine
from core.engine.process import environment_of
engine = Engine(sys.argv[1:])
engine.begin()
if len(sys.argv) == 2:
    engine.wait_until_ready(60)
while not engine.pid:
    time.sleep(0.01)
child = engine.start([sys.executable, "-c", "import time; time.sleep(600)"], environment_of(), 2, 2)
print(engine.pid, child.id[0], flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("modules", [["json"], ["json", "scipy.stats"]], ids=["ready", "importing"])
def test_it_ends_with_its_app_and_the_child_does_not(modules):
    app = subprocess.Popen([sys.executable, "-c", APP, *modules], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    engine, child = map(int, app.stdout.readline().split())
    app.kill()
    app.communicate()
    until(lambda: is_gone(engine))
    assert not is_gone(child)
    os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("is_ready", [False, True])
def test_a_stop_ends_it_at_any_time(make_engine, is_ready):
    engine = make_engine("core.charts")
    pid = until(lambda: engine.pid)
    if is_ready:
        engine.wait_until_ready(60)
    begin = time.monotonic()
    engine.stop()
    assert time.monotonic() - begin < 5
    until(lambda: is_gone(pid))
    assert told_by(engine.start, ["-c", "print(3)"])[0] == "3\n"


def test_threads_that_start_at_once_get_their_own(light_engine):
    printed, start = {}, forking(light_engine)

    def ask(n):
        printed[n] = told_by(start, ["-c", f"print({n})"])[0]

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert printed == {n: f"{n}\n" for n in range(10)}

"""A child process that speaks JSON lines: it answers, or one learns how it has ended; nothing of it is left."""

import sys
import threading
import time

import psutil
import pytest

from core.child import Child, ChildEnded
from core.engine.process import environment_of
from tests.processes import lives

CHILD = """
import json, os, subprocess, sys, time
from core.child import open_requests
for line in open_requests():
    request = json.loads(line)
    if "stderr" in request:
        print(request["stderr"], file=sys.stderr, flush=True)
    if "start" in request:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        request["started"] = subprocess.Popen(["sleep", "600"], **quiet).pid
    if "exit" in request:
        os._exit(request["exit"])
    time.sleep(request.get("sleep", 0))
    for n in range(request.get("answers", 1)):
        print(json.dumps({**request, "n": n}), flush=True)
"""
STUBBORN = "import time\ntime.sleep(600)"  # never reads


@pytest.fixture
def start(start_process):
    children = []

    def start(code=CHILD, **environment):
        children.append(Child([sys.executable, "-c", code], {**environment_of(), **environment}, start_process))
        return children[-1]

    yield start
    for child in children:
        child.end()


def is_gone(pid):
    end = time.monotonic() + 10
    while lives(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not lives(pid)


def test_answers_come_one_by_one_and_in_order(start):
    child = start()
    child.send({"answers": 3, "text": "é\n"})
    assert [child.receive(30) for _ in range(3)] == [{"answers": 3, "text": "é\n", "n": n} for n in range(3)]
    child.send({"answers": 1})
    assert child.receive(30) == {"answers": 1, "n": 0}


def test_without_an_answer_in_time_there_is_none_and_it_can_still_come(start):
    child = start()
    child.send({"sleep": 0.5})
    assert child.receive(0.01) is None
    assert child.receive(30) == {"sleep": 0.5, "n": 0}


def test_a_child_sees_the_environment_that_it_is_given(start):
    child = start("import json, os\nprint(json.dumps(os.environ['DETR_LAB_ROOT']), flush=True)", DETR_LAB_ROOT="/é")
    assert child.receive(30) == "/é"


@pytest.mark.parametrize(("request_", "code", "last_line"), [
    ({"exit": 3}, 3, ""),
    ({"exit": 1, "stderr": "Traceback\nImportError: no module\n\n"}, 1, "ImportError: no module"),
    ({"exit": 0, "stderr": "x" * 500}, 0, "x" * 200),
])  # fmt: skip
def test_a_child_that_ends_by_itself_says_how(start, request_, code, last_line):
    child = start()
    child.send(request_)
    with pytest.raises(ChildEnded) as end:
        child.receive(30)
    assert (end.value.code, end.value.last_line, child.pid) == (code, last_line, None)
    with pytest.raises(BrokenPipeError):
        child.send({})


def test_answers_that_came_before_the_end_are_not_lost(start):
    child = start()
    child.send({"answers": 2})
    child.send({"exit": 0})
    assert [child.receive(30)["n"] for _ in range(2)] == [0, 1]
    with pytest.raises(ChildEnded, match="exit status 0"):
        child.receive(30)


def test_a_child_that_was_killed_says_by_which_signal(start):
    child = start()
    psutil.Process(child.pid).kill()
    with pytest.raises(ChildEnded) as end:
        child.receive(30)
    assert end.value.code == -9


def test_what_says_no_more_but_lives_is_ended(start):
    child = start("import os, sys, time\nos.close(1)\ntime.sleep(600)")
    pid = child.pid
    with pytest.raises(ChildEnded):
        child.receive(30)
    assert is_gone(pid)


@pytest.mark.parametrize("code", [CHILD, STUBBORN])
@pytest.mark.parametrize("seconds", [0, 0.5])
def test_a_child_is_ended_whether_it_listens_or_not(start, code, seconds):
    child = start(code)
    pid = child.pid
    child.end(seconds)
    assert is_gone(pid) and child.pid is None
    child.end(seconds)  # once more does no harm
    with pytest.raises(BrokenPipeError, match="was ended"):
        child.send({})


@pytest.mark.parametrize("how", ["ended", "by itself"])
def test_what_a_child_has_started_ends_with_it(start, how):
    child = start()
    child.send({"start": True})
    started = child.receive(30)["started"]
    if how == "ended":
        child.end(5)
    else:
        child.send({"exit": 1})
        with pytest.raises(ChildEnded):
            child.receive(30)
    assert is_gone(started)


def test_another_thread_may_end_a_child_that_is_waited_for(start):
    child = start()
    child.send({"sleep": 600})
    ending = threading.Timer(0.2, child.end)
    ending.start()
    with pytest.raises(ChildEnded):
        child.receive(30)
    ending.join()


def test_a_child_that_asks_a_question_is_answered_by_nobody(start):
    """A request is on its way, so a standard input that were the pipe would hand it over for an answer."""
    child = start("""
import json, os, sys
from core.child import open_requests
try:
    answer = input()
except EOFError:
    answer = None
null = os.stat(os.devnull)
is_null = (os.fstat(0).st_dev, os.fstat(0).st_rdev) == (null.st_dev, null.st_rdev)
requests = open_requests()
print(json.dumps({"answer": answer, "is_null": is_null, "request": json.loads(next(requests)),
                  "inheritable": os.get_inheritable(requests.fileno()),
                  "in_environment": "DETR_LAB_REQUESTS" in os.environ}), flush=True)
""")
    child.send({"y": 1})
    told = child.receive(30)
    assert (told["answer"], told["is_null"], told["request"]) == (None, True, {"y": 1})
    assert not told["inheritable"] and not told["in_environment"]


def test_a_command_that_cannot_be_started_raises():
    with pytest.raises(OSError, match="nowhere"):
        Child(["/nowhere/python"], {})

"""The worker: whatever happens to the process that answers, a question gets an answer or a sentence.

Most tests stand a small process in for the real one, to be able to make it slow, mute or broken.
"""

import sys
import threading

import psutil
import pytest

from tests.core.runs.waiting import until
from ui.server.model_worker import ModelWorker, model_worker

CHILD = """
import json, os, sys, time
from core.child import open_requests
for line in open_requests():
    request = json.loads(line)
    time.sleep(request.get("sleep", 0))
    if "exit" in request:
        print("Traceback", file=sys.stderr)
        print("ImportError: No module named 'torch'", file=sys.stderr, flush=True)
        os._exit(request["exit"])
    answer = {"n": request.get("n"), "pid": os.getpid(), "root": os.environ.get("DETR_LAB_ROOT")}
    print(json.dumps(answer), flush=True)
"""
STUBBORN = "import time\ntime.sleep(600)"  # never reads


@pytest.fixture
def make(start_process):
    made = []

    def worker(child=CHILD, **how):
        made.append(ModelWorker(start=start_process, command=[sys.executable, "-c", child], **how))
        return made[-1]

    yield worker
    for one in made:
        one.stop()


def gone(pid):
    return until(lambda: not psutil.pid_exists(pid))


def test_the_process_starts_with_the_first_question_and_answers_the_next_ones_too(make, tmp_path):
    worker = make(root=str(tmp_path))
    assert worker.pid is None
    first, second = worker.ask({"n": 1}), worker.ask({"n": 2})
    assert (first["n"], second["n"]) == (1, 2) and first["pid"] == second["pid"] == worker.pid
    assert first["root"] == str(tmp_path)


def test_threads_that_ask_at_once_get_their_own_answers(make):
    worker, said = make(), {}
    threads = [threading.Thread(target=lambda n=n: said.update({n: worker.ask({"n": n})["n"]})) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == {n: n for n in range(20)}


def test_a_process_that_was_killed_is_started_again(make):
    worker = make()
    before = worker.ask({})["pid"]
    psutil.Process(before).kill()
    until(lambda: worker.pid is None)
    after = worker.ask({"n": 3})
    assert after["n"] == 3 and after["pid"] != before


def test_a_process_that_is_killed_while_it_answers_is_said_and_the_next_question_is_answered(make):
    worker = make()
    pid = worker.ask({})["pid"]
    killer = threading.Timer(0.3, psutil.Process(pid).kill)
    killer.start()
    said = worker.ask({"sleep": 60})
    killer.join()
    assert said == {"error": "The process that runs the models has ended (by signal 9, most often for want of memory): "
                             "ask again."}  # fmt: skip
    assert worker.ask({"n": 4})["n"] == 4


def test_what_a_process_that_failed_printed_last_is_passed_on(make):
    said = make().ask({"exit": 1})["error"]
    assert "has ended (ImportError: No module named 'torch'): ask again" in said


def test_a_process_that_says_nothing_gets_its_exit_code_into_the_sentence(make):
    mute = "import core.child, sys\ncore.child.open_requests().readline()\nsys.exit(3)"
    assert "(with code 3)" in make(child=mute).ask({})["error"]


def test_an_answer_that_takes_too_long_is_given_up(make):
    worker = make()
    pid = worker.ask({})["pid"]
    said = worker.ask({"sleep": 60}, seconds=0.3)
    assert said["error"].startswith("The model did not answer within 0 seconds")
    assert gone(pid) and worker.ask({"n": 5})["n"] == 5


def test_a_process_that_cannot_be_started_is_said():
    worker = ModelWorker(command=["/nowhere/python"])
    assert "could not be started" in worker.ask({})["error"]
    worker.stop()


def test_without_questions_the_process_ends_and_a_new_one_starts_when_it_is_needed(make):
    worker = make(idle=0.3)
    pid = worker.ask({})["pid"]
    assert gone(pid) and worker.pid is None
    assert worker.ask({"n": 6})["n"] == 6


def test_questions_keep_the_process(make):
    worker = make(idle=1.0)
    pids = set()
    for _ in range(8):
        pids.add(worker.ask({"sleep": 0.2})["pid"])
    assert len(pids) == 1


def test_a_long_question_is_no_idle_time(make):
    worker = make(idle=0.2)
    assert worker.ask({"sleep": 1, "n": 7})["n"] == 7


def test_warming_up_does_not_wait(make):
    worker = make()
    worker.warm()
    worker.warm()
    assert until(lambda: worker.pid)
    assert worker.ask({"n": 8})["n"] == 8


def test_stopping_ends_the_process_also_in_the_middle_of_a_question(make):
    worker, said = make(), []
    asking = threading.Thread(target=lambda: said.append(worker.ask({"sleep": 60})))
    asking.start()
    pid = until(lambda: worker.pid)
    worker.stop()
    asking.join(30)
    assert gone(pid) and "error" in said[0]
    worker.stop()


def test_a_process_that_does_not_listen_is_ended_all_the_same(make):
    worker = make(child=STUBBORN)
    assert "did not answer" in worker.ask({}, seconds=0.3)["error"]
    worker.warm()
    pid = until(lambda: worker.pid)
    worker.stop()
    assert gone(pid)


def test_the_server_has_one_worker(monkeypatch, tmp_path):
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    assert model_worker() is model_worker()

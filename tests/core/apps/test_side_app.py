"""An application's process: whatever happens to it, whoever asked gets an answer or a sentence, and nothing is left.

Small processes stand in for the real applications, to be able to make them slow, mute or broken.
"""

import socket
import sys
import threading

import psutil
import pytest

from core import LabError
from core.apps.side_app import ADDRESS, AppProcess, SideApp, free_port
from tests.core.runs.waiting import until
from tests.processes import lives

CHILD = """
import os, sys, time
from core import LabError
from core.apps.answering import answer_requests
def answer(request):
    print("a library says this")
    for words in request.get("words", ()):
        yield words
    if "exit" in request:
        print("it broke", file=sys.stderr, flush=True)
        os._exit(request["exit"])
    if "refuse" in request:
        raise LabError(request["refuse"])
    if "fail" in request:
        raise ValueError(request["fail"])
    time.sleep(request.get("sleep", 0))
    return {"port": 1, "n": request.get("n"), "root": os.environ.get("DETR_LAB_ROOT")}
answer_requests("Probe", answer)
open(sys.argv[1], "w").write("kept")
"""
PROBE = SideApp("probe", "Probe", "")


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "kept"


@pytest.fixture
def make(tmp_path, kept):
    made = []

    def make(seconds=60.0):
        made.append(AppProcess(PROBE, str(tmp_path), [sys.executable, "-c", CHILD, str(kept)], seconds))
        return made[-1]

    yield make
    for process in made:
        process.stop(0)


def told(steps) -> tuple[list[str], dict]:
    """The words that were yielded, each once, and the answer."""
    words = []
    while True:
        try:
            words.append(next(steps))
        except StopIteration as end:
            return list(dict.fromkeys(words)), end.value


def test_it_starts_with_the_first_request_and_one_process_answers_all(make, tmp_path):
    process = make()
    assert process.pid is None and process.death == ""
    words, first = told(process.ask({"n": 1, "words": ["Loading", "Serving"]}))
    assert words == ["Starting Probe", "Loading", "Serving"]
    assert first == {"port": 1, "n": 1, "root": str(tmp_path), "pid": process.pid}
    assert told(process.ask({"n": 2}))[1]["pid"] == first["pid"]


def test_what_it_refuses_and_what_fails_in_it_is_a_sentence_and_it_lives_on(make):
    process = make()
    with pytest.raises(LabError, match=r"^No database here\.$"):
        told(process.ask({"refuse": "No database here."}))
    pid = process.pid
    with pytest.raises(LabError, match=r"^Probe could not be opened: ValueError: seven\.$"):
        told(process.ask({"fail": "seven"}))
    assert told(process.ask({}))[1]["pid"] == pid


def test_one_that_ends_while_it_is_asked_is_said_with_what_it_said_last(make):
    process = make()
    with pytest.raises(LabError, match=r"^Probe could not be opened \(it broke\): try again\.$"):
        told(process.ask({"exit": 3}))
    assert told(process.ask({"n": 4}))[1]["n"] == 4


def test_one_that_says_nothing_for_too_long_is_ended(make):
    process = make(seconds=1.0)
    with pytest.raises(LabError, match=r"^Probe did not answer within 1 seconds and was ended: try again\.$"):
        told(process.ask({"sleep": 600, "words": ["Loading"]}))
    assert process.pid is None and process.death == ""


def test_the_death_of_one_that_nobody_stopped_is_known(make):
    process = make()
    pid = told(process.ask({}))[1]["pid"]
    psutil.Process(pid).kill()
    until(lambda: process.pid is None)
    assert process.death == "Probe has ended (by signal 9): open it again."
    assert told(process.ask({}))[1]["pid"] != pid and process.death == ""


def test_one_that_is_stopped_keeps_what_is_to_be_kept_and_no_death_is_told(make, kept):
    process = make()
    told(process.ask({}))
    process.stop(30)
    assert kept.read_text() == "kept" and process.pid is None and process.death == ""


def test_whoever_stops_waiting_ends_it(make):
    process = make()
    steps = process.ask({"sleep": 600, "words": ["Loading"]})
    until(lambda: next(steps) == "Loading")
    pid = process.pid
    steps.close()
    assert not lives(pid)
    assert told(process.ask({"n": 5}))[1]["n"] == 5


def test_two_that_ask_at_once_are_answered_one_after_the_other(make):
    process, answers = make(), {}
    threads = [threading.Thread(target=lambda n=n: answers.update({n: told(process.ask({"n": n}))})) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: answer["n"] for n, (_, answer) in answers.items()} == {n: n for n in range(4)}
    assert len({answer["pid"] for _, answer in answers.values()}) == 1


def test_one_that_cannot_be_started_is_a_sentence():
    process = AppProcess(PROBE, command=["/no/such/program"])
    with pytest.raises(LabError, match=r"^Probe could not be opened \(.*No such file.*\): try again\.$"):
        told(process.ask({}))


def test_a_port_that_is_taken_is_passed_over():
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port

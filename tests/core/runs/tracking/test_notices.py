"""Notices of a run's end: to a real server that may be slow, broken or gone, and to a command that may fail."""

import json
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from core import RunError
from core.runs.manager import close_dead_runs
from core.runs.schema import Status
from core.runs.store import RunStore
from core.runs.tracking import end_command, webhook
from core.runs.tracking.cursor import Cursor
from core.runs.tracking.follower import Follower
from core.trackers.kinds import BY_KEY
from core.training.remark import Level, Remark
from tests.core.runs.tracking.made_trackers import QUICK
from tests.core.runs.waiting import until

SECRET = "s3cr3t-path"


class Again(Exception):
    """In place of the program that would begin anew."""


@pytest.fixture
def run(store):
    run = store.create({"data": "data/street"}, name="<b>night</b>")
    store.update(run.id, status=Status.FAILED, ended=time.time(), message="It broke.", epoch=1)
    store.folder(run.id).mkdir(parents=True)
    return store.get(run.id)


@contextmanager
def server(*statuses, seconds=0.0):
    """A server that answers with these statuses, the last one again and again, and what it got."""
    got, waiting = [], list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, self.headers["Content-Type"], json.loads(body)))
            time.sleep(seconds)
            self.send_response(waiting.pop(0) if len(waiting) > 1 else waiting[0])
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()

        def log_message(self, *_):
            pass

    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{httpd.server_port}/{SECRET}", got
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


def follow(store, run, key, monkeypatch):
    """Follow to the end, in this process also when it would begin anew."""

    def again(command):
        raise Again

    monkeypatch.setattr("core.runs.tracking.follower.restart", again)
    while True:
        try:
            return Follower(RunStore(store.root), run.id, BY_KEY[key], close_dead_runs, ("python",), QUICK).follow()
        except Again:
            continue


def problem(store, run, key):
    return Cursor.read(store.tracking_folder(run.id) / f"{key}.json").problem


def nothing_secret(store, run):
    files = [path for path in store.root.rglob("*") if path.is_file()]
    return not any(SECRET.encode() in path.read_bytes() for path in files)


def test_a_server_is_told_how_a_run_ended(store, run, monkeypatch):
    with server(204) as (address, got):
        monkeypatch.setenv("DETR_LAB_WEBHOOK", address)
        follow(store, run, "webhook", monkeypatch)
        follow(store, run, "webhook", monkeypatch)  # which has nothing to tell
    ((path, kind, message),) = got
    assert path == f"/{SECRET}" and kind == "application/json"
    assert (message["event"], message["status"], message["message"]) == ("failed", "failed", "It broke.")
    assert (message["run"], message["name"], message["remark"]) == (run.id, "<b>night</b>", None)
    assert {"AP", "best_AP", "baseline_AP"} <= set(message)
    assert nothing_secret(store, run)


def test_a_critical_remark_is_told_once_and_at_once(store, run, monkeypatch):
    from core.engine.process_id import this_process

    pid, started = this_process()
    remark = Remark(
        rule="nan", level=Level.CRITICAL, title="The loss is not finite", cause="c", evidence="e.", advice="a.", step=2
    ).to_dict()  # fmt: skip
    store.update(run.id, status=Status.RUNNING, pid=pid, pid_started=started, ended=None, remarks=[remark])
    with server(200) as (address, got):
        monkeypatch.setenv("DETR_LAB_WEBHOOK", address)
        work = threading.Thread(target=follow, args=(store, run, "webhook", monkeypatch))
        work.start()
        until(lambda: got)
        assert [message["event"] for _, _, message in got] == ["critical"]
        assert got[0][2]["remark"] == "The loss is not finite: e. a."
        store.update(run.id, status=Status.FINISHED, ended=7.0)
        work.join(20)
    assert [message["event"] for _, _, message in got] == ["critical", "ended"]


@pytest.mark.parametrize(
    ("statuses", "times", "words"),
    [
        ((500, 503, 200), 3, ""),
        ((500,), 3, "answered with the status 500"),
        ((404,), 1, "answered with the status 404"),
        ((302,), 1, "answered with the status 302"),  # what is told goes to nobody else
        ((429, 200), 2, ""),
    ],
)
def test_a_server_that_refuses_is_asked_again_where_that_may_help(store, run, monkeypatch, statuses, times, words):
    monkeypatch.setattr("tests.core.runs.tracking.test_notices.QUICK", QUICK.__class__(
        poll=0.05, hang=30, manager=0.1, pause=0.01, tries=3
    ))  # fmt: skip
    with server(*statuses) as (address, got):
        monkeypatch.setenv("DETR_LAB_WEBHOOK", address)
        if statuses == (500,):
            with pytest.raises(RunError, match="The webhook of DETR_LAB_WEBHOOK answered with the status 500"):
                follow(store, run, "webhook", monkeypatch)
        else:
            follow(store, run, "webhook", monkeypatch)
    assert len(got) == times
    assert words in problem(store, run, "webhook") and bool(problem(store, run, "webhook")) == bool(words)
    assert nothing_secret(store, run)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"http://127.0.0.1:1/{SECRET}", "could not be reached (connection refused)"),
        (f"http://no-such-host.invalid/{SECRET}", "could not be reached|has a name that is not known"),
        (f"ftp://host/{SECRET}", "holds no address"),
        (f"http://[{SECRET}/", "holds no address"),
        (f"http://127.0.0.1:{SECRET}/", "could not be reached"),
    ],
)
def test_a_server_that_is_not_there(store, run, monkeypatch, address, words):
    monkeypatch.setenv("DETR_LAB_WEBHOOK", address)
    with pytest.raises(RunError) if "holds" not in words else contextmanager(lambda: (yield))() as caught:
        follow(store, run, "webhook", monkeypatch)
    message = problem(store, run, "webhook")
    assert any(word in message for word in words.split("|"))
    assert SECRET not in message + str(caught and caught.value) and nothing_secret(store, run)


def test_a_slow_server_is_given_up(store, run, monkeypatch):
    monkeypatch.setattr(webhook.Webhook, "seconds", 0.2)
    with server(200, seconds=0.6) as (address, _):
        monkeypatch.setenv("DETR_LAB_WEBHOOK", address)
        with pytest.raises(RunError, match="did not answer in time"):
            follow(store, run, "webhook", monkeypatch)
    assert nothing_secret(store, run)


def test_a_command_gets_the_notice(store, run, monkeypatch, tmp_path):
    out = tmp_path / "told & done.json"
    program = "import json, os, sys; out = {**json.load(sys.stdin), 'id': os.environ['DETR_LAB_RUN_ID'], "
    program += "'event here': os.environ['DETR_LAB_RUN_EVENT']}; open(sys.argv[1], 'a').write(json.dumps(out))"
    monkeypatch.setenv("DETR_LAB_ON_END", f'{sys.executable} -c "{program}" "{out}" $(id) ; id')
    follow(store, run, "command", monkeypatch)
    message = json.loads(out.read_text())
    assert message["run"] == message["id"] == run.id and message["event here"] == "failed"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f'{sys.executable} -c "import sys; sys.exit(3)" {SECRET}', "ended with exit status 3."),
        (f"/no/such/{SECRET}", "could not be started (no such file or directory)."),
        (f"'{SECRET}", "holds no command: close its quotes."),
        (f'{sys.executable} -c "import time; time.sleep(30)" {SECRET}', "did not end in 0.3 seconds."),
    ],
)
def test_a_command_that_fails_is_said(store, run, monkeypatch, line, words):
    monkeypatch.setattr(end_command.EndCommand, "seconds", 0.3 if "sleep" in line else 20.0)
    monkeypatch.setenv("DETR_LAB_ON_END", line)
    if "started" in words:
        with pytest.raises(RunError):
            follow(store, run, "command", monkeypatch)
    else:
        assert follow(store, run, "command", monkeypatch).closed == run.ended  # it is not run twice
    assert words in problem(store, run, "command")
    assert nothing_secret(store, run)

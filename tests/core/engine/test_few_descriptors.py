"""The system passes on no descriptors beyond those that a process may have: then a new program is started."""

import os
import socket
import sys

import psutil
import pytest

from core.engine import engine as engine_module
from core.engine.process import Forked
from tests.engines import session_environment
from tests.processes import lives


@pytest.fixture
def started(light_engine):
    """Start a process and return it, with what is left of others meanwhile."""

    def start():
        pid, before = light_engine.pid, len(os.listdir("/proc/self/fd"))
        process = light_engine.start([sys.executable, "-c", "print(end='')"], session_environment(), 1, 2)
        assert process.wait(30) and process.code == 0
        is_forked = isinstance(process, Forked)
        del process
        assert len(os.listdir("/proc/self/fd")) == before and light_engine.pid == pid
        return is_forked

    return start


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_what_comes_from_the_engine_in_part(started, monkeypatch, logged, lost):
    receive, children = socket.recv_fds, set(psutil.Process().children(recursive=True))

    def in_part(*arguments):
        message, given, *rest = receive(*arguments)
        for descriptor in given[3 - lost :]:
            os.close(descriptor)
        return message, given[: 3 - lost], *rest

    with monkeypatch.context() as few:
        few.setattr(socket, "recv_fds", in_part)
        assert not started()
    assert "cannot be watched" in logged[-1]
    assert started()
    left = set(psutil.Process().children(recursive=True)) - children
    assert not [*filter(lives, left)]


def test_what_comes_to_the_engine_in_part(started, monkeypatch, logged):
    send = socket.send_fds
    with monkeypatch.context() as few:
        few.setattr(socket, "send_fds", lambda sock, buffers, fds, *rest: send(sock, buffers, fds[:-1], *rest))
        assert not started()
    assert "it may open no more files" in logged[-1]
    assert started()


def test_one_that_cannot_be_looked_at(started, monkeypatch, logged):
    def refuse(*_):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as few:
        few.setattr(engine_module, "Forked", refuse)
        assert not started()
    assert "cannot be watched" in logged[-1]
    assert started()

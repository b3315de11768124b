"""The engine: a process that has imported what others need, and forks them: `python -m core.engine.server MODULE …`.

In: the modules to import; commands, one a message, on the socket of `engine.py`. Out: for each a child that begins as
if Python had been started with the command, but has the modules already, whose memory all of them share.

    {"command": [python, …], "environment": {…}, "pipes": [name, …]}, and descriptors: the standard output, the standard
    error, and the pipes in the order of their names
        -> {"pid": …}, and descriptors: `process` and `status`, as `Forked` takes them, and `go`: the child begins when
           a byte is written to it, and ends if none can come any more, because its owner has not heard of it
        -> {"refused": why}

To fork is safe only while no other thread runs, which might hold a lock that the child would wait for in vain, and
while no GPU is in use: nothing is computed here, and with a second thread every child is refused. The engine ends with
its socket, so with the app; its children live on.
"""

from __future__ import annotations

import gc
import importlib
import io
import json
import os
import runpy
import selectors
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import setproctitle

from core.engine.engine import MOST_BYTES, READY, SOCKET
from core.engine.process import with_code, working_folder
from core.system.priority import give_way
from core.system.proc import count_threads, has_thread, opened_paths

NICENESS = 5  # the priority of the imports: the app and its user come first, and the drawing of scenes last
OF_MAIN_THREAD = ("torch",)  # its profiler complains in another one
MOST_DESCRIPTORS = 16
TICK_SECONDS = 0.1  # between two looks whether the app has ended during the imports
GPUS = ("/dev/nvidia", "/dev/kfd", "/dev/dri")


def main(modules: Sequence[str]) -> None:
    """Import the modules, and fork until the app ends; in each child, do what its command says."""
    setproctitle.getproctitle()  # it looks for the title's place beside the environment, as that is at the beginning
    app = socket.socket(fileno=int(os.environ.pop(SOCKET)))
    app.set_inheritable(False)
    _import(modules, app)
    gc.collect()
    gc.freeze()  # the collector would write to the memory that is shared
    job = _serve(app)
    if job:
        job.run()


def _import(modules: Sequence[str], app: socket.socket) -> None:
    """Import the modules at a low priority, which a thread has of its own: the children get the usual one.

    What remembers by which thread it was imported comes into the main thread, which is the children's.
    """
    for name in modules:
        if name in OF_MAIN_THREAD:
            importlib.import_module(name)
        else:
            _import_in_thread(name, app)


def _import_in_thread(name: str, app: socket.socket) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        give_way(NICENESS)
        try:
            importlib.import_module(name)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive() or has_thread(thread.native_id):  # the system ends it a little later
        thread.join(TICK_SECONDS)
        if _is_closed(app):
            os._exit(0)
    if failures:
        raise failures[0]


def _is_closed(app: socket.socket) -> bool:
    with suppress(BlockingIOError):
        return not app.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    return False


@dataclass
class _Job:
    """What a child of the engine does."""

    command: Sequence[str]
    go: int

    def run(self) -> None:
        """Wait until the owner knows the child, and do what Python does with this command line."""
        if not os.read(self.go, 1):
            os._exit(0)
        os.close(self.go)
        first, *rest = self.command[1:]
        if first == "-m":
            sys.argv = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif first == "-c":
            sys.argv = [first, *rest[1:]]
            main_module = sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(rest[0], "<string>", "exec"), main_module.__dict__)
        else:
            sys.argv = [first, *rest]
            sys.path[0] = os.path.dirname(os.path.abspath(first))
            runpy.run_path(first, run_name="__main__")


class _Children:
    """The children that live, each with the pipe in which its owner will read how it has ended."""

    def __init__(self, app: socket.socket) -> None:
        self._app, self._selector = app, selectors.DefaultSelector()
        self._selector.register(app, selectors.EVENT_READ)

    def add(self, pid: int, process: int, status: int) -> None:
        """Look after a child."""
        self._selector.register(process, selectors.EVENT_READ, (pid, status))

    def wait_for_request(self) -> None:
        """Wait until the app asks for something, or has ended; say meanwhile how children have."""
        is_asked = False
        while not is_asked:
            for key, _ in self._selector.select():
                if key.fileobj is self._app:
                    is_asked = True
                else:
                    self._reap(key)

    def _reap(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        pid, status = key.data
        _, how = os.waitpid(pid, 0)
        with suppress(BrokenPipeError):  # its owner has forgotten it
            os.write(status, str(os.waitstatus_to_exitcode(how)).encode())
        os.close(status)
        os.close(key.fd)

    def forget(self) -> None:
        """Close what is the engine's, in a child."""
        for key in list(self._selector.get_map().values()):
            if key.data:
                os.close(key.data[1])
                os.close(key.fd)
        self._selector.close()
        self._app.close()


def _serve(app: socket.socket) -> _Job | None:
    """Fork whatever the app asks for; return the job in each child, and None in the engine once the app has ended."""
    children = _Children(app)
    with suppress(OSError):  # the app has ended meanwhile
        app.send(READY)
        while True:
            children.wait_for_request()
            message, given, _, _ = socket.recv_fds(app, MOST_BYTES, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
            if not message:
                break
            job = _fork(children, app, json.loads(message), given)
            if job:
                return job
            for descriptor in given:
                os.close(descriptor)
    return None


def _fork(children: _Children, app: socket.socket, request: dict[str, Any], given: list[int]) -> _Job | None:
    """Fork a child and answer the app; return what the child is to do, in the child."""
    is_whole = len(given) == 2 + len(request["pipes"])  # the system drops what is more than may be open
    if reason := _danger() or ("" if is_whole else "it may open no more files"):
        app.send(json.dumps({"refused": reason}).encode())
        return None
    (status, status_in), (go_out, go), (ready, ready_in) = os.pipe(), os.pipe(), os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        for descriptor in (status, status_in, go_out, go, ready, ready_in):
            os.close(descriptor)
        app.send(json.dumps({"refused": str(error)}).encode())
        return None
    if not pid:
        for descriptor in (status, status_in, go, ready):
            os.close(descriptor)
        children.forget()
        _become(request, given)
        os.close(ready_in)
        return _Job(request["command"], go_out)
    os.close(ready_in)
    os.read(ready, 1)  # its session, title and streams are its own by now
    process = os.pidfd_open(pid)
    children.add(pid, process, status_in)
    try:
        socket.send_fds(app, [json.dumps({"pid": pid}).encode()], [process, status, go])
    finally:
        for descriptor in (status, go_out, go, ready):
            os.close(descriptor)
    return None


def _danger() -> str:
    """Return why a fork of this process would not be safe; "" if it is."""
    if (threads := count_threads()) > 1:
        return f"{threads} threads run in the engine"
    gpus = (path for path in opened_paths() if path.startswith(GPUS))
    return next((f"the engine has opened {path}" for path in gpus), "")


def _become(request: dict[str, Any], given: list[int]) -> None:
    """Give a child what `start_cold` would, its session, streams and environment, and a title: its command."""
    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((null, *given[:2])):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for name, mode in (("stdin", "rb"), ("stdout", "wb"), ("stderr", "wb")):
        _renew_stream(name, mode)
    pipes = dict(zip(request["pipes"], given[2:], strict=True))
    for descriptor in pipes.values():
        os.set_inheritable(descriptor, True)
    os.environ.clear()
    os.environ.update(with_code(request["environment"]) | {name: str(number) for name, number in pipes.items()})
    os.chdir(working_folder(os.environ))
    setproctitle.setproctitle(" ".join(request["command"]))
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # else all children would draw the same numbers from it


def _renew_stream(name: str, mode: str) -> None:
    """Make sys.stdin and the like anew, as Python does unbuffered: they would remember what the engine's were."""
    old = getattr(sys, name)
    raw = open(old.fileno(), mode, buffering=0 if mode == "wb" else -1, closefd=False)  # noqa: SIM115 (it stays open)
    stream = io.TextIOWrapper(raw, encoding=old.encoding, errors=old.errors, write_through=mode == "wb")
    setattr(sys, name, stream)
    setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Generators that go on only when a test lets them, and tasks that run them."""

import threading

from ui.server.background import Task

PATIENCE = 20  # seconds, for what takes none


class Steps:
    """A generator that goes on only when it is let: `go` once for each step, `closed` once it was closed."""

    def __init__(self, *values, result=None, on_close=None):
        self.values, self.result, self.on_close = values, result, on_close
        self.made, self.closed = 0, threading.Event()
        self._gate = threading.Semaphore(0)

    def go(self, times=1):
        self._gate.release(times)

    def __call__(self):
        self.made += 1
        return self._run()

    def _run(self):
        try:
            for value in self.values:
                assert self._gate.acquire(timeout=PATIENCE)
                yield value
            assert self._gate.acquire(timeout=PATIENCE)
            return self.result
        except GeneratorExit:
            if self.on_close:
                raise self.on_close from None
            raise
        finally:
            self.closed.set()


def ended(task: Task) -> Task:
    task.join(PATIENCE)
    assert not task.is_running
    return task


def run(make, failure="It failed") -> Task:
    return ended(Task("a task", make, failure))


def values(*some, result=None):
    yield from some
    return result

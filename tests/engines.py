"""Engines for tests: what starts a process in both ways, as a new program and forked by an engine.

A test module takes the fixtures from here: `from tests.engines import light_engine, start_process  # noqa: F401`. Where
it does not matter how a process starts, but it needs torch, `start_warm` saves its import: 14 s of a core.
"""

import subprocess
import sys
import tempfile

import pytest

from core.engine.engine import OF_A_PROCESS, Engine
from core.engine.process import Forked, environment_of, start_cold
from ui.server.engine import WARM

OF_A_TEST = "PYTEST_CURRENT_TEST"  # a variable that changes from test to test, which no module reads
LIGHT = ("core.child", "core.runs.manager", "core.runs.drive")


def without_test(environment):
    return {name: value for name, value in environment.items() if name != OF_A_TEST}


def forking(engine):
    """What starts processes by this engine, and never cold where a Python could be forked."""

    def start(command, environment, output, errors, pipes=None):
        process = engine.start(command, without_test(environment), output, errors, pipes)
        assert isinstance(process, Forked) or command[0] != sys.executable
        return process

    return start


@pytest.fixture(scope="session")
def light_engine():
    """An engine that has imported no torch, for processes that need none."""
    engine = Engine(LIGHT, without_test(environment_of()))
    engine.begin()
    assert engine.wait_until_ready(60)
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def warm_engine():
    """The app's engine, for what needs torch: one for all tests of a worker."""
    engine = Engine(WARM, without_test(environment_of()))
    engine.begin()
    assert engine.wait_until_ready(180)
    yield engine
    engine.stop()


@pytest.fixture(params=["cold", "forked"])
def start_process(request):
    """What starts a process: in both ways everything is the same to its owner."""
    return start_cold if request.param == "cold" else forking(request.getfixturevalue("light_engine"))


@pytest.fixture(scope="session")
def start_warm():
    """What starts processes that need torch: forked by an engine like the app's, one for the whole session.

    Of their environment only the folder counts; the rest is what it was when the session began.
    """
    environment = without_test(environment_of())
    engine = Engine(WARM, environment)
    engine.begin()
    engine.wait_until_ready(300)

    def start(command, wanted, output, errors, pipes=None):
        own = {name: wanted[name] for name in OF_A_PROCESS if name in wanted}
        process = engine.start(command, environment | own, output, errors, pipes)
        assert isinstance(process, Forked) or not engine.is_possible()
        return process

    yield start
    engine.stop()


def run_python(start, *arguments, pipes=None, seconds=300, **environment) -> subprocess.CompletedProcess[str]:
    """Run `python …` to its end, begun by `start`; how it ended and what it printed."""
    command = [sys.executable, *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = start(command, environment_of() | environment, output, errors, pipes or {})
        assert process.wait(seconds), "it has not ended"
        printed = [file.seek(0) or file.read() for file in (output, errors)]
    return subprocess.CompletedProcess(command, process.code, *printed)

"""Engines for tests: what starts a process in both ways, as a new program and forked by an engine.

The fixtures are conftest.py's. Where it does not matter how a process starts, but it needs torch, `start_warm` saves
its import: 5 s of a core.
"""

import os
import subprocess
import sys
import tempfile
from functools import cache

import pytest

from core.engine.engine import OF_A_PROCESS, Engine
from core.engine.process import Forked, environment_of, start_cold
from core.engine.warm import WARM
from tests.core.runs.fake_training import LIGHT
from tests.suite import unmeasured

OF_A_TEST = "PYTEST_CURRENT_TEST"  # a variable that changes from test to test, which no module reads


def without_test(environment):
    return {name: value for name, value in environment.items() if name != OF_A_TEST}


@cache
def session_environment():
    """The environment as conftest.py is read: a test, or what it imports, may change it later."""
    return without_test(environment_of())


def forking(engine, session=session_environment):
    """What starts processes by this engine, and never cold where a Python could be forked.

    They have the engine's environment, `session`, but for what the caller says otherwise.
    """

    def start(command, environment, output, errors, pipes=None):
        changed = {n: v for n, v in environment.items() if n in OF_A_PROCESS or os.environ.get(n) != v}
        process = engine.start(command, session() | without_test(changed), output, errors, pipes)
        assert isinstance(process, Forked) or command[0] != sys.executable
        return process

    return start


@pytest.fixture(scope="session")
def light_engine():
    """An engine that has imported no torch, for processes that need none."""
    engine = Engine(LIGHT, session_environment())
    engine.begin()
    assert engine.wait_until_ready(60)
    yield engine
    engine.stop()


@pytest.fixture(scope="session")
def warm_engine():
    """The app's engine, for what needs torch: one for all tests of a worker."""
    engine = Engine(WARM, unmeasured(session_environment()))
    engine.begin()
    assert engine.wait_until_ready(180)
    yield engine
    engine.stop()


@pytest.fixture(params=["forked", pytest.param("cold", marks=pytest.mark.ci)])
def start_process(request):
    """What starts a process: in both ways everything is the same to its owner. A new program every time is CI's."""
    return start_cold if request.param == "cold" else forking(request.getfixturevalue("light_engine"))


@pytest.fixture(scope="session")
def start_warm(warm_engine):
    """What starts processes that need torch."""
    return forking(warm_engine, lambda: unmeasured(session_environment()))


def run_python(start, *arguments, pipes=None, seconds=300, **environment) -> subprocess.CompletedProcess[str]:
    """Run `python …` to its end, begun by `start`; how it ended and what it printed."""
    command = [sys.executable, *map(str, arguments)]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = start(command, environment_of() | environment, output, errors, pipes or {})
        assert process.wait(seconds), "it has not ended"
        printed = [file.seek(0) or file.read() for file in (output, errors)]
    return subprocess.CompletedProcess(command, process.code, *printed)

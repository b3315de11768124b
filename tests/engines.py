"""Engines for tests: what starts a process in both ways, as a new program and forked by an engine.

A test module takes the fixtures from here: `from tests.engines import light_engine, start  # noqa: F401`.
"""

import sys

import pytest

from core.engine.engine import Engine
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

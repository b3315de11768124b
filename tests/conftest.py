"""What several tests share: small drawn data sets; for pages, a store of their own with a run in it."""

import logging
import os
import shutil
import sys
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from core.datasets.demo import draw_dataset
from core.runs.manager import JobManager
from core.runs.store import RunStore
from tests.chromium import browser, context  # noqa: F401 (fixtures of several tests)
from tests.engines import light_engine, session_environment, start_process, start_warm, warm_engine  # noqa: F401
from tests.made_runs import leave_files, make_run
from tests.mongod import database  # noqa: F401 (a fixture of several tests)
from tests.shared_app import shared  # noqa: F401 (a fixture of several tests)
from tests.suite import (  # noqa: F401 (hooks)
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_runtest_setup,
    pytest_runtest_teardown,
    pytest_terminal_summary,
)
from ui.choose import built_in
from ui.server import services

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several threads on two busy cores are slower than one
session_environment()


@pytest.fixture(autouse=True)
def one_thread():
    """A test whose command takes more threads leaves torch with one, as above: the tests after it share the cores."""
    yield
    if (torch := sys.modules.get("torch")) and torch.get_num_threads() != 1:
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def street(tmp_path_factory) -> Path:
    """A demo data set of 12 training and 6 validation images, 96 pixels wide; read it, never write."""
    folder = tmp_path_factory.mktemp("data") / "street"
    for _ in draw_dataset(folder, "day", train=12, val=6, seed=3, size=96):
        pass
    return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A built-in data set of 3 training and 30 validation images, drawn once."""
    folder = tmp_path_factory.mktemp("drawn") / "street"
    for _ in draw_dataset(folder, train=3, val=30, seed=5, size=64):
        pass
    return folder


@pytest.fixture
def few_scenes(monkeypatch):
    """Built-in data sets are drawn with 6 training and 3 validation images, 64 pixels wide."""

    def draw(one, data_dir):
        return draw_dataset(data_dir / one.folder, one.look, train=6, val=3, size=64, extra=one.extra)

    monkeypatch.setattr(built_in, "draw_built_in", draw)


@pytest.fixture(autouse=True)
def no_search_for_components(monkeypatch):
    """Streamlit looks through every installed package for components at each new AppTest: half a second."""
    monkeypatch.setattr(manifest_scanner, "scan_component_manifests", list)


@pytest.fixture
def logged():
    """What is logged during a test; pytest's own `caplog` makes each of the many short tests slower."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logging.getLogger().addHandler(handler)
    yield messages
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def store(tmp_path, monkeypatch, drawn):
    """An empty run store with the tiny data set, under the root that the app sees; runs that are queued stay so."""
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    shutil.copytree(drawn, tmp_path / "data/street")
    store = RunStore(tmp_path)
    jobs = JobManager(store)
    jobs.shutdown()
    monkeypatch.setattr(services, "jobs", lambda: jobs)
    yield store
    store.close()


@pytest.fixture
def finished(store):
    """A run of two epochs with its curves and the evaluations of the untouched, the first and the last model."""
    return make_run(store)


@pytest.fixture
def run_maker(store):
    """Makes further runs: `run_maker(status=…, evaluated=…, message=…, data=…, remarks=…)`."""
    return lambda **how: make_run(store, **how)


@pytest.fixture
def leave(store):
    """Writes what a training leaves in its run's folder beside its curves: `leave(run, checks=…, operators=…)`."""
    return lambda run, **what: leave_files(store, run, **what)

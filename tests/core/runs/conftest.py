"""Fixtures of the run store's tests."""

import pytest

from core.runs.manager import JobManager
from core.runs.store import RunStore
from tests.core.runs.fake_training import child_command, train
from tests.core.runs.waiting import end_all


@pytest.fixture
def store(tmp_path):
    store = RunStore(tmp_path)
    yield store
    end_all(store)
    store.close()


@pytest.fixture
def manage(store):
    """Makes JobManagers and shuts them down after the test."""
    managers = []

    def manage(**options):
        managers.append(JobManager(store, **{"command": child_command, "train": train, **options}))
        return managers[-1]

    yield manage
    for manager in managers:
        manager.shutdown()

import pytest

from tests.ui.server.steps import PATIENCE
from ui.server.background import TaskRegistry


@pytest.fixture
def registry():
    made = TaskRegistry()
    yield made
    made.stop_all(PATIENCE)

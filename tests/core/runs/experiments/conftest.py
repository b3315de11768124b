"""What the tests of experiments share."""

import pytest

from core.config import TrainConfig


@pytest.fixture
def base(street):
    """The settings of one training."""
    return TrainConfig(data=str(street), model="random", epochs=4)

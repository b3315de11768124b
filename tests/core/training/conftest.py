"""What the tests of the training loop share: its settings, and one whole training."""

import pytest

from core.config import TrainConfig
from core.training.train import train


@pytest.fixture(scope="session")
def config(street):
    return TrainConfig(
        data=str(street), model="random", epochs=2, batch_size=4, lr=1e-3, lr_backbone=1e-4, lr_head=1e-3,
        shortest_edge=72, longest_edge=96, workers=0, device="cpu", seed=5, freeze="none", dropout=0.1,
    )  # fmt: skip


@pytest.fixture(scope="session")
def whole(config, tmp_path_factory):
    """One uninterrupted training of 2 epochs of 3 steps: its events and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return list(train(config, folder)), folder

"""The first training images as the model will see them, before anything is trained."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from core import DataError
from core.config import TrainConfig
from core.datasets.split import read_split
from core.evaluation.draw import GREEN
from core.training.data.preview import draw_preview
from tests.core.evaluation.test_draw import has

CONFIG = TrainConfig(shortest_edge=72, longest_edge=96)


def drawn(config: TrainConfig, folder, epoch: int = 0) -> np.ndarray:
    return np.asarray(draw_preview(replace(config, data=str(folder)), read_split(folder, "train"), epoch))


def test_it_changes_with_the_kinds_and_the_epoch_and_comes_again(street):
    few = replace(CONFIG, augment="few images, rotation, mosaic, copy-paste")
    first = drawn(few, street)
    assert np.array_equal(first, drawn(few, street)) and has(draw_preview(few, read_split(street, "train"), 0), GREEN)
    for other in (drawn(few, street, 1), drawn(CONFIG, street)):
        assert first.shape != other.shape or (first != other).any()
    whole = replace(few, plain_share=1.0)
    assert np.array_equal(drawn(whole, street, 12), drawn(whole, street, 2))  # of ten epochs


def test_what_cannot_be_read_is_left_out_and_without_any_that_is_said(street, tmp_path):
    folder = shutil.copytree(street, tmp_path / "street")
    before = drawn(CONFIG, folder)
    pictures = sorted((folder / "train").glob("*.*"))
    pictures[0].write_bytes(b"no picture")
    assert not np.array_equal(before, drawn(CONFIG, folder))
    for picture in pictures:
        picture.write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be read"):
        drawn(CONFIG, folder)


def test_a_class_that_is_not_there_is_named(street):
    with pytest.raises(DataError, match="zebra"):
        drawn(replace(CONFIG, classes=("zebra",)), street)

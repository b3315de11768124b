"""Which classes and images a training uses, also of data that changed since its checkpoint."""

import pytest

from core import ConfigError, DataError
from core.config import TrainConfig
from core.datasets.split import read_split
from core.labels import LabelMap
from core.training.data.training_data import choose_data
from core.training.trainer_state import TrainerState
from tests.core.datasets.fingerprint import small_data
from tests.core.datasets.fingerprint.small_data import SmallData


@pytest.fixture
def data(tmp_path):
    return SmallData(tmp_path / "data")


def chosen(data, classes=(), saved=None):
    splits = [read_split(data.folder, name) for name in ("train", "val")]
    return choose_data(TrainConfig(data=str(data.folder), classes=classes), *splits, [], saved)


DOG = LabelMap(("dog",), (18,))


def test_a_chosen_class_is_known_by_its_id_when_it_has_another_name(data):
    data.change(small_data.rename_dog)
    with pytest.raises(DataError, match="no class 'dog'"):
        chosen(data, ("dog",))
    used = chosen(data, ("dog",), saved=DOG)
    assert used.label_map == LabelMap(("hound",), (18,)) and len(used.train.images) == 4
    assert {a["category_id"] for a in used.train.annotations} == {18}
    used.require_same_classes()


def test_a_class_that_nobody_chose_may_come_and_go(data):
    data.change(small_data.add_a_class)
    chosen(data, ("dog",), saved=DOG).require_same_classes()
    assert chosen(data, ("dog",), saved=DOG).label_map == DOG


@pytest.mark.parametrize("edit", [small_data.swap_names, small_data.give_other_ids])
def test_a_chosen_class_with_another_id_is_refused(data, edit):
    data.change(edit)
    with pytest.raises(DataError, match="The checkpoint has other classes than the data: "):
        chosen(data, ("dog",), saved=DOG).require_same_classes()


def test_without_an_image_there_is_nothing_to_train_on(data):
    data.change(lambda d: d.update(images=[], annotations=[]), "val")
    with pytest.raises((ConfigError, DataError)):
        chosen(data)


VALUES = {"best_ap": -1.0, "evaluated": None, "since_best": 0, "optimizer": {}, "scaler": {}}


@pytest.mark.parametrize(
    ("step", "epoch", "more", "begun"),
    [
        (7, 2, {}, 1),  # of an earlier version: epochs of three steps
        (6, 2, {}, 0),
        (7, 2, {"epoch_start": 5, "steps_per_epoch": 4}, 2),
        (20, 4, {"epoch_start": 20, "steps_per_epoch": 5}, 0),  # the end
        (8, 1, {}, None),
        (7, 2, {"epoch_start": 8, "steps_per_epoch": 4}, None),
        (7, 2, {"epoch_start": 1, "steps_per_epoch": 4}, None),
        (21, 4, {"epoch_start": 20, "steps_per_epoch": 5}, None),
        (20, 5, {"epoch_start": 20, "steps_per_epoch": 5}, None),
    ],
)
def test_how_many_steps_the_epoch_has_had(step, epoch, more, begun):
    values = VALUES | {"step": step, "epoch": epoch} | more
    if begun is None:
        with pytest.raises(ValueError, match="is not in epoch"):
            TrainerState.of(values, 3, epochs=4)
    else:
        assert TrainerState.of(values, 3, epochs=4).begun == begun

"""Which folder a run's model is in: the one that was evaluated, also where a killed training left another as `best`."""

import json

import pytest

from core import ModelError
from core.inference.model_cache import stamp_of_weights
from core.runs.models import checkpoint_of
from core.runs.store import RunStore
from core.training.checkpoint_folder import EPOCH_FILE
from tests.core.runs.fake_training import leave_checkpoint


@pytest.fixture
def made(tmp_path):
    """Makes a run of two evaluated epochs, the last one the best, with checkpoints of these epochs (-1: none)."""

    def make(best, last, best_epoch=2):
        store = RunStore(tmp_path)
        run = store.create({})
        for epoch in (0, 1, 2):
            store.record(run.id, epoch, {}, {"epoch": epoch})
            store.add_evaluation(run.id, epoch, epoch, {"AP": 0.1}, is_best=epoch == best_epoch)
        for name, epoch in (("best", best), ("last", last)):
            if epoch != -1:
                leave_checkpoint(store.checkpoint(run.id, name))
                (store.checkpoint(run.id, name) / EPOCH_FILE).write_text(json.dumps({"epoch": epoch}))
        return lambda model: checkpoint_of(store, store.get(run.id), model).name

    return make


@pytest.mark.parametrize(
    ("best", "last", "best_epoch", "found"),
    [
        (2, 2, 2, "best"),  # as after every epoch
        (1, 2, 2, "last"),  # killed when the best one was recorded, and not yet kept as such
        (-1, 2, 2, "last"),  # the same at the first one, or `keep` is last
        (1, 2, 1, "best"),
        (1, None, 2, "best"),  # trained on since: there is nothing better
        (None, None, 2, "best"),  # of an earlier version
    ],
)
def test_the_best_model_is_the_one_that_the_record_names(made, best, last, best_epoch, found):
    assert made(best, last, best_epoch)("best") == found


def test_the_last_one_is_the_last(made):
    assert made(1, 2)("last") == "last"
    with pytest.raises(ModelError, match="best is gone"):
        made(-1, -1)("best")


def test_weights_in_several_files_are_other_ones_as_soon_as_one_changes(tmp_path):
    assert stamp_of_weights(tmp_path) == stamp_of_weights(tmp_path / "gone") == ()
    parts = [tmp_path / f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    for part in parts:
        part.write_bytes(b"1234")
    before = stamp_of_weights(tmp_path)
    parts[1].write_bytes(b"12345")
    assert stamp_of_weights(tmp_path) != before == before[:2]

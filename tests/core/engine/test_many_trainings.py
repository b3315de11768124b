"""Twenty trainings, one after the other, through one engine: it keeps neither memory nor descriptors of them."""

import gc
import sys

import psutil
import pytest

from core import PROJECT
from core.config import TrainConfig
from core.engine.process import environment_of
from core.runs.log import open_log
from core.runs.schema import Status
from core.runs.store import RunStore
from tests.core.runs.waiting import until

TRAININGS = 20
MOST_GROWTH = 4_000_000  # bytes, of the engine's own memory, by all of them: less than one picture each


@pytest.mark.ci
def test_twenty_trainings_leave_nothing_in_the_engine_nor_here(warm_engine, start_warm, street, tmp_path):
    store = RunStore(tmp_path)
    engine, here = psutil.Process(warm_engine.pid), psutil.Process()
    small = {"batch_size": 12, "shortest_edge": 32, "longest_edge": 64, "workers": 0}
    config = TrainConfig(str(street), str(PROJECT / "checkpoints/starter"), epochs=1, **small)

    def train():
        run = store.create(config.to_dict())
        with open_log(store.log_path(run.id)) as log:
            process = start_warm(
                [sys.executable, "-m", "core", "train", "--run", run.id], environment_of(tmp_path), log, log
            )
        assert process.wait(120) and process.code == 0
        assert store.get(run.id).status is Status.FINISHED

    def held():
        until(lambda: not engine.children())
        gc.collect()
        return engine.memory_full_info().uss, engine.num_fds(), here.num_fds()

    train()
    memory, *descriptors = held()
    for _ in range(TRAININGS - 1):
        train()
    later, *descriptors_later = held()
    assert descriptors_later == descriptors
    assert later - memory < MOST_GROWTH
    store.close()

import numpy as np
import pytest

from core.boxes import Detections
from core.datasets.split import read_split
from core.evaluation.table import read_table, write_table
from core.evaluation.tide import detection_table
from tests.made_runs import half_right
from ui.server.model_worker import ModelWorker


@pytest.fixture(autouse=True)
def no_process_for_models(monkeypatch):
    """A page that is looked at has the process of its models begin, which imports torch: 5 s of a core, for nobody."""
    monkeypatch.setattr(ModelWorker, "warm", lambda self, **model: None)


@pytest.fixture
def table(finished, store):
    """The detection table of the finished run's last epoch."""
    return read_table(store.table_path(finished.id, 2))


@pytest.fixture
def two(store, run_maker):
    """Two finished runs, the newer with other objects found and other settings."""
    older, newer = run_maker(), run_maker()
    split = read_split(newer.config["data"], "val")
    label_map = split.label_map()
    found, n = half_right(split, label_map, shift=1), len(split.images)
    kept = found[np.random.default_rng(0).random(len(found)) < 0.7]
    stray = Detections(list(split.image_by_id), range(90, 90 + n), [0] * n, [0.8] * n, [[0, 0, 5, 5]] * n)
    table = detection_table(split.to_dict(), Detections.concat([kept, stray]), label_map)
    write_table(table, store.table_path(newer.id, 2))
    store.update(newer.id, config=newer.config | {"lr": 2e-4, "seed": 7}, name="newer")
    return store.get(older.id), store.get(newer.id)

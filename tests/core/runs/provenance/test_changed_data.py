"""Real trainings that are stopped, and whose data changes before they are resumed."""

import pytest

from core.config import TrainConfig
from core.detr.model_folder import read_config, read_label_map
from core.engine.process_id import this_process
from core.evaluation.table import read_table, table_metadata
from core.runs.drive import drive, follow
from core.runs.provenance.data import ANY, accept_changed_data, read_record
from core.runs.queue import RunQueue
from core.runs.schema import Status
from core.training.checkpoint import read_state
from core.training.events import StepDone
from tests.core.datasets.fingerprint import small_data
from tests.core.datasets.fingerprint.small_data import SmallData, draw


@pytest.fixture
def data(tmp_path):
    return SmallData(tmp_path / "data")


@pytest.fixture
def config(data):
    return TrainConfig(
        data=str(data.folder), model="random", epochs=2, batch_size=2, shortest_edge=48, longest_edge=64, workers=0,
        device="cpu", freeze="none", seed=5, keep="best and last", ema=0.9,
    )  # fmt: skip


@pytest.fixture
def stopped(store, config):
    """A run that was stopped after step 3 of 4, in its second epoch of two steps."""
    run = store.create(config.to_dict(), process=this_process())
    for progress in follow(store, run.id):
        if isinstance(progress, StepDone) and progress.step == 3:
            break
    assert store.get(run.id).status is Status.STOPPED
    return run


def resumed(store, run, accepted=""):
    accept_changed_data(store, run.id, accepted)
    RunQueue(store).requeue(run.id, this_process())
    return drive(store, run.id)


def checkpoint_files(store, run):
    return {path: path.read_bytes() for path in store.checkpoints(run.id).rglob("*") if path.is_file()}


def recorded(store, run):
    return store.metrics_after(run.id)[0], store.evaluations(run.id), store.get(run.id).label_map


CHANGES = [
    (small_data.add_a_class, "'sheep' is new"),
    (small_data.rename_dog, "'dog' is now 'hound'"),
    (small_data.drop_the_first_image, "1 training image is not used any more, '001.bmp'"),
]


def test_nothing_is_written_before_a_change_is_known_and_agreed_to(store, data, stopped):
    files, record = checkpoint_files(store, stopped), recorded(store, stopped)
    before = data.json("train").read_bytes(), data.json("val").read_bytes()
    for edit, words in CHANGES:
        data.change(edit)
        run = resumed(store, stopped)
        assert run.status is Status.FAILED and words in run.message
        assert checkpoint_files(store, stopped) == files and recorded(store, stopped) == record
        data.json("train").write_bytes(before[0])
        data.json("val").write_bytes(before[1])
    run = resumed(store, stopped)
    assert run.status is Status.FINISHED and not [r for r in run.remarks if r["rule"] == "data_changed"]


def test_a_class_of_another_name_goes_on_as_the_same_class(store, data, stopped, config):
    whole = store.create(config.to_dict(), process=this_process())
    drive(store, whole.id)
    data.change(small_data.rename_dog)
    run = resumed(store, stopped, ANY)
    assert run.status is Status.FINISHED, run.message
    assert run.label_map["names"] == ["car", "hound"]
    for name in ("last", "best"):
        folder = store.checkpoint(run.id, name)
        assert "hound" in read_label_map(folder).names or name == "best"
        assert list(read_config(folder, "").names.values()) == list(read_label_map(folder).names)
    weights = [(store.checkpoint(r.id, "last") / "model.safetensors").read_bytes() for r in (run, whole)]
    assert weights[0] == weights[1]  # bit for bit: a name trains nothing
    table = read_table(store.table_path(run.id, 2))
    assert table_metadata(table).classes == ("car", "hound")
    assert table_metadata(table).data == read_record(store, run.id).digest
    (remark,) = [r for r in run.remarks if r["rule"] == "data_changed"]
    assert remark["step"] == 4 and "from step 4: the class 'dog' is now 'hound'" in remark["evidence"]


def add_images(data):
    for i in range(5, 10):
        draw(data.picture("train", i), (i, i, i))
    data.change(
        lambda d: d["images"].extend(
            {"id": i, "file_name": f"{i:03}.bmp", "width": 64, "height": 48} for i in range(5, 10)
        ), "train",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "steps"),
    [(add_images, 2 + 5),
     (lambda data: [data.change(small_data.drop_the_first_image, "train") for _ in range(3)], 2 + 1)],
)  # fmt: skip
def test_an_epoch_goes_on_with_the_steps_that_the_images_make_now(store, data, stopped, change, steps):
    change(data)
    run = resumed(store, stopped, ANY)
    assert run.status is Status.FINISHED, run.message
    assert (run.step, run.steps, run.epoch) == (max(steps, 3), max(steps, 3), 2)
    state = read_state(store.checkpoint(run.id, "last"))
    assert (state["step"], state["epoch"], state["epoch_start"]) == (run.step, 2, run.step)
    assert [e.epoch for e in store.evaluations(run.id)] == [0, 1, 2]

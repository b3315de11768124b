"""A run keeps what data it has used, and goes on with other data only where that is safe and asked for."""

import pytest

from core import RunError
from core.runs.provenance.data import (
    ANY,
    accept_changed_data,
    fingerprint_path,
    hold_to_data,
    keep_fingerprint,
    kept_fingerprint,
    note_step,
    read_record,
    refused_data,
)
from core.runs.schema import Status
from tests.core.datasets.fingerprint import small_data
from tests.core.datasets.fingerprint.small_data import SmallData


@pytest.fixture
def data(tmp_path):
    return SmallData(tmp_path / "data")


@pytest.fixture
def run(store, data):
    run = store.create({})
    keep_fingerprint(store.folder(run.id), data.fingerprint())
    store.update(run.id, status=Status.FAILED)
    return store.get(run.id)


def files(store, run):
    return {path: path.read_bytes() for path in store.folder(run.id).rglob("*") if path.is_file()}


def test_the_same_data_goes_on(store, data, run):
    before = read_record(store, run.id)
    hold_to_data(store, run, data.fingerprint())
    assert read_record(store, run.id) == before and note_step(store, run.id, 5) is None
    assert kept_fingerprint(store, run.id, before.digest).digest == before.digest


def test_changed_data_is_refused_until_somebody_agrees_to_it(store, data, run):
    data.change(small_data.move_a_box, "train")
    data.change(small_data.rename_dog)
    with pytest.raises(
        RunError, match=r"'dog' is now 'hound'; 1 training image has other boxes, '001.bmp'\..*--changed"
    ):
        hold_to_data(store, run, data.fingerprint())
    refused = refused_data(store, run)
    assert refused.refused == data.fingerprint().digest
    accept_changed_data(store, run.id, refused.refused)
    hold_to_data(store, run, data.fingerprint())
    remark = note_step(store, run.id, 7)
    assert note_step(store, run.id, 9) == remark and remark.step == 7
    assert remark.evidence.startswith("from step 7: the class 'dog' is now 'hound'; ")
    assert refused_data(store, run) is None
    hold_to_data(store, run, data.fingerprint())  # it is the run's data from now on


def test_who_agreed_to_a_change_has_not_agreed_to_the_next_one(store, data, run):
    data.change(small_data.move_a_box, "train")
    accept_changed_data(store, run.id, data.fingerprint().digest)
    data.change(small_data.move_a_box, "train")
    with pytest.raises(RunError, match="other boxes"):
        hold_to_data(store, run, data.fingerprint())


def test_a_consent_to_any_data_is_used_once(store, data, run):
    for step in (1, 2):
        data.change(small_data.move_a_box, "val")
        accept_changed_data(store, run.id, ANY)
        hold_to_data(store, run, data.fingerprint())
        remark = note_step(store, run.id, step)
    assert remark.title.endswith(", 2 times") and "from step 1: " in remark.evidence and remark.step == 2
    data.change(small_data.move_a_box, "val")
    with pytest.raises(RunError):
        hold_to_data(store, run, data.fingerprint())


@pytest.mark.parametrize("edit", [small_data.add_a_class, small_data.drop_a_class, small_data.give_other_ids,
                                  small_data.swap_names, small_data.list_backwards("categories")])  # fmt: skip
def test_other_classes_are_refused_whoever_agrees(store, data, run, edit):
    data.change(edit)
    accept_changed_data(store, run.id, ANY)
    with pytest.raises(RunError, match=r"other classes: put the data back and resume, or begin a new run .*last"):
        hold_to_data(store, run, data.fingerprint())
    assert refused_data(store, run) is None


@pytest.mark.parametrize(("edit", "words"), [(small_data.rename_dog, "now 'hound'"), (small_data.move_a_box, "")])
def test_of_an_earlier_versions_run_only_the_classes_are_known(store, data, edit, words):
    run = store.create({})
    store.update(run.id, label_map=data.fingerprint().classes.to_dict())
    data.change(edit)
    if words:
        with pytest.raises(RunError, match=words):
            hold_to_data(store, store.get(run.id), data.fingerprint())
    else:
        hold_to_data(store, store.get(run.id), data.fingerprint())
        assert read_record(store, run.id).digest == data.fingerprint().digest and not note_step(store, run.id, 1)


def test_a_run_that_begins_again_forgets_what_it_had(store, data, run):
    data.change(small_data.add_a_class)
    keep_fingerprint(store.folder(run.id), data.fingerprint())
    assert read_record(store, run.id).digest == data.fingerprint().digest


def test_a_damaged_record_is_a_sentence_and_a_digest_is_no_path(store, data, run):
    path = store.folder(run.id) / "data/record.json"
    for text in ("", "[]", '{"digest": "../../x"}', '{"digest": 3}'):
        path.write_text(text)
        with pytest.raises(RunError, match="is damaged: delete it"):
            hold_to_data(store, run, data.fingerprint())
        assert refused_data(store, run) is None
    assert kept_fingerprint(store, run.id, "../../x") is None


def test_a_lost_fingerprint_is_taken_anew(store, data, run):
    fingerprint_path(store, run.id, read_record(store, run.id).digest).unlink()
    data.change(small_data.move_a_box, "val")
    hold_to_data(store, run, data.fingerprint())
    assert kept_fingerprint(store, run.id, data.fingerprint().digest)

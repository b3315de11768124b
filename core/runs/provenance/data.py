"""What data a run has used, kept with it, and whether it may go on with other data.

    runs/<id>/data/1a2b….parquet    a Fingerprint, called by its digest
                   record.json      `DataRecord`: which one holds now, and what has changed since the first

A training that goes on is held here as soon as its data is read, before a model is: on the same data it goes on; on
other data only if somebody has agreed to exactly that data, and if its classes are the same. The fingerprint that holds
is written before any step is made of the data, and detection tables name theirs, so that a page can tell whether the
files are still those that were evaluated.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import msgspec

from core import RunError
from core.datasets.fingerprint.changes import DataChanges, class_changes, data_changes
from core.datasets.fingerprint.fingerprint import Fingerprint, read_fingerprint, write_fingerprint
from core.disk import atomic_file
from core.files import read_bytes
from core.labels import LabelMap
from core.runs.schema import Run, Status
from core.runs.store import RunStore
from core.training.remark import Level, Remark, TrainingRule
from core.typed_json import decode
from core.wording import short

GO_ON = (
    "The run's record and checkpoints are as they were. Put the data back and resume; or go on with the data as it is "
    "now, by the button on Train or python -m core resume {run} --changed-data: then the numbers are not those of one "
    "training on the same data."
)
TRAIN_ANEW = (
    "The run's record and checkpoints are as they were. A model cannot go on with other classes: put the data back and "
    "resume, or begin a new run that starts from {checkpoint}."
)
ANY = "any"  # data that somebody has agreed to without having seen what changed
DIGEST = re.compile(r"[0-9a-f]{16}|")
MOST_BYTES = 1_000_000  # of a record
MOST_WORDS = 400  # characters on what changed


class DataChange(msgspec.Struct):
    """A change of the data in the midst of a training.

    words  what changed
    step   the first step on the new data; None until that is recorded
    """

    words: str
    step: int | None = None


class DataRecord(msgspec.Struct):
    """What is noted of a run's data.

    digest    of the fingerprint that holds; "" before there is one
    changes   of the data that the training has gone on with
    refused   the digest of the data that was refused last, if one can agree to it; `words` say what changed
    accepted  the digest of the data that somebody has agreed to, or ANY
    """

    digest: str = ""
    changes: list[DataChange] = []
    refused: str = ""
    words: str = ""
    accepted: str = ""


def fingerprint_path(store: RunStore, run_id: str, digest: str) -> Path:
    """Return the path of a fingerprint of the run."""
    return store.folder(run_id) / "data" / f"{digest}.parquet"


def _record_path(folder: Path) -> Path:
    return folder / "data" / "record.json"


def read_record(store: RunStore, run_id: str) -> DataRecord:
    """Return what is noted of a run's data, nothing of an earlier version's run; raises RunError if it is damaged."""
    path = _record_path(store.folder(run_id))
    try:
        record = decode(read_bytes(path, MOST_BYTES), DataRecord)
        if not DIGEST.fullmatch(record.digest):
            raise ValueError(record.digest)
        return record
    except FileNotFoundError:
        return DataRecord()
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise RunError(f"{path}, which says what data the run has used, is damaged: delete it to go on.") from error


def _write_record(folder: Path, record: DataRecord) -> None:
    path = _record_path(folder)
    try:
        with atomic_file(path, durable=True) as partial:
            partial.write_bytes(msgspec.json.encode(record))
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror or error}): make room or give access.") from error


def kept_fingerprint(store: RunStore, run_id: str, digest: str) -> Fingerprint | None:
    """Return one of the run's fingerprints; None if it is not kept. Raises RunError if it is damaged."""
    return read_fingerprint(fingerprint_path(store, run_id, digest)) if digest and DIGEST.fullmatch(digest) else None


def keep_fingerprint(folder: Path, fingerprint: Fingerprint) -> None:
    """Note in a run's folder that it begins on this data; raises RunError if that cannot be written."""
    _keep(folder, fingerprint, DataRecord())


def _keep(folder: Path, fingerprint: Fingerprint, record: DataRecord) -> None:
    path = folder / "data" / f"{fingerprint.digest}.parquet"
    try:
        write_fingerprint(fingerprint, path)
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror or error}): make room or give access.") from error
    record.digest, record.refused, record.words, record.accepted = fingerprint.digest, "", "", ""
    _write_record(folder, record)


def accept_changed_data(store: RunStore, run_id: str, digest: str) -> None:
    """Let the run go on with the data of this digest although it changed; ANY: whatever it is, "": not.

    Raises RunError if that cannot be written.
    """
    record = read_record(store, run_id)
    if record.accepted != digest:
        record.accepted = digest
        _write_record(store.folder(run_id), record)


def hold_to_data(store: RunStore, run: Run, fingerprint: Fingerprint) -> None:
    """Let a run go on with this data, or raise RunError that says what changed.

    Of a run of an earlier version only the classes are known; it goes on as it did, and its data is noted from now on.
    """
    record = read_record(store, run.id)
    changes = _changes(store, run, record, fingerprint)
    if changes.words and not (changes.are_safe and record.accepted in (ANY, fingerprint.digest)):
        record.refused = fingerprint.digest if changes.are_safe else ""
        record.words, record.accepted = short(changes.words, MOST_WORDS), ""
        _write_record(store.folder(run.id), record)
        advice = GO_ON if changes.are_safe else TRAIN_ANEW
        advice = advice.format(run=run.id, checkpoint=store.checkpoint(run.id, "last"))
        raise RunError(f"The data is not what this run was trained on before: {record.words}. {advice}")
    if changes.words:
        record.changes.append(DataChange(short(changes.words, MOST_WORDS)))
    _keep(store.folder(run.id), fingerprint, record)


def _changes(store: RunStore, run: Run, record: DataRecord, fingerprint: Fingerprint) -> DataChanges:
    if before := kept_fingerprint(store, run.id, record.digest):
        return data_changes(before, fingerprint)
    known = LabelMap.from_dict(run.label_map) if run.label_map else fingerprint.classes
    return DataChanges(class_changes(known, fingerprint.classes))


def refused_data(store: RunStore, run: Run) -> DataRecord | None:
    """Return what is noted where the run was refused because of its data, and could go on with it; else None."""
    with suppress(RunError):
        record = read_record(store, run.id)
        if run.status is Status.FAILED and record.refused:
            return record
    return None


def note_step(store: RunStore, run_id: str, step: int) -> Remark | None:
    """Note that a training has made its first `step` on changed data; return a remark on all that changed, if any."""
    record = read_record(store, run_id)
    if not record.changes:
        return None
    if any(change.step is None for change in record.changes):
        for change in record.changes:
            change.step = step if change.step is None else change.step
        _write_record(store.folder(run_id), record)
    count, last = len(record.changes), record.changes[-1]
    return Remark(
        rule=TrainingRule.DATA_CHANGED,
        level=Level.WARNING,
        title="The data changed during the training" + (f", {count} times" if count > 1 else ""),
        cause="It was resumed on changed data, as asked. So its numbers before and after cannot be compared, and are "
        "not those of a training that was never stopped.",
        evidence="; ".join(f"from step {change.step:,}: {change.words}" for change in record.changes) + ".",
        advice="For numbers that can be compared, train again on the data as it is now.",
        step=last.step or step,
    )

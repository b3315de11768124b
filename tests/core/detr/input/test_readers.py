"""Reading processes: as many as there may be, and no longer than the process that they read for."""

import os
import resource
import signal
import sys

import psutil
import pytest
import torch

from core import DataError
from core.detr.input.loader import loader
from core.detr.input.readers import require_files
from core.engine.process import environment_of
from tests.core.detr.plain_pictures import dataset, write_dataset
from tests.core.runs.waiting import until
from tests.engines import run_python
from tests.processes import lives

READ = """
import resource, signal, sys
from core.detr.input.loader import loader
from core import DataError
from tests.core.detr.plain_pictures import dataset
from pathlib import Path
data, limit = dataset(Path(sys.argv[1])), int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
try:
    for number, _ in enumerate(loader(data, 1, workers=2)):
        print(number, flush=True)
        if not limit:
            signal.pause()
    print("read", number + 1)
except DataError as error:
    print("error:", error)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers") / "d"
    write_dataset(folder, [], sizes=((64, 48),) * 12)
    return folder


def test_readers_end_at_once_with_a_killed_process(folder, start_warm):
    (out, output) = os.pipe()
    process = start_warm([sys.executable, "-c", READ, str(folder), "0"], environment_of(), output, 2)
    os.close(output)
    with os.fdopen(out) as printed:
        assert printed.readline() == "0\n"
    readers = psutil.Process(process.id[0]).children()
    assert len(readers) == 2
    os.kill(process.id[0], signal.SIGKILL)
    assert process.wait(30)
    gone = [reader for reader in readers if until(lambda reader=reader: not lives(reader), 3)]
    assert gone == readers


@pytest.mark.parametrize("limit", [24, 64, 256])
def test_a_limit_of_open_files_is_one_sentence_or_enough(folder, limit, start_warm):
    done = run_python(start_warm, "-c", READ, folder, limit)
    last = done.stdout.splitlines()[-1]
    assert len(done.stderr) < 2000, done.stderr[:2000]
    assert last == "read 12" or last.startswith("error: 2 reading processes need about"), done
    assert limit < 256 or last == "read 12"


def test_a_soft_limit_is_raised_as_far_as_the_hard_one_allows(monkeypatch):
    limits = []
    monkeypatch.setattr("core.detr.input.readers.open_files", lambda: 10)  # a test has those of other tests too
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 5000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.append(new))
    require_files(1, 2, 2)
    require_files(8, 16, 200)
    assert len(limits) == 1 and 100 < limits[0][0] < 5000 and limits[0][1] == 5000
    with pytest.raises(DataError, match=r"8 reading processes need about \d+ open files, but .* may have 5000: raise"):
        require_files(8, 100, 1000)


def test_a_reader_that_never_answers_ends_the_reading_with_a_sentence(folder, monkeypatch):
    monkeypatch.setattr("core.detr.input.loader.PATIENCE_SECONDS", 1)
    data = dataset(folder)
    os.mkfifo(folder / "never")
    monkeypatch.setattr(type(data), "__getitem__", lambda self, index: (folder / "never").read_text())
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.2)
    with pytest.raises(DataError, match="gave none for 1 seconds: look whether the disk"):
        list(loader(data, 1, workers=1))


def test_readers_that_are_new_programs_read_the_same(folder, monkeypatch):
    """As on macOS and Windows, where none may be forked."""
    data = dataset(folder)
    forked = [batch["pixel_values"] for batch in loader(data, 4)]
    monkeypatch.setenv("DETR_LAB_LACKS", "fork proc")
    reading = loader(data, 4, workers=1)
    assert reading.multiprocessing_context.get_start_method() == "spawn"
    read = [batch["pixel_values"] for batch in reading]
    assert len(read) == len(forked) == 3 and all(map(torch.equal, read, forked))

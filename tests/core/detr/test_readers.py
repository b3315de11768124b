"""Reading processes: as many as there may be, and no longer than the process that they read for."""

import os
import resource
import signal
import subprocess
import sys

import psutil
import pytest
import torch

from core import PROJECT, DataError
from core.detr.loader import loader
from core.detr.readers import require_files
from tests.core.detr.plain_pictures import dataset, write_dataset
from tests.core.runs.waiting import until

READ = """
import os, resource, sys
from core.detr.loader import loader
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
            sys.stdin.readline()
    print("read", number + 1)
except DataError as error:
    print("error:", error)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers") / "d"
    write_dataset(folder, [], sizes=((64, 48),) * 12)
    return folder


def reading(folder, limit=0):
    return subprocess.Popen(
        [sys.executable, "-c", READ, str(folder), str(limit)], cwd=PROJECT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_readers_end_at_once_with_a_killed_process(folder):
    process = reading(folder)
    assert process.stdout.readline() == "0\n"
    readers = psutil.Process(process.pid).children()
    assert len(readers) == 2
    process.send_signal(signal.SIGKILL)
    process.communicate()
    gone = [reader for reader in readers if until(lambda reader=reader: not alive(reader), 3)]
    assert gone == readers


def alive(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("limit", [24, 64, 256])
def test_a_limit_of_open_files_is_one_sentence_or_enough(folder, limit):
    out, errors = reading(folder, limit).communicate(timeout=120)
    last = out.splitlines()[-1]
    assert len(errors) < 2000, errors[:2000]
    assert last == "read 12" or last.startswith("error: 2 reading processes need about"), (out, errors)
    assert limit < 256 or last == "read 12"


def test_a_soft_limit_is_raised_as_far_as_the_hard_one_allows(monkeypatch):
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 5000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, new: limits.append(new))
    require_files(1, 2, 2)
    require_files(8, 16, 200)
    assert len(limits) == 1 and 100 < limits[0][0] < 5000 and limits[0][1] == 5000
    with pytest.raises(DataError, match=r"8 reading processes need about \d+ open files, but .* may have 5000: raise"):
        require_files(8, 100, 1000)


def test_a_reader_that_never_answers_ends_the_reading_with_a_sentence(folder, monkeypatch):
    monkeypatch.setattr("core.detr.loader.PATIENCE_SECONDS", 1)
    data = dataset(folder)
    os.mkfifo(folder / "never")
    monkeypatch.setattr(type(data), "__getitem__", lambda self, index: (folder / "never").read_text())
    monkeypatch.setattr(torch.utils.data._utils, "MP_STATUS_CHECK_INTERVAL", 0.2)
    with pytest.raises(DataError, match="gave none for 1 seconds: look whether the disk"):
        list(loader(data, 1, workers=1))

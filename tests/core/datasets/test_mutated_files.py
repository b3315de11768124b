"""The short form of the fuzz over every reader; `python -m tests.core.datasets.mutated_files 25000` is the long one."""

import json
import time

import pytest

from core import DataError
from tests.core.datasets import mutated_files
from tests.core.datasets.file_readers import KINDS, Kind, make_coco
from tests.core.datasets.mutated_files import failures, mutate

SEEDS = range(30)


@pytest.mark.parametrize("kind", KINDS)
def test_each_reader_works_or_says_one_sentence(kind):
    """About 20 s for all."""
    assert failures(kind, SEEDS) == []


def test_a_seed_gives_the_same_file_and_every_file_is_changed_sooner_or_later(tmp_path):
    names = set()
    for seed in range(8):
        contents = []
        for folder in (tmp_path / f"{seed} a", tmp_path / f"{seed} b"):
            folder.mkdir()
            make_coco(folder)
            target = mutate("coco", seed, folder)
            contents.append(target.read_bytes())
        names.add(target.name)
        assert contents[0] == contents[1]
    assert len(names) == 2


def raise_(error: Exception):
    raise error


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (lambda folder: raise_(KeyError("x")), "builtins.KeyError"),
        (lambda folder: raise_(DataError("x" * 301)), "a sentence of 301"),
        (lambda folder: ["a\u202eb"], "does not print"),
        (lambda folder: time.sleep(60), "waited for 1 s"),
        (lambda folder: json.loads((folder / "a.json").read_bytes()) and None, "Error"),
    ],
)
def test_a_reader_that_does_not_is_told_with_its_seed(monkeypatch, read, says):
    monkeypatch.setitem(KINDS, "bad", Kind(lambda folder: (folder / "a.json").write_text("[1, 2]"), ("*.json",), read))
    monkeypatch.setattr(mutated_files, "MOST_SECONDS", 1)
    wrong = failures("bad", range(9 if says == "Error" else 1))
    assert wrong and says in wrong[0] and "bad, seed" in wrong[0]

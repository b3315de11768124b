"""Files of every kind that DETR Lab reads, changed at random: each reader works or says one sentence, within bounds.

    failures("coco", range(1000))      what went wrong, each with its kind and seed; [] if nothing did
    python -m tests.core.datasets.mutated_files 25000 [--seed N] [--kind K]

A seed gives the same file on every machine. `mutations.py` changes files, `file_readers.py` reads them.
"""

import argparse
import random
import resource
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

from core import LabError
from core.datasets.pictures import PictureError
from tests.core.datasets.file_readers import KINDS
from tests.core.datasets.mutations import mutated
from tests.core.hostile_entries import Waited, no_waiting

MOST_SECONDS = 20  # for one file
MOST_GROWTH = 1_500_000  # KiB by which the process may grow, all files together
MOST_LETTERS = 300  # of a sentence, and of each part of one that lists several problems


def failures(kind: str, seeds: Iterable[int]) -> list[str]:
    """Read a file of this kind for each seed, mutated by it; return what is not as it should be."""
    wrong = []
    with tempfile.TemporaryDirectory(prefix="f", dir="/tmp") as name:
        whole = Path(name) / "whole"
        whole.mkdir()
        KINDS[kind].make(whole)
        before = peak()
        for seed in seeds:
            folder = Path(name) / "x"
            shutil.copytree(whole, folder, symlinks=True)
            target = mutate(kind, seed, folder)
            if problem := problem_of(kind, folder):
                wrong.append(f"{kind}, seed {seed}, {target.name}: {problem}")
            shutil.rmtree(folder)
            if peak() - before > MOST_GROWTH:
                wrong.append(f"{kind}, seed {seed}, {target.name}: {(peak() - before) / 1e6:.1f} GB more memory")
                before = peak()
    return wrong


def mutate(kind: str, seed: int, folder: Path) -> Path:
    """Change one of the kind's files by the seed, in place."""
    rng = random.Random(f"{kind} {seed}")
    target = rng.choice(sorted(path for pattern in KINDS[kind].targets for path in folder.glob(pattern)))
    target.write_bytes(mutated(target.read_bytes(), target.suffix, rng))
    return target


def problem_of(kind: str, folder: Path) -> str | None:
    """Return what is wrong with what the reader does or says, None if nothing is."""
    try:
        with no_waiting(MOST_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            sentences = KINDS[kind].read(folder)
    except (LabError, PictureError) as error:
        sentences = [str(error)]
    except (Exception, Waited) as error:
        text = str(error)
        return f"{type(error).__module__}.{type(error).__name__}: {text[:200]} at {place_of(error)}"
    for sentence in sentences or ():
        if max(map(len, sentence.split("; "))) > MOST_LETTERS:
            return f"a sentence of {len(sentence)} characters: {sentence[:400]}"
        if not sentence.isprintable():
            return f"a sentence that does not print: {sentence!r}"
    return None


def place_of(error: BaseException) -> str:
    """Return the last line of our own code that an error came through."""
    place, at = "", error.__traceback__
    while at:
        if "/core/" in (name := at.tb_frame.f_code.co_filename) and "site-packages" not in name:
            place = f"{name.rpartition('/core/')[2]}:{at.tb_lineno}"
        at = at.tb_next
    return place


def peak() -> int:
    """Return the most memory that this process has had, KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    """Try so many files, evenly over all kinds; print each failure, and at the end how many there were."""
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=sorted(KINDS), action="append")
    options = parser.parse_args()
    kinds, total = options.kind or list(KINDS), 0
    each = -(-options.count // len(kinds))
    for kind in kinds:
        begun = time.monotonic()
        wrong = failures(kind, range(options.seed, options.seed + each))
        total += len(wrong)
        print(*wrong, sep="\n", end="\n" if wrong else "")
        print(f"{kind}: {each} files, {len(wrong)} failures, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{each * len(kinds)} mutated files, {total} failures")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())

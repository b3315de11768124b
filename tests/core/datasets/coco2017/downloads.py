"""Downloads, and what came of them; used by the tests beside it."""

import errno
import json
import signal
import subprocess
import sys

import psutil
import pytest
from PIL import Image

import core
from core import DataError
from core.datasets.coco2017.download import download
from core.datasets.subset import Subset
from core.labels import COCO_TEN
from tests.processes import lives

TEN = Subset(tuple(COCO_TEN), empty_share=0.1)
FEW = Subset(("person", "cat", "dog"), max_train=8, max_val=4, empty_share=0.25, seed=3)
FULL = OSError(errno.ENOSPC, "No space left on device")

SCRIPT = """
import sys
from pathlib import Path
from core.datasets.coco2017 import child
from core.datasets.coco2017.download import download
from tests.core.datasets.coco2017.downloads import TEN
child.MODULE = sys.argv[3]
for progress in download(Path(sys.argv[1]), TEN, Path(sys.argv[2])):
    print(progress.stage, progress.done, flush=True)
"""


def children():
    """The downloads' children that live; what other tests have left behind need not have a command line any more."""
    alive = filter(lives, psutil.Process().children(recursive=True))
    return [child.pid for child in alive if "coco2017" in " ".join(child.cmdline())]


def files(folder):
    """Every file's bytes by its name inside the folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def run(out, subset=FEW, cache=None):
    """Download to the end; returns the progress."""
    return list(download(out, subset, cache))


def load(folder, split):
    return json.loads((folder / "annotations" / f"instances_{split}2017.json").read_text())


def refused(out, cache, subset=FEW) -> str:
    """Return the message when it fails; nothing lies under its name then, and all pictures beside it are whole."""
    with pytest.raises(DataError) as caught:
        run(out, subset, cache)
    assert not out.exists()
    sentence = str(caught.value)
    assert sentence.endswith((".", "?"))
    for path in sorted(out.parent.glob(f".{out.name}.partial/*2017/*")):
        with Image.open(path) as picture:
            picture.load()
    return sentence


def killed(out, cache, module, stage, done):
    """Download in a process of its own, which is killed when it is as far as that; its child ends with it."""
    command = [sys.executable, "-c", SCRIPT, str(out), str(cache), module]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=core.PROJECT) as process:
        for line in process.stdout:
            if line.split()[0] == stage and int(line.split()[1]) >= done:
                family = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(signal.SIGKILL)
                break
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive, "the child outlived its parent"
    assert not out.exists()

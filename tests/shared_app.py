"""The app that browser tests share which only look: one server of a worker, with runs for every page.

Runs are chosen by name in `shared.runs`; the newest, which pages show by themselves, is `newest`. What a test writes
(marks), it writes to a run that no other file looks at.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from core.runs.evaluated.imports import import_results
from core.runs.store import RunStore
from tests.invented import draw_street, invented_run
from tests.own_folders import labels, write
from tests.serving import served

ODD = "<img src=x onerror=window.hacked=1>"  # what a class, a file or a run may be called
OLDER, NEWER = "older", "*newer* <b>"
GROWING = (0.2, 0.4, 0.5, 0.6)  # the share of objects that are found, by epoch
CLASSES, IMAGES, PER_IMAGE = 100, 40, 25  # of the run of many classes
TAKEN_FOR_NEXT, NOT_FOUND = 7, 5  # every so many of its objects


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """The app's `address`, its `root` folder, and in `runs` the ids of its runs."""
    root = tmp_path_factory.mktemp("shared")
    runs = make_runs(root)
    with served(root) as url:
        yield SimpleNamespace(address=url, root=root, runs=runs)


def make_runs(root: Path) -> SimpleNamespace:
    store, street = RunStore(root), draw_street(root)
    runs = {
        "odd": invented_run(store, odd_folder(root), (0.3, 0.8), name=ODD),
        "many_classes": many_classes(store, root),
        "grown": invented_run(store, street, (0.1, 0.3, 0.6, 0.9)),
        "older": invented_run(store, street, (0.2, 0.5), name=OLDER),
        "newer": invented_run(store, street, (0.2, 0.4, 0.6), seed=1, name=NEWER),
        "marked": invented_run(store, street, GROWING),
        "keys": invented_run(store, street, GROWING),
        "results": invented_run(store, street),
        "newest": invented_run(store, street, seed=1, name=f"newest {ODD}"),
    }
    store.close()
    return SimpleNamespace(**{name: run.id for name, run in runs.items()})


def odd_folder(root: Path) -> Path:
    """A data set of which a class, the pictures and what is known of them are called as if they were HTML."""
    odd = labels(101, 6, (ODD, "dog"))
    for image in odd["images"]:
        image["file_name"] = f"{ODD} {image['id']}.png"
    folder = write(root / "data/odd", {"train": labels(1, 3, (ODD, "dog")), "val": odd})
    rows = "".join(f"{i['file_name']},{(ODD, '*b*')[i['id'] % 2]}\n" for i in odd["images"])
    (folder / "known.csv").write_text(f"file_name,{ODD}\n{rows}nobody {ODD},x\n")
    return folder


def many_classes(store: RunStore, root: Path):
    """Imported results: the first classes are the most frequent ones, and confused with the next."""
    folder, rng = root / "many", np.random.default_rng(0)
    folder.mkdir()
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 200, "height": 200} for i in range(1, IMAGES + 1)]
    objects, results = [], []
    for image in images:
        Image.new("RGB", (200, 200), "grey").save(folder / image["file_name"])
        for place in range(PER_IMAGE):
            number, label = len(objects) + 1, int(CLASSES * rng.random() ** 3)
            box = [40 * (place % 5), 40 * (place // 5), 30, 30]
            common = {"image_id": image["id"], "bbox": box}
            objects.append({"id": number, "category_id": label + 1, "area": 900, "iscrowd": 0} | common)
            if number % NOT_FOUND:
                taken_for = (label + 1) % CLASSES if number % TAKEN_FOR_NEXT == 0 else label
                results.append({"category_id": taken_for + 1, "score": 0.9} | common)
    categories = [{"id": i + 1, "name": f"class {i}"} for i in range(CLASSES)]
    (folder / "gt.json").write_text(json.dumps({"images": images, "annotations": objects, "categories": categories}))
    (folder / "dt.json").write_text(json.dumps(results))
    return import_results(store, folder / "gt.json", folder / "dt.json", folder)

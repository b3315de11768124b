"""coco2017/worker.py with a downloader that does what FiftyOne's does, and leaves undone what it leaves undone, but
starts at once: for the tests of what happens around it. `child.MODULE` names it.

A picture named in the variable QUICK_FETCH_FULL finds the disk full; one in QUICK_FETCH_DEATH ends the process.
"""

import errno
import json
import os
import zipfile
from multiprocessing.dummy import Pool
from pathlib import Path

import requests

from core.datasets.coco2017 import worker


class WebSessionError(Exception):
    """FiftyOne's, by name."""


def download_coco_dataset_split(dataset_dir, split, image_ids, raw_dir, scratch_dir, num_workers=8):
    data, raw, scratch = Path(dataset_dir, "data"), Path(raw_dir), Path(scratch_dir)
    for folder in (data, raw, scratch):
        folder.mkdir(parents=True, exist_ok=True)
    listed = raw / f"instances_{split.removesuffix('idation')}2017.json"
    if not listed.exists():
        bring((worker.ANNOTATIONS, scratch / "annotations.zip"))
        with zipfile.ZipFile(scratch / "annotations.zip") as archive:
            archive.extractall(scratch / "trainval")
        for path in (scratch / "trainval" / "annotations").iterdir():
            os.replace(path, raw / path.name)
    images = {image["id"]: image for image in json.loads(listed.read_text())["images"]}
    tasks = [(images[i]["coco_url"], data / images[i]["file_name"]) for i in image_ids]
    with Pool(num_workers) as pool:
        for _ in pool.imap_unordered(bring, [task for task in tasks if not task[1].exists()]):
            pass


def bring(task):
    url, path = task
    answer = requests.get(url, stream=True)
    if answer.status_code != 200:
        raise WebSessionError(f"Unable to get '{url}'")
    with path.open("wb") as file:
        for chunk in answer.iter_content(1024):
            file.write(chunk)
            if path.name in os.environ.get("QUICK_FETCH_FULL", ""):
                raise OSError(errno.ENOSPC, "No space left on device")
            if path.name in os.environ.get("QUICK_FETCH_DEATH", ""):
                os.write(2, b"something broke\n")
                os._exit(3)


def quick(answers):
    answers.send(ready=True)
    return download_coco_dataset_split


if __name__ == "__main__":
    worker._import_fiftyone = quick
    worker.SECONDS_TO_ANSWER = 1
    worker.main()

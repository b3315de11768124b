"""The child process that serves FiftyOne's App: `python -m core.apps.fiftyone_child`; see `side_app.py`.

    {"ask": "open", "run": …, "epoch": …, "score": …, "images": [ids] or null for all, "corrected": with which labels}
        -> {"port": …, "path": of the dataset, "name": of the dataset, "note": sentences}
    {"ask": "tags", "run": …, "epoch": … or null for every model}    marks and tags come back into the run
        -> {"sentence": what came}

FiftyOne, whose import takes seconds, is imported here alone. It finds or starts its database itself, which is asked
before anything else. When the requests end, the tags of every dataset that was opened come back.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Generator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from core import LabError
from core.apps.answering import answer_requests
from core.apps.side_app import ADDRESS, FIFTYONE, free_port
from core.datasets.coco2017.child import QUIET
from core.datasets.split import CocoSplit
from core.evaluation.table import read_table
from core.export.bundle import Bundle, bundle_title
from core.export.fiftyone import dataset as datasets
from core.export.fiftyone.tags import Brought, bring_back
from core.keep_result import KeepResult
from core.runs.corrections.corrected import corrected_split, corrected_table
from core.runs.corrections.mend import Mender
from core.runs.evaluated.attributes import attributes_of_images
from core.runs.evaluated.images import evaluated_images
from core.runs.schema import Evaluation
from core.runs.store import RunStore
from core.wording import short

FIRST_PORT = 5151  # FiftyOne's own
WITHOUT = "Export the images as FiftyOne instead: the zip opens wherever FiftyOne runs."


class FiftyOneChild:
    """The App, which begins with the first dataset, and the datasets that it was given."""

    def __init__(self) -> None:
        self._store = RunStore.default()
        self._session: Any = None
        self._opened: set[tuple[str, int]] = set()

    def answer(self, request: dict[str, Any]) -> Generator[str, None, dict[str, Any]]:
        """Do what a request asks for; yields words. Raises LabError."""
        yield "Loading FiftyOne"
        check_database()
        if request["ask"] == "tags":
            return {"sentence": self._bring_back(request["run"], request["epoch"]).sentence}
        return (yield from self._open(request))

    def close(self) -> None:
        """Bring the tags back of what was opened."""
        for run_id, epoch in sorted(self._opened):
            with suppress(LabError):  # the run was deleted
                self._bring_back(run_id, epoch)

    def _open(self, request: dict[str, Any]) -> Generator[str, None, dict[str, Any]]:
        run = self._store.get(request["run"])
        evaluation = next((one for one in self._store.evaluations(run.id) if one.epoch == request["epoch"]), None)
        if evaluation is None or evaluation.table is None:
            raise LabError(f"Epoch {request['epoch']} of {run.id} has no detection table any more.")
        images, table, labels = evaluated_images(run), read_table(evaluation.table), ""
        if request["corrected"]:
            images, table, labels = _corrected(Mender(self._store, images), table)
        all_ids = tuple(image["id"] for image in images.images)
        bundle = Bundle(images, table, all_ids, request["score"], title=bundle_title(run, evaluation))
        attributes = attributes_of_images(self._store, images, table)
        dataset = datasets.open_dataset(run, evaluation.epoch)
        stamp = f"{_stamp(evaluation, images.json_path)} {labels}"
        work = KeepResult(datasets.write_dataset(dataset, bundle, attributes, stamp))
        for done, total in work:
            yield f"{done:,} of {total:,} images"
        bring_back(self._store, run.id, evaluation.epoch, dataset)
        self._opened.add((run.id, evaluation.epoch))
        view = datasets.choose_view(dataset, all_ids if request["images"] is None else request["images"])
        if self._session is None:
            yield "Starting FiftyOne's App"
            self._session = _launch()
        path = f"/datasets/{quote(dataset.name)}{view}"
        return {"port": self._session.server_port, "path": path, "name": dataset.name, "note": work.result.note}

    def _bring_back(self, run_id: str, epoch: int | None) -> Brought:
        of_run = datasets.find_datasets(run_id, epoch)
        if not of_run:
            raise LabError(f"FiftyOne has no dataset of the run {run_id}: open it there first.")
        brought = Brought()
        for dataset in of_run:
            of_epoch = next(int(tag.split()[1]) for tag in dataset.tags if tag.startswith("epoch "))
            brought += bring_back(self._store, run_id, of_epoch, dataset)
        return brought


def check_database() -> None:
    """Import FiftyOne and ask its database; raises LabError, one sentence, where either is not there."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import fiftyone
        from fiftyone.core.service import ServiceException
    except ImportError as error:
        raise LabError(f"FiftyOne is not installed here ({short(error)}): pip install fiftyone. {WITHOUT}") from None
    try:
        fiftyone.list_datasets()
    except fiftyone.core.config.FiftyOneConfigError:
        raise LabError(
            "FiftyOne finds no MongoDB on this machine: install one and name it in FIFTYONE_DATABASE_URI. " + WITHOUT
        ) from None
    except (OSError, RuntimeError, ServiceException) as error:
        traceback.print_exc()
        where = fiftyone.config.database_uri and " at FIFTYONE_DATABASE_URI"
        raise LabError(f"FiftyOne's database{where or ''} does not answer ({short(error)}). {WITHOUT}") from None


def _launch() -> Any:
    """Start the App for this machine alone, without a browser; return its session."""
    import fiftyone

    session = fiftyone.launch_app(port=free_port(FIRST_PORT), address=ADDRESS, remote=True, auto=False)
    return session


def _corrected(mender: Mender, table: pa.Table) -> tuple[CocoSplit, pa.Table, str]:
    """Return images and table with the labels as they are corrected now, and what changes with a correction."""
    state, corrections = mender.journal.state(), mender.corrections()
    if not state:
        return mender.split, table, ""
    return corrected_split(mender.split, corrections).split, corrected_table(table, corrections), state


def _stamp(evaluation: Evaluation, json_path: os.PathLike[str]) -> str:
    """Return what changes with the model's boxes and the annotations."""
    status = os.stat(json_path)
    return f"{evaluation.created} {status.st_mtime_ns} {status.st_size}"


def main() -> None:
    """Answer requests until they end, and bring the tags back."""
    fiftyone = FiftyOneChild()
    answer_requests(FIFTYONE.title, fiftyone.answer)
    fiftyone.close()
    # FiftyOne's own end waits for its server for up to 10 s; that and the database see that this process is gone
    os._exit(0)


if __name__ == "__main__":
    main()

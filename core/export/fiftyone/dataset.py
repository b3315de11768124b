"""A bundle as a dataset in FiftyOne's database, which stays there: made once for each model of a run, then updated.

In: a `Bundle`, what is known of its images, and the run. Out: a FiftyOne dataset whose samples are the pictures where
they lie, with the fields ground_truth, predictions and coco_id, and one for each attribute. What was done to it in
FiftyOne stays: tags of samples and of labels, further fields, views. `tags.py` brings the tags back.

FiftyOne is imported by whoever calls this; it takes seconds, so that no page does.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core import DataError
from core.datasets.attributes.attribute import ImageAttributes
from core.datasets.picture_check import examine_picture
from core.datasets.problems import ProblemKind
from core.export.bundle import Bundle
from core.export.fiftyone.fields import (
    GROUND_TRUTH,
    IMAGE_ID,
    PREDICTIONS,
    SampleValues,
    field_names,
    has_lists,
    sample_values,
)
from core.runs.schema import Run
from core.wording import short

if TYPE_CHECKING:
    import fiftyone

OWNER = "detr-lab"  # a tag of every dataset that is made here
INFO = "detr_lab"  # what is remembered of one, under this name in its `info`
VIEW = "Chosen in DETR Lab"  # the view of the images that were chosen there
NO_WORDS = re.compile(r"[^\w.-]++")
BATCH = 200  # samples that are written at once
LABELS = {GROUND_TRUTH: "coco_id", PREDICTIONS: "query"}  # and by what a label is the same one again


@dataclass(frozen=True)
class Written:
    """What was written.

    images   in the dataset
    missing  pictures that are not there or cannot be read, and are left out
    turned   pictures that FiftyOne shows turned, as EXIF says, though their boxes are of the stored pixels
    """

    images: int
    missing: int = 0
    turned: int = 0

    @property
    def note(self) -> str:
        """What a user should know of it, in sentences; "" if there is nothing."""
        notes = []
        if self.missing:
            notes.append(f"{self.missing:,} images are left out, as their pictures cannot be read.")
        if self.turned:
            notes.append(f"{self.turned:,} pictures are turned by EXIF there, and their boxes are not.")
        return " ".join(notes)


def dataset_name(run: Run, epoch: int) -> str:
    """Return what the dataset of a model is called in FiftyOne: by the run's name and id, and the epoch.

    It is a part of the App's address, so of the run's name only words are taken.
    """
    words = run.id if run.name == run.id else f"{NO_WORDS.sub(' ', short(run.name, 60)).strip()} {run.id}".strip()
    return f"{words} {f'{run.origin} results' if run.is_imported else f'epoch {epoch}'}"


def find_datasets(run_id: str, epoch: int | None = None) -> list[fiftyone.Dataset]:
    """Return the datasets of a run, or of one model of it."""
    import fiftyone

    tags = [OWNER, run_id, *([f"epoch {epoch}"] if epoch is not None else [])]
    return [fiftyone.load_dataset(name) for name in fiftyone.list_datasets(tags=tags)]


def open_dataset(run: Run, epoch: int) -> fiftyone.Dataset:
    """Return the dataset of a model, an empty one if there is none; it is called as the run is now."""
    import fiftyone

    name = dataset_name(run, epoch)
    datasets = find_datasets(run.id, epoch)
    dataset = datasets[0] if datasets else fiftyone.Dataset(name, persistent=True)
    if not datasets:
        dataset.tags = [OWNER, run.id, f"epoch {epoch}"]
        dataset.add_sample_field(IMAGE_ID, fiftyone.IntField)
        for field in LABELS:
            dataset.add_sample_field(field, fiftyone.EmbeddedDocumentField, embedded_doc_type=fiftyone.Detections)
    elif dataset.name != name:
        dataset.name = name
    return dataset


def write_dataset(
    dataset: fiftyone.Dataset, bundle: Bundle, attributes: ImageAttributes, stamp: str
) -> Generator[tuple[int, int], None, Written]:
    """Bring a dataset in step with a bundle; yield (images done, of how many). Raises DataError if no picture is there.

    stamp  changes with what the boxes depend on: nothing is written anew while it and the attributes stay the same
    """
    content = hashlib.blake2b(f"{stamp} {bundle.score} {attributes.stamp}".encode(), digest_size=8).hexdigest()
    info = dict(dataset.info.get(INFO, {}))
    if info.get("content") == content and len(dataset) == info["written"][0]:
        return Written(*info["written"])
    bundle, paths, written = yield from _with_pictures(bundle)
    yield from _keep_samples(dataset, bundle, paths)
    _declare(dataset, attributes)
    ids = dict(zip(*dataset.values([IMAGE_ID, "id"]), strict=True))
    tags = _label_tags(dataset)
    batch: list[SampleValues] = []
    total = len(bundle.images)
    for done, values in enumerate(sample_values(bundle, attributes), start=1):
        batch.append(values)
        if len(batch) == BATCH or done == total:
            _write_values(dataset, batch, ids, tags)
            batch = []
            yield done, total
    dataset.add_dynamic_sample_fields()  # so that the sidebar can filter by the attributes of boxes
    dataset.info[INFO] = info | {"content": content, "written": [written.images, written.missing, written.turned]}
    dataset.save()
    return written


def choose_view(dataset: fiftyone.Dataset, image_ids: Sequence[int]) -> str:
    """Keep the chosen images as a view of the dataset; return the end of its address, "" for all images."""
    if dataset.has_saved_view(VIEW):
        dataset.delete_saved_view(VIEW)
    ids = dict(zip(*dataset.values([IMAGE_ID, "id"]), strict=True))
    chosen = [ids[image_id] for image_id in dict.fromkeys(image_ids) if image_id in ids]
    if len(chosen) in (0, len(ids)):
        return ""
    dataset.save_view(VIEW, dataset.select(chosen, ordered=True))
    return "?view=" + VIEW.lower().replace(" ", "-")


def _with_pictures(
    bundle: Bundle,
) -> Generator[tuple[int, int], None, tuple[Bundle, dict[int, str], Written]]:
    """Return the bundle of the images whose pictures can be shown, and where these lie, by image."""
    paths: dict[int, str] = {}
    shown, turned = [], 0
    for done, image in enumerate(bundle.images, start=1):
        if done % BATCH == 0:
            yield 0, len(bundle.images)
        try:
            path = bundle.split.image_path(image)
        except DataError:
            continue
        kinds = {kind for kind, _ in examine_picture(path, (image["width"], image["height"]))}
        if kinds.isdisjoint((ProblemKind.MISSING, ProblemKind.UNREADABLE, ProblemKind.OTHER_SIZE)):
            paths[image["id"]] = os.path.abspath(path)
            shown.append(image)
            turned += ProblemKind.AS_STORED in kinds
    if not shown:
        raise DataError(f"None of the pictures of {bundle.split.json_path} can be read: FiftyOne has nothing to show.")
    missing = len(bundle.images) - len(shown) + len(bundle.missing_ids)
    return bundle.restricted_to(shown), paths, Written(len(shown), missing, turned)


def _keep_samples(
    dataset: fiftyone.Dataset, bundle: Bundle, paths: dict[int, str]
) -> Generator[tuple[int, int], None, None]:
    """Let the dataset have one sample for each image, with its picture where it lies now; yields (0, images)."""
    import fiftyone

    rows = zip(*dataset.values([IMAGE_ID, "id", "filepath"]), strict=True)
    known = {image_id: (sample_id, path) for image_id, sample_id, path in rows}
    dataset.delete_samples([sample_id for image_id, (sample_id, _) in known.items() if image_id not in paths])
    moved = {known[i][0]: path for i, path in paths.items() if i in known and known[i][1] != path}
    if moved:
        dataset.set_values("filepath", moved, key_field="id")
    samples = []
    for image in bundle.images:
        if image["id"] not in known:
            size = fiftyone.ImageMetadata(width=int(image["width"]), height=int(image["height"]))
            samples.append(fiftyone.Sample(paths[image["id"]], metadata=size, **{IMAGE_ID: image["id"]}))
    for first in range(0, len(samples), BATCH):
        dataset.add_samples(samples[first : first + BATCH], dynamic=False, progress=False)
        yield 0, len(bundle.images)


def _declare(dataset: fiftyone.Dataset, attributes: ImageAttributes) -> None:
    """Give the dataset a field for each attribute, and take out those of attributes that there are no more."""
    import fiftyone

    names, lists = field_names(attributes), has_lists(attributes)
    ours = set(dataset.info.get(INFO, {}).get("fields", []))
    for name in ours & set(dataset.get_field_schema()):
        dataset.delete_sample_field(name)
    for attribute in attributes.attributes:
        name = names[attribute.name]
        if dataset.has_field(name):  # a field of the user's is not overwritten
            continue
        if lists[attribute.name]:
            dataset.add_sample_field(name, fiftyone.ListField, subfield=fiftyone.StringField)
        else:
            dataset.add_sample_field(name, fiftyone.StringField)
        ours.add(name)
    dataset.info[INFO] = dict(dataset.info.get(INFO, {})) | {"fields": sorted(ours & set(names.values()))}
    dataset.save()


def _label_tags(dataset: fiftyone.Dataset) -> dict[tuple[int, str, Any], list[str]]:
    """Return the tags of the labels, by image, field and what tells a label again."""
    tags: dict[tuple[int, str, Any], list[str]] = {}
    for field, key in LABELS.items():
        if f"{field}.detections.{key}" not in dataset.get_field_schema(flat=True):  # nothing was written yet
            continue
        paths = [IMAGE_ID, f"{field}.detections.{key}", f"{field}.detections.tags"]
        for image_id, keys, of_labels in zip(*dataset.values(paths), strict=True):
            for one, given in zip(keys or [], of_labels or [], strict=True):
                if given:
                    tags[image_id, field, one] = list(given)
    return tags


def _write_values(
    dataset: fiftyone.Dataset,
    batch: Sequence[SampleValues],
    ids: dict[int, str],
    tags: dict[tuple[int, str, Any], list[str]],
) -> None:
    """Write boxes and fields of some images, with the tags that their labels had."""
    import fiftyone

    for field, key in LABELS.items():
        labels = {
            ids[one.image_id]: fiftyone.Detections(
                detections=[
                    fiftyone.Detection(tags=tags.get((one.image_id, field, box.get(key)), []), **box)
                    for box in getattr(one, field)
                ]
            )
            for one in batch
        }
        dataset.set_values(field, labels, key_field="id", dynamic=False)
    ours = set(dataset.info[INFO]["fields"])
    for name in ours & set(batch[0].fields):
        dataset.set_values(name, {ids[one.image_id]: one.fields[name] for one in batch}, key_field="id")

"""Open the bundle that this file lies in, in FiftyOne: pictures, annotations, predictions and their errors.

    pip install fiftyone
    python open_in_fiftyone.py

It stands alone and needs FiftyOne only (tried with 1.22.1).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import fiftyone


def load(folder: str | Path, name: str | None = None) -> fiftyone.Dataset:
    """Return a FiftyOne dataset of the bundle in `folder`, with the fields ground_truth, predictions and coco_id.

    Extra keys of a box become its attributes: error, iou, gt_id and query of a prediction, error of an annotation.
    """
    import fiftyone
    from fiftyone.utils.coco import add_coco_labels

    folder = Path(folder)
    dataset = fiftyone.Dataset.from_dir(
        dataset_type=fiftyone.types.COCODetectionDataset,
        data_path=str(folder / "data"),
        labels_path=str(folder / "labels.json"),
        label_types="detections",
        label_field={"detections": "ground_truth", "coco_id": "coco_id"},
        include_id=True,
        include_annotation_id=True,
        name=name,
    )
    categories = json.loads((folder / "labels.json").read_text(encoding="utf-8"))["categories"]
    predictions = json.loads((folder / "predictions.json").read_text(encoding="utf-8"))
    if predictions:
        add_coco_labels(dataset, "predictions", predictions, categories, coco_id_field="coco_id")
    for field in ("ground_truth", "predictions"):  # where there is no box at all
        if not dataset.has_field(field):
            dataset.add_sample_field(field, fiftyone.EmbeddedDocumentField, embedded_doc_type=fiftyone.Detections)
    dataset.add_dynamic_sample_fields()  # so that the sidebar can filter by the attributes
    return dataset


def main() -> None:
    """Open the bundle in FiftyOne's App, and wait until that is closed."""
    import fiftyone

    session = fiftyone.launch_app(load(Path(__file__).resolve().parent), address="127.0.0.1")
    session.wait(-1)


if __name__ == "__main__":
    main()

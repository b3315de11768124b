"""The model card, README.md: what a model is, how to use it, what it was trained on, how good it is, where it errs.

In: a `SavedModel` and its detection table. Out: Markdown after metadata in YAML. What comes from files and users is
text in it, nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from core import RunError
from core.charts.sections import View, verdicts
from core.datasets.split import FEW
from core.detr.sources.released import RELEASED
from core.evaluation.findings.bootstrap import Intervals, bootstrap
from core.evaluation.findings.curves import ClassFigures, class_figures
from core.evaluation.findings.threshold_curve import threshold_curve
from core.evaluation.table import table_metadata
from core.export.huggingface import sections
from core.export.huggingface.markdown import bullets, text
from core.export.huggingface.metadata import base_model, data_name, front_matter
from core.export.saved_model import SavedModel
from core.export.text import describe_table, percent

HERE = "path/to/this/folder"
USE = """```python
from transformers import pipeline

detector = pipeline("object-detection", model="{name}")
for detection in detector("picture.jpg", threshold={score:.2f}):
    print(detection["label"], round(detection["score"], 3), detection["box"])
```"""
NOT_EVALUATED = "This checkpoint was not evaluated, or its evaluation is not kept: nothing is known of how good it is."
MOST_LISTED = 12  # classes in a sentence


def model_card(
    model: SavedModel,
    model_type: str,
    table: pa.Table | None,
    baseline: pa.Table | None,
    score: float,
    pictures: Sequence[tuple[str, str]] = (),
    name: str = HERE,
) -> str:
    """Return the card.

    table, baseline  the detection tables of this model and of the untouched one, None where they are not kept
    score            predictions count from it, where a threshold matters
    pictures         (title, file in the folder) of the drawn images
    name             of the model on the hub
    """
    best = threshold_curve(table).best if table is not None else None
    parts = [
        ("Use", f"{USE.format(name=name, score=score if best is None else best)}\n\n{_use(best)}"),
        ("Data", sections.data(model)),
        ("Training", sections.recipe(model)),
    ]
    parts += [("Figures", NOT_EVALUATED)] if table is None else _judged(model, table, baseline, score)
    if pictures:
        shown = "\n\n".join(f"![{text(title)}]({file})\n\n{text(title)}" for title, file in pictures)
        parts.append(("Pictures", f"The images with the most errors: predictions red, ground truth green.\n\n{shown}"))
    body = "\n\n".join(f"## {title}\n\n{content}" for title, content in parts)
    return f"{front_matter(model, model_type)}\n# {text(model.run.name)}\n\n{_introduction(model)}\n\n{body}\n"


def _judged(model: SavedModel, table: pa.Table, baseline: pa.Table | None, score: float) -> list[tuple[str, str]]:
    """Return the parts that an evaluation gives."""
    classes = class_figures(table, score)
    intervals, baseline = _intervals(table, baseline)
    shown = sections.figures(intervals, table, baseline, classes)
    return [
        ("Figures", f"On the validation part: {text(describe_table(table))}.\n\n{shown}"),
        ("Errors", sections.errors(table, classes, score)),
        ("Limits", bullets(limits(model, table, classes, score))),
    ]


def _introduction(model: SavedModel) -> str:
    names = model.labels.names
    listed = ", ".join(text(name) for name in names[:MOST_LISTED])
    more = f" and {len(names) - MOST_LISTED:,} more" if len(names) > MOST_LISTED else ""
    base = base_model(model.config.model)
    began = f"fine-tuned from [{base}](https://huggingface.co/{base})" if base else "trained"
    licence = (
        f"The licence of the base model is {RELEASED[base].licence}."
        if base in RELEASED
        else "No licence is stated: name one in the metadata above before you publish it."
    )
    return (
        f"An object detector for {len(names):,} class{'es' * (len(names) != 1)} ({listed}{more}), {began} on the data "
        f"set “{text(data_name(model))}” with DETR Lab. {licence}"
    )


def _use(best: float | None) -> str:
    asked = (
        "No score was found from which anything is right."
        if best is None
        else f"From the score {best:.2f} on, F1 over all classes was highest on the validation images."
    )
    return (
        f"{asked} `AutoModelForObjectDetection` and `AutoImageProcessor` open the folder too; give them pictures one "
        "at a time, or of one size: in a batch that is padded the backbone sees the padding."
    )


def _intervals(table: pa.Table, baseline: pa.Table | None) -> tuple[Intervals, pa.Table | None]:
    """Return the intervals, and the baseline if it can be compared: it was evaluated on the same images and objects."""
    try:
        return bootstrap(table, baseline), baseline
    except RunError:
        return bootstrap(table), None


def limits(model: SavedModel, table: pa.Table, classes: Sequence[ClassFigures], score: float) -> list[str]:
    """Return what the evaluation says that the model cannot do, as Markdown sentences."""
    images = len(table_metadata(table).image_ids)
    rows = [f"It was judged by {images:,} images of one data set; pictures of another kind were not tried."]
    rows += [text(sentence, 600) for sentence in verdicts(View(table, score))]
    few = [one for one in classes if one.objects < FEW]
    if few:
        names = ", ".join(f"{text(one.name)} ({one.objects:,})" for one in few[:MOST_LISTED])
        more = f" and {len(few) - MOST_LISTED:,} more" if len(few) > MOST_LISTED else ""
        rows.append(f"Of these classes there were fewer than {FEW} objects to judge by: {names}{more}.")
    weak = sorted((one for one in classes if one.objects >= FEW and one.AP is not None), key=lambda one: one.AP or 0)
    if len(weak) > 1:
        worst = ", ".join(f"{text(one.name)} (AP {percent(one.AP)}, recall {percent(one.recall)})" for one in weak[:3])
        rows.append(f"Its weakest classes: {worst}.")
    size = sections.pictures(model.config)
    rows.append(f"Pictures are shown to it in one size ({size}): what is a few pixels wide then cannot be found.")
    return rows

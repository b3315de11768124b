"""The folder of a trained model as the Hugging Face hub and transformers have it.

    config.json, model.safetensors      the model, as transformers saves it
    preprocessor_config.json            how pictures are made, so that the boxes are the lab's
    label_map.json                      which class is which of the data set's categories: by it the lab reads it again
    README.md                           the model card
    pictures/1.jpg …                    the images with the most errors

In: a `SavedModel`. Out: these files, of which none tells where they were made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from core import DataError, ModelError
from core.detr.model_folder import LABEL_MAP_FILE, read_config, weight_files
from core.detr.sources.config import CONFIG, INDEX
from core.detr.sources.image_processor import PROCESSOR, write_image_processor
from core.evaluation.table import read_table
from core.export.analysis import worst_pictures
from core.export.huggingface.card import HERE, model_card
from core.export.saved_model import SavedModel
from core.files import open_file
from core.runs.models import baseline_of
from core.runs.schema import Evaluation

CARD = "README.md"
PICTURES = "pictures"
QUALITY = 90  # of their JPEGs


def write_folder(
    model: SavedModel, folder: Path, score: float = 0.5, pictures: int = 4, name: str = ""
) -> Iterator[str]:
    """Write the model into the empty `folder`; yield what is done, in words.

    score     predictions count from it, where a threshold matters
    pictures  how many of the worst images go with it
    name      of the model on the hub, for the card; "" if it is not to go there

    Raises ModelError if the checkpoint cannot be read, OSError if the folder cannot be written.
    """
    yield "Copying the model"
    model_type = read_config(model.folder, model.run.name).model_type
    _copy_model(model, folder, model_type)
    table = _table(model.evaluation)
    baseline = _table(baseline_of(model.store.evaluations(model.run.id)))
    drawn: list[tuple[str, str]] = []
    if table is not None and pictures:
        yield f"Drawing {pictures} picture{'s' * (pictures != 1)}"
        drawn = _draw(model, table, folder / PICTURES, score, pictures)
    yield "Writing the model card"
    card = model_card(model, model_type, table, baseline, score, drawn, name or HERE)
    (folder / CARD).write_text(card, encoding="utf-8")


def _copy_model(model: SavedModel, folder: Path, model_type: str) -> None:
    names = [CONFIG, LABEL_MAP_FILE, *(path.name for path in weight_files(model.folder))]
    names += [name for name in (INDEX, PROCESSOR) if os.path.exists(model.folder / name)]
    for name in names:
        try:
            with open_file(model.folder / name) as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)
        except FileNotFoundError:
            raise ModelError(f"The checkpoint {model.folder} lacks {name}: it is not whole, train or resume.") from None
    if PROCESSOR not in names:  # of an earlier version
        write_image_processor(folder, model_type, model.config)


def _table(evaluation: Evaluation | None) -> pa.Table | None:
    return read_table(evaluation.table) if evaluation and evaluation.table else None


def _draw(model: SavedModel, table: pa.Table, folder: Path, score: float, most: int) -> list[tuple[str, str]]:
    """Draw the worst images; none where the data is gone. Returns each one's title and file."""
    drawn: list[tuple[str, str]] = []
    folder.mkdir()
    with suppress(DataError):
        for number, (title, picture) in enumerate(worst_pictures(model.run, table, score, most), 1):
            file = f"{number}.jpg"
            picture.convert("RGB").save(folder / file, quality=QUALITY)
            drawn.append((title, f"{folder.name}/{file}"))
    if not drawn:
        folder.rmdir()
    return drawn

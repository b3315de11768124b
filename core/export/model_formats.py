"""The forms in which a trained model leaves the lab: `MODEL_FORMATS`, which the command line and the app offer alike.

In: a `SavedModel`. Out: a folder, or a zip of one, whole or not at all. `writers.py` has the forms for images instead.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from core import RunError
from core.disk import atomic_file, atomic_folder, clear_leftovers, hidden_path
from core.export.huggingface.folder import write_folder
from core.export.huggingface.push import push_folder
from core.export.saved_model import SavedModel
from core.files import open_file
from core.wording import size_text

PACKED = (".safetensors", ".onnx", ".jpg", ".png")  # files that would not get smaller in a zip


@dataclass(frozen=True)
class ModelOptions:
    """What a user may choose of an export.

    score     predictions count from it, where a threshold matters
    pictures  how many of the worst images are drawn into it
    name      under which it will be uploaded; "" if it will not be
    """

    score: float = 0.5
    pictures: int = 4
    name: str = ""


@dataclass(frozen=True)
class ModelFormat:
    """A form of a model.

    key          its name on the command line
    label, description  for the user
    icon         of its button, one of Streamlit's
    write        writes the model into an empty folder, and yields what it is doing, in words
    push         uploads that folder under a name, privately or not, and returns the address; None if nobody takes it
    """

    key: str
    label: str
    description: str
    icon: str
    write: Callable[[SavedModel, Path, ModelOptions], Iterator[str]]
    push: Callable[[Path, str, bool], Generator[str, None, str]] | None = None


@dataclass(frozen=True)
class ModelExport:
    """A written export: its folder or file, its size in bytes, and its number of files."""

    path: Path
    size: int
    files: int

    @property
    def sentence(self) -> str:
        """As "9 files, 7.6 MB"."""
        return f"{self.files:,} file{'s' * (self.files != 1)}, {size_text(self.size)}"


MODEL_FORMATS = {
    form.key: form
    for form in (
        ModelFormat(
            "huggingface", "Hugging Face", "A folder that transformers opens as it is, with a model card of this run.",
            ":material/package_2:",
            lambda model, folder, options: write_folder(model, folder, options.score, options.pictures, options.name),
            push_folder,
        ),
    )
}  # fmt: skip


def write_model(
    model: SavedModel, form: ModelFormat, out: Path, options: ModelOptions
) -> Generator[str, None, ModelExport]:
    """Write the model to `out`, a new folder, or a zip if that is its ending; yield what is done, in words.

    A caller that stops iterating stops the export, and nothing is left. Raises RunError if `out` cannot be written, or
    is a folder that holds something; what the form raises.
    """
    if out.suffix.lower() == ".zip":
        clear_leftovers(out.parent)
        with _unwritable(out), hidden_path(out.with_suffix("")) as folder:
            try:
                folder.mkdir(parents=True)
                yield from form.write(model, folder, options)
                files = _files(folder)
                yield f"Packing {len(files)} files"
                with atomic_file(out) as part, ZipFile(part, "w", strict_timestamps=False) as archive:
                    for path in files:
                        _add(archive, path, f"{out.stem}/{path.relative_to(folder).as_posix()}")
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        return ModelExport(out, out.stat().st_size, len(files))
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise RunError(f"{out} is there already: choose another folder for the model, or delete that one.")
    with _unwritable(out), atomic_folder(out) as partial:
        yield from form.write(model, partial, options)
        files = _files(partial)
        size = sum(path.stat().st_size for path in files)
    return ModelExport(out, size, len(files))


@contextmanager
def _unwritable(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror or error}.") from error


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _add(archive: ZipFile, path: Path, name: str) -> None:
    entry = ZipInfo(name, time.localtime()[:6])
    entry.compress_type = ZIP_STORED if path.suffix in PACKED else ZIP_DEFLATED
    with open_file(path) as source, archive.open(entry, "w", force_zip64=True) as target:
        shutil.copyfileobj(source, target)

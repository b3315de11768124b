"""The command that writes a run for other tools: images with their boxes, or its trained model: export."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

from core import LabError
from core.cli.chosen_run import HAS_MODEL, chosen_run
from core.cli.command import Command, add_epoch, add_run, check_score, show, show_json, show_progress, tell_steps
from core.cli.evaluations import changed_since, chosen_evaluation, detection_table_of
from core.cli.onnx_commands import ONNX, add_onnx_options, export_onnx
from core.keep_result import KeepResult
from core.runs.schema import Run
from core.runs.store import RunStore
from core.wording import short

if TYPE_CHECKING:
    import pyarrow as pa

    from core.export.model_formats import ModelFormat

T = TypeVar("T")


def add_export_options(parser: ArgumentParser) -> None:
    """Add the options of `export`; their words are checked later, because the files that know them load slowly."""
    add_run(parser)
    parser.add_argument(
        "--out", metavar="PATH",
        help="of images FILE.zip; or FILE.json for COCO's annotations, with the predictions in FILE-predictions.json "
        "beside it; of a model a new folder, or FILE.zip (default: RUN-FORMAT); of onnx a folder (default: in the "
        "run's, where Results shows it)",
    )  # fmt: skip
    parser.add_argument(
        "--as", dest="kind", default="coco", metavar="FORMAT",
        help="images: coco (JSON), png (pictures with boxes) or fiftyone (with a script that opens it); the trained "
        "model: huggingface (a folder for transformers, with a model card) or onnx (files for ONNX Runtime, measured) "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--score", type=float, default=0.5, help="predictions from this score; 0: all, for AP (default: %(default)s)"
    )
    add_epoch(parser)
    add_image_options(parser)
    _add_model_options(parser)
    add_onnx_options(parser)


def add_image_options(parser: ArgumentParser) -> None:
    """Add the options that choose images, which `chosen_images` reads."""
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    parser.add_argument("--marked", action="store_true", help="only images that are marked")
    parser.add_argument("--images", type=int, metavar="ID", help="only these images (default: all)", **several)
    parser.add_argument("--class", dest="classes", metavar="NAME", help="only images with such boxes", **several)
    parser.add_argument("--size", dest="sizes", metavar="SIZE", help="the same: small, medium, large", **several)
    parser.add_argument(
        "--error", metavar="TYPE",
        help="the same, by error type: classification, localization, both, duplicate, background or missed",
    )  # fmt: skip
    parser.add_argument(
        "--slice", dest="slices", metavar="NAME:VALUE", help="only images of such a slice, as weather:rain", **several
    )


def _add_model_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("a model", "of the best epoch, or of the last with --epoch")
    group.add_argument(
        "--pictures", type=int, default=4, metavar="N",
        help="how many of the images with the most errors go with its card (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--push",
        metavar="OWNER/NAME",
        help="huggingface: upload it to this repository of the hub, with the token of hf auth login or HF_TOKEN",
    )
    group.add_argument("--private", action="store_true", help="with --push: others do not see a new repository")


def export(options: Namespace) -> None:
    """Write the chosen images with their boxes, or the trained model."""
    from core.export.model_formats import MODEL_FORMATS
    from core.export.writers import ExportFormat

    if options.kind == ONNX:
        export_onnx(options)
    elif options.kind in MODEL_FORMATS:
        _export_model(options)
    elif options.kind in list(ExportFormat):
        _export_images(options)
    else:
        raise LabError(
            f"There is no format {options.kind!r}: choose from {', '.join([*ExportFormat, *MODEL_FORMATS, ONNX])}."
        )


def _export_model(options: Namespace) -> None:
    """Write the trained model as a folder, saying what is done."""
    from core.export.model_formats import MODEL_FORMATS, ModelOptions, write_model
    from core.export.saved_model import saved_model

    check_score(options.score)
    if options.pictures < 0:
        raise LabError(f"--pictures is {options.pictures}: give 0 or more.")
    store = RunStore.default()
    model = saved_model(store, chosen_run(store, options.run_id, HAS_MODEL), options.epoch)
    form, words = MODEL_FORMATS[options.kind], f"the model {model.name} of {model.run.id}"
    with TemporaryDirectory(prefix="detr-lab-") as temporary:
        out = Path(options.out or (Path(temporary) / "model" if options.push else f"{model.run.id}-{form.key}"))
        answer: dict[str, Any] = {"id": model.run.id, "as": form.key}
        if options.push:
            _check_push(form, out, options.push)
        written = tell_steps(
            write_model(model, form, out, ModelOptions(options.score, options.pictures, options.push or ""))
        )
        if options.out or not options.push:
            show(f"{out}: {words}, {written.sentence}")
            answer["out"] = str(out)
        if options.push and form.push:
            address = tell_steps(form.push(out, options.push, options.private))
            show(f"{address}: {words}")
            answer["address"] = address
        show_json(answer)


def _check_push(form: ModelFormat, out: Path, name: str) -> None:
    """Raise LabError for an upload that could not follow, before anything is written."""
    from core.export.huggingface.push import check_repository

    if form.push is None:
        raise LabError(f"--push uploads no model as {form.key}: give --as huggingface.")
    if out.suffix.lower() == ".zip":
        raise LabError(f"--out is {out}, but --push uploads a folder: name one, or leave --out out.")
    check_repository(name)


def _export_images(options: Namespace) -> None:
    """Write the chosen images with their boxes, with a bar."""
    from core.export.bundle import Bundle, bundle_title
    from core.export.writers import ExportFormat, write_export
    from core.runs.evaluated.images import evaluated_images
    from core.runs.marks import Marks

    check_score(options.score)
    if options.out is None:
        raise LabError("Give --out: FILE.zip, or FILE.json for COCO's annotations.")
    if options.push:
        raise LabError(f"--push uploads a model, not images as {options.kind}: give --as huggingface.")
    kind, out = ExportFormat(options.kind), Path(options.out)
    endings = (".zip", ".json") if kind is ExportFormat.COCO else (".zip",)
    if out.suffix.lower() not in endings:
        raise LabError(f"--out is {out}: as {kind} it needs the ending {' or '.join(endings)}.")
    store = RunStore.default()
    evaluation = chosen_evaluation(store, options)
    table, run, marks = detection_table_of(evaluation), store.get(evaluation.run_id), Marks(store)
    marked = marks.image_ids(run.id) if options.marked else None
    ids = chosen_images(table, options, marked, images_of_slices(store, run, table, options.slices))
    if changed := changed_since(store, run, table):
        show(f"note: {changed}")
    run_marks, title = tuple(marks.all(run.id)), bundle_title(run, evaluation)
    bundle = Bundle(evaluated_images(run), table, tuple(ids), options.score, run_marks, title)
    work = KeepResult(write_export(bundle, kind, out))
    show_progress(work, "image", f"Exporting to {out}")
    show(f"{out}: {work.result.sentence}")
    show_json({"id": run.id, "as": options.kind, "out": str(out), "images": len(ids)})


def images_of_slices(store: RunStore, run: Run, table: pa.Table, texts: Sequence[str]) -> set[int] | None:
    """Return the images of the slices; None for all. Raises LabError for a slice that there is not."""
    from core.evaluation.selection import slice_of, slice_text
    from core.runs.evaluated.attributes import attributes_of

    if not texts:
        return None
    attributes = attributes_of(store, run, table)
    slices = [slice_of(text) for text in texts]
    known = attributes.known([one for one in slices if one])
    for text, one in zip(texts, slices, strict=True):
        if one not in known:
            every = ", ".join(slice_text((a.name, value)) for a in attributes.attributes for value in a.values)
            raise LabError(f"There is no slice {short(repr(text))}: choose from {short(every, 400) or 'none'}.")
    return attributes.images_of(known)


def chosen_images(
    table: pa.Table, options: Namespace, marked: list[int] | None, sliced: set[int] | None = None
) -> list[int]:
    """Return the ids of the images that the options choose, only of `marked` and `sliced` ones where not None."""
    from core.evaluation.selection import Selection, select_images
    from core.evaluation.table import table_metadata

    info = table_metadata(table)
    if unknown := [name for name in options.classes if name not in info.classes]:
        raise LabError(f"There is no class {unknown[0]!r}: choose from {', '.join(info.classes)}.")
    if missing := sorted(set(options.images) - set(info.image_ids)):
        raise LabError(f"There is no image {missing[0]} among the {len(info.image_ids):,} that were evaluated.")
    if marked == []:
        raise LabError("No image of this run is marked: mark some on the Errors page, or leave --marked out.")
    selection = Selection(
        options.score, tuple(options.classes), options.error, tuple(options.sizes), images=tuple(options.images)
    )
    for only in (marked, sliced):
        selection = selection if only is None else selection.on_images(only)
    ids = select_images(table, selection)
    if not ids:
        raise LabError("No image has what the options ask for: lower --score, or leave an option out.")
    return ids


COMMANDS = (
    Command(
        "export", "write images with their boxes for other tools (COCO JSON, PNGs, FiftyOne), or the trained model",
        add_export_options, export,
        "one JSON object: id, as, out, and what there is besides: images, address, measurements",
    ),
)  # fmt: skip

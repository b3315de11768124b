"""The command that writes images with their boxes for other tools: export."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import LabError
from core.cli.command import Command, add_epoch, add_run, check_score, show, show_progress
from core.cli.evaluations import changed_since, chosen_evaluation, detection_table_of
from core.keep_result import KeepResult
from core.runs.store import RunStore

if TYPE_CHECKING:
    import pyarrow as pa


def add_export_options(parser: ArgumentParser) -> None:
    """Add the options of `export`; their words are checked later, because the files that know them load slowly."""
    add_run(parser)
    parser.add_argument(
        "--out", required=True, metavar="FILE",
        help="FILE.zip; or FILE.json for COCO's annotations, with the predictions in FILE-predictions.json beside it",
    )  # fmt: skip
    parser.add_argument(
        "--as", dest="kind", default="coco", metavar="FORMAT",
        help="coco (JSON), png (pictures with boxes) or fiftyone (with a script that opens it) (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--score", type=float, default=0.5, help="predictions from this score; 0: all, for AP (default: %(default)s)"
    )
    add_epoch(parser)
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
    parser.add_argument("--marked", action="store_true", help="only images that are marked")
    parser.add_argument("--images", type=int, metavar="ID", help="only these images (default: all)", **several)
    parser.add_argument("--class", dest="classes", metavar="NAME", help="only images with such boxes", **several)
    parser.add_argument("--size", dest="sizes", metavar="SIZE", help="the same: small, medium, large", **several)
    parser.add_argument(
        "--error", metavar="TYPE",
        help="the same, by error type: classification, localization, both, duplicate, background or missed",
    )  # fmt: skip


def export(options: Namespace) -> None:
    """Write the chosen images with their boxes, with a bar."""
    from core.export.bundle import Bundle, bundle_title
    from core.export.writers import ExportFormat, write_export
    from core.runs.imports import evaluated_images
    from core.runs.marks import Marks

    check_score(options.score)
    if options.kind not in list(ExportFormat):
        raise LabError(f"There is no format {options.kind!r}: choose from {', '.join(ExportFormat)}.")
    kind, out = ExportFormat(options.kind), Path(options.out)
    endings = (".zip", ".json") if kind is ExportFormat.COCO else (".zip",)
    if out.suffix.lower() not in endings:
        raise LabError(f"--out is {out}: as {kind} it needs the ending {' or '.join(endings)}.")
    store = RunStore.default()
    evaluation = chosen_evaluation(store, options)
    table, run, marks = detection_table_of(evaluation), store.get(evaluation.run_id), Marks(store)
    ids = _chosen_images(table, options, marks.image_ids(run.id) if options.marked else None)
    if changed := changed_since(store, run, table):
        show(f"note: {changed}")
    run_marks, title = tuple(marks.all(run.id)), bundle_title(run, evaluation)
    bundle = Bundle(evaluated_images(run), table, tuple(ids), options.score, run_marks, title)
    work = KeepResult(write_export(bundle, kind, out))
    show_progress(work, "image", f"Exporting to {out}")
    show(f"{out}: {work.result.sentence}")


def _chosen_images(table: pa.Table, options: Namespace, marked: list[int] | None) -> list[int]:
    """Return the ids of the images that the options choose, only of `marked` ones if that is not None."""
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
    ids = select_images(table, selection if marked is None else selection.on_images(marked))
    if not ids:
        raise LabError("No image has what the options ask for: lower --score, or leave an option out.")
    return ids


COMMANDS = (
    Command(
        "export", "write images with their boxes for other tools: COCO JSON, PNGs or FiftyOne", add_export_options,
        export,
    ),
)  # fmt: skip

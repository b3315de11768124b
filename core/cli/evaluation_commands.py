"""The commands about a model's evaluation: import, evaluate, analyze, slices and table.

AP, AR and impact (ΔAP50) are in percent in whatever these commands print, in --json too.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import DataError, LabError
from core.cli.command import RUN_HELP, Command, add_epoch, add_run, check_score, show, show_json, show_progress
from core.cli.evaluations import changed_since, chosen_evaluation, detection_table_of
from core.cli.model_evaluation import add_model_options, evaluate_models, wants_model
from core.cli.shell.root import found
from core.datasets.problems import first_of
from core.export.text import describe_table, evaluation_json, evaluation_text, percent
from core.runs.models import baseline_of
from core.runs.schema import Evaluation
from core.runs.store import RunStore
from core.wording import sentence

if TYPE_CHECKING:  # some commands start without pyarrow
    import pyarrow as pa

TABLE_ENDINGS = (".parquet", ".csv")


def add_import_options(parser: ArgumentParser) -> None:
    """Add the options of `import`."""
    parser.add_argument("--gt", metavar="FILE", required=True, help="COCO ground truth (JSON)")
    parser.add_argument(
        "--dt", metavar="FILE", required=True, help="COCO results (JSON): a list, or a dict with annotations"
    )
    parser.add_argument(
        "--images", metavar="DIR", help="folder of the pictures (default: looked for beside the ground truth)"
    )
    parser.add_argument("--name", help="a name for the run")


def import_results(options: Namespace) -> None:
    """Make a run from results of any detector."""
    from core.runs.evaluated.imports import import_results

    store = RunStore.default()
    run = import_results(
        store, found(options.gt), found(options.dt), options.images and found(options.images), options.name
    )
    (evaluation,) = store.evaluations(run.id)
    show(run.id)
    metrics = ", ".join(f"{name} {percent(evaluation.figures[name])}" for name in ("AP", "AP50"))
    rows = detection_table_of(evaluation)
    show(f"imported: {describe_table(rows)}: {metrics}")
    show(*run.config["imported"]["notes"])
    if run.config["imported"]["images"] is None:
        show("No pictures were found, so boxes appear without them: import again with --images DIR to see them.")
    answer = {"id": run.id, "notes": run.config["imported"]["notes"]}
    show_json(answer | evaluation_json(evaluation.figures, rows, 0.0))
    show("next: open the app, or")
    for command in ("evaluate {}", "analyze {}", "table {} --out table.csv"):
        show(f"  python -m core {command.format(run.id)}")


def add_evaluate_options(parser: ArgumentParser) -> None:
    """Add the options of `evaluate`."""
    parser.add_argument("run_id", nargs="?", metavar="RUN", help=RUN_HELP)
    parser.add_argument("--gt", metavar="FILE", help="COCO ground truth (JSON), instead of a run")
    parser.add_argument("--dt", metavar="FILE", help="COCO results (JSON): a list, or a dict with annotations")
    add_epoch(parser)
    parser.add_argument("--score", type=float, default=0.0, help="count errors from this score (default: all)")
    parser.add_argument(
        "--corrected", action="store_true",
        help="of a run: with the labels as they are corrected now, and what that changes",
    )  # fmt: skip
    add_model_options(parser)


def evaluate(options: Namespace) -> None:
    """Print the COCO metrics, classes and errors of a run's model, of results in files, or of a model on images."""
    from core.evaluation.coco_files import read_truth
    from core.evaluation.of_files import evaluate_results

    check_score(options.score)
    if wants_model(options):
        if options.gt or options.dt or options.epoch is not None or options.corrected:
            raise LabError("A model on images is evaluated anew: leave out --gt, --dt, --epoch and --corrected.")
        _show_evaluated(options)
        return
    if options.run_id and not (options.gt or options.dt):
        store = RunStore.default()
        evaluation = chosen_evaluation(store, options)
        models, table = _models(store, evaluation), detection_table_of(evaluation)
        if options.corrected:
            models, table = _corrected(store, evaluation, table, options)
    elif options.corrected:
        raise LabError("--corrected is about the labels of a RUN: name one.")
    elif options.gt and options.dt and not options.run_id:
        truth, results = found(options.gt), found(options.dt)
        evaluated = evaluate_results(read_truth(truth), truth, results)
        models, table = {"results": evaluated.figures.to_dict()}, evaluated.table
        show(*evaluated.notes)
    else:
        raise LabError("Name a RUN, both --gt and --dt, or a model and images: --model and --data.")
    if options.json:
        *_, metrics = models.values()
        show_json(evaluation_json(metrics, table, options.score))
    else:
        show(*evaluation_text(models, table, options.score).split("\n"))


def _corrected(
    store: RunStore, evaluation: Evaluation, table: pa.Table, options: Namespace
) -> tuple[dict[str, dict[str, Any]], pa.Table]:
    """Say what the corrected labels change; return the metrics with them, after those without, and the table."""
    from core.evaluation.findings.curves import coco_figures
    from core.evaluation.findings.label_noise import LabelledEvaluation, in_words
    from core.runs.corrections.corrected import corrected_table
    from core.runs.corrections.journal import net_corrections
    from core.runs.corrections.mend import Mender
    from core.runs.evaluated.images import evaluated_images

    corrections = Mender(store, evaluated_images(store.get(evaluation.run_id))).corrections()
    net = net_corrections(corrections)
    after = corrected_table(table, corrections)
    noise = LabelledEvaluation(table).label_noise(after, options.score)
    show(in_words(noise, sum(map(len, net.values())), len(net)))
    return {"as evaluated": evaluation.figures, "corrected": coco_figures(after).to_dict()}, after


def _show_evaluated(options: Namespace) -> None:
    """Evaluate a model on images, and print of one input what `evaluate RUN` prints."""
    store = RunStore.default()
    runs = evaluate_models(options)
    evaluations = [store.evaluations(run.id)[0] for run in runs]
    if options.json:
        results = [evaluation_json(one.figures, detection_table_of(one), options.score) for one in evaluations]
        show_json(results[0] if len(results) == 1 else results)
    elif len(runs) == 1:
        figures, table = evaluations[0].figures, detection_table_of(evaluations[0])
        show("", *evaluation_text({"results": figures}, table, options.score).split("\n"))


def _models(store: RunStore, evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Return the metrics of the evaluation by the model's name, after the baseline's if that is another one."""
    run = store.get(evaluation.run_id)
    if evaluation.epoch == 0:
        return {"results" if run.is_imported else "baseline": evaluation.figures}
    baseline = baseline_of(store.evaluations(run.id))
    before = {"baseline": baseline.figures} if baseline else {}
    return {**before, f"epoch {evaluation.epoch}": evaluation.figures}


def add_analyze_options(parser: ArgumentParser) -> None:
    """Add the options of `analyze`."""
    add_run(parser)
    parser.add_argument("--images", type=int, default=10, help="how many, worst first (default: %(default)s)")
    add_epoch(parser)
    parser.add_argument("--score", type=float, default=0.5, help="predictions from this score (default: %(default)s)")


def analyze(options: Namespace) -> None:
    """Draw the worst images of a run's model, write its report, and print what `evaluate` prints."""
    from core.export.analysis import draw_worst_images, write_report

    check_score(options.score)
    if options.images < 1:
        raise LabError(f"--images is {options.images}: give 1 or more.")
    store = RunStore.default()
    evaluation = chosen_evaluation(store, options)
    table, run = detection_table_of(evaluation), store.get(evaluation.run_id)
    if changed := changed_since(store, run, table):
        show(f"note: {changed}")
    pictures: list[tuple[str, Any]] = []
    left_out: list[str] = []
    try:
        pictures, left_out = draw_worst_images(store, run, table, options.score, options.images)
    except DataError as error:
        if not run.is_imported:  # whose pictures may be missing
            raise
        show(f"No pictures: {sentence(error)}")
    if pictures:
        first = store.analysis_path(run.id, 1)
        show(f"{first} … {len(pictures)} pictures, worst first: red predictions, green ground truth")
    if left_out:
        show(f"Left out: {sentence(first_of(left_out))}")
    report = write_report(store, run, evaluation, table, options.score, pictures, changed)
    show(report)
    if options.json:
        drawn = [str(store.analysis_path(run.id, 1 + i)) for i in range(len(pictures))]
        written = {"report": str(report), "pictures": drawn, "left_out": list(left_out)}
        figures = evaluation_json(evaluation.figures, table, options.score)
        show_json({"id": run.id, "epoch": evaluation.epoch, **written, **figures})
    else:
        show(*evaluation_text(_models(store, evaluation), table, options.score).split("\n"))


def add_table_options(parser: ArgumentParser) -> None:
    """Add the options of `table`."""
    add_run(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help="FILE.parquet or FILE.csv")
    add_epoch(parser)


def table(options: Namespace) -> None:
    """Write a copy of the detection table, as Parquet or CSV."""
    from core.evaluation.table import write_table

    out = Path(options.out)
    if out.suffix.lower() not in TABLE_ENDINGS:
        raise LabError(f"--out is {out}: give it the ending {' or '.join(TABLE_ENDINGS)}, which says what it becomes.")
    rows = detection_table_of(chosen_evaluation(RunStore.default(), options))
    write_table(rows, out)
    show(f"{out}: {rows.num_rows:,} rows: {describe_table(rows)}")
    show_json({"out": str(out), "rows": rows.num_rows})


def add_slices_options(parser: ArgumentParser) -> None:
    """Add the options of `slices`."""
    add_run(parser)
    add_epoch(parser)
    parser.add_argument("--score", type=float, default=0.5, help="count errors from this score (default: %(default)s)")


def slices(options: Namespace) -> None:
    """Print AP and errors by all that is known of the images, and name the worst slice that is no noise."""
    from core.datasets.attributes.measured import measure_pictures
    from core.evaluation.findings.slices import slice_counts, take_slices
    from core.export.slices import slices_json, slices_text
    from core.keep_result import KeepResult
    from core.runs.evaluated.attributes import attributes_of, measures_of
    from core.runs.evaluated.images import evaluated_images

    check_score(options.score)
    store = RunStore.default()
    evaluation = chosen_evaluation(store, options)
    table, run = detection_table_of(evaluation), store.get(evaluation.run_id)
    if changed := changed_since(store, run, table):
        show(f"note: {changed}")
    images = evaluated_images(run)
    show_progress(measure_pictures(images, measures_of(store, images)), "picture", "Measuring the pictures, once")
    work = KeepResult(take_slices(table, attributes_of(store, run, table)))
    show_progress(work, "slice", "Comparing")
    counts = slice_counts(table, work.result, options.score)
    show(*slices_text(work.result, counts).split("\n"))
    show_json(slices_json(work.result, counts))


COMMANDS = (
    Command(
        "import", "make an evaluated run out of any detector's results", add_import_options, import_results,
        "one JSON object: id, notes, and what evaluate says; AP, AR and impact in percent",
    ),
    Command(
        "evaluate", "COCO metrics, classes and error types of a run, a results file, or any model on any images",
        add_evaluate_options, evaluate,
        "one JSON object, of several inputs a list; AP, AR and impact (ΔAP50) in percent",
    ),
    Command(
        "analyze", "the same metrics, and the worst images with their boxes as analysis_N.png", add_analyze_options,
        analyze, "one JSON object: id, epoch, report, pictures, left_out, and what evaluate says",
    ),
    Command(
        "slices", "AP and errors by camera, weather, folder, brightness and whatever else is known of the images",
        add_slices_options, slices,
        "one JSON object: the slices with AP, recall and their difference to all other images, in percent",
    ),
    Command(
        "table", "write the detection table: a row for every object and every prediction", add_table_options, table,
        "one JSON object: out, rows",
    ),
)  # fmt: skip

"""The command doctor: what the doctor and the training say of a run, and the command that trains what is advised."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from core import LabError
from core.cli.chosen_run import RECORDED, chosen_run
from core.cli.command import Command, add_run, show, show_json
from core.runs.schema import Run
from core.runs.store import RunStore
from core.wording import sentence


def show_remarks(run: Run) -> None:
    """Print a run's remarks, the most urgent first, each with the command that trains with what it advises."""
    from core.runs.advised.advised_run import train_command

    for remark in run.remarks:
        show(sentence("{level}: {title}. {evidence} {advice}".format_map(remark)))
        if remark.get("changes"):
            show(f"    {train_command(run.id, remark['changes'])}")


def add_doctor_options(parser: ArgumentParser) -> None:
    """Add the options of `doctor`."""
    add_run(parser)


def doctor(options: Namespace) -> None:
    """Print what is the matter with a run."""
    store = RunStore.default()
    run = chosen_run(store, options.run_id, RECORDED)
    if run.is_imported:
        raise LabError(f"The run {run.id} is {run.label.lower()}: the doctor looks at trainings.")
    if not run.remarks:
        show("Nothing to remark.")
    show_remarks(run)
    show_json({"id": run.id, "remarks": run.remarks})


COMMANDS = (
    Command(
        "doctor", "what is the matter with a training, and the command that trains with what is advised",
        add_doctor_options, doctor, "one JSON object: id, remarks",
    ),
)  # fmt: skip

"""`make torture`, or `python -m torture [--seed N] [--share 0.1] [--only kills,faults] [--case 137]`.

The last thing it prints is a table of counts. It exits with 1 if anything is lost, and says for each how to repeat it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from torture.lanes import outcomes
from torture.scenario import Plan, Table

FAMILIES = {  # name of the family: the module that lists its scenarios
    "kills": "torture.kills.trainings",
    "commands": "torture.kills.commands",
    "apps": "torture.kills.apps",
    "faults": "torture.faults.faults",
    "inputs": "torture.inputs.inputs",
    "links": "torture.links",
    "sessions": "torture.sessions",
}
LANES = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen families; return 1 if anything is lost, else 0."""
    options = _parser().parse_args(arguments)
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    os.environ["HF_HUB_OFFLINE"] = "1"
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    try:
        return _run(options, Plan(options.seed, options.share, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(options: argparse.Namespace, plan: Plan) -> int:
    from torture import tiny

    tiny.load_torch()
    table, begin = Table(), time.monotonic()
    for name in options.only:
        scenarios = importlib.import_module(FAMILIES[name]).scenarios(plan)
        if options.case is not None:
            scenarios = [one for one in scenarios if one.number == options.case]
        started = time.monotonic()
        for scenario, outcome in outcomes(scenarios, plan.folder / "lanes", options.lanes):
            table.add(scenario.row, outcome)
            if outcome.lost or options.case is not None or options.verbose:
                print(
                    f"{'lost' if outcome.lost else 'passed'}: {scenario.name}", *outcome.lost, sep="\n    ", flush=True
                )
            if outcome.lost:
                share = "" if plan.share == 1 else f" --share {plan.share}"
                print(f"    again: python -m torture --seed {plan.seed}{share} --only {name} --case {scenario.number}")
        print(f"{name}: {len(scenarios)} scenarios in {time.monotonic() - started:.0f} s", flush=True)
    print(f"\nSeed {plan.seed}, {(time.monotonic() - begin) / 60:.1f} minutes\n\n{table}")
    return 1 if table.lost else 0


def _families(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in FAMILIES]:
        raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}: choose of {', '.join(FAMILIES)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m torture", description="Kill, starve and mislead the project.")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn (default: 0)")
    parser.add_argument("--share", type=float, default=1.0, help="of the whole that is tried (default: 1)")
    parser.add_argument("--only", type=_families, default=list(FAMILIES), help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--case", type=int, help="only this scenario of the family")
    parser.add_argument("--lanes", type=int, default=LANES, help="scenarios at the same time (default: 2)")
    parser.add_argument("--verbose", action="store_true", help="also print what passed")
    return parser


if __name__ == "__main__":
    sys.exit(main())

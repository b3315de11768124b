"""`make bench`, or `python -m bench [ROW …] [--rounds 3] [--list]`: one table of what this project costs, and others.

In: names of rows, or of groups: `sample`, `losses-4-100-5`. Out: the table, row by row as it is measured. If all rows
are, it also takes its place in docs/measurements.md. DETR_LAB_COCO names a COCO folder of photographs, which are then
read in the place of drawn ones.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from bench.table import HEAD, Bench, NotMeasured, Row, chosen, line, line_without, machine, write_between
from core import PROJECT

PAGE = PROJECT / "docs/measurements.md"
FILES = (
    "samples", "padding", "losses", "steps", "epochs", "evaluation", "large", "pictures", "slices", "records",
    "gallery", "page", "start", "growth",
)  # fmt: skip


def all_rows() -> list[Row]:
    return [row for name in FILES for row in importlib.import_module(f"bench.{name}").ROWS]


def measure(rows: list[Row], rounds: int) -> tuple[list[str], bool, bool]:
    """Print and return the lines of the rows; and whether each could be measured, and whether one failed."""
    lines, is_whole, has_failed = [HEAD], True, False
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), rounds)
        for row in rows:
            try:
                text = line(row, row.measure(bench))
            except NotMeasured as reason:
                text, is_whole = line_without(row, f"not measured: {reason}"), False
            except Exception as error:  # the others are still to be measured
                traceback.print_exception(error)
                text, is_whole, has_failed = line_without(row, f"failed: {type(error).__name__}"), False, True
            lines.append(text)
            print(text, flush=True)
    return lines, is_whole, has_failed


def main(arguments: list[str] | None = None) -> int:
    """Measure the chosen rows; return 1 if one fails, 2 if one is not known, else 0."""
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    options = _parser().parse_args(arguments)
    try:
        rows = chosen(all_rows(), options.rows)
    except ValueError as error:
        print(f"python -m bench: {error}", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{row.name:28} {row.words}" for row in rows))
        return 0
    begin = time.monotonic()
    lines, is_whole, has_failed = measure(rows, options.rounds)
    summary = f"{machine()} {options.rounds} rounds, {(time.monotonic() - begin) / 60:.0f} minutes."
    print(f"\n{summary}")
    if not options.rows and is_whole:
        write_between(PAGE, "bench", f"{summary}\n\n" + "\n".join(lines))
    return int(has_failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure what this project costs, and others.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="a row's name, or a group's; all if none is named")
    parser.add_argument("--rounds", type=int, default=3, help="of each row (default: 3)")
    parser.add_argument("--list", action="store_true", help="print the names and measure nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())

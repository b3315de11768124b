"""`python -m bench.families [MODEL …]`: what each released model costs a picture, and the table of docs/models.md.

In: names of released models, or families; all that can be trained if none is named. Out: milliseconds and memory of a
picture on this machine's CPU, with random weights in the published layout, in a process of its own for each; they take
their place in the table. `--table` writes the table anew, with the figures that it has, and measures nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import time

from bench.table import machine, write_between
from core import PROJECT
from core.detr.pretrained import OFFERED
from core.detr.sources.released import COCO, FAMILIES, RELEASED, ReleasedModel

PAGE = PROJECT / "docs/models.md"
HEAD = (
    "| family | model | parameters | licence | COCO AP | pictures | ms an image | memory |",
    "|---|---|---|---|---|---|---|---|",
)
NOT_MEASURED = ("–", "–")
ROUNDS, WARM = 5, 2  # pictures of each model that are timed, and those before
PHOTOGRAPH = 4 / 3  # width to height of a picture that is not stretched to a square

Cells = tuple[str, str]


def table(measured: dict[str, Cells]) -> str:
    """Return the table in Markdown; `measured` has the last two cells of the models that were measured."""
    lines = [_line(model, measured.get(name, NOT_MEASURED)) for name, model in OFFERED.items()]
    return "\n".join([*HEAD, *lines])


def _line(model: ReleasedModel, cells: Cells) -> str:
    ap = f"{model.ap:.1f}" if model.data == COCO else f"– ({model.data}: {model.ap:.1f})"
    name = f"[{model.name}](https://huggingface.co/{model.name})"
    facts = (FAMILIES[model.family], name, f"{model.parameters:.1f} M", model.licence, ap, model.pictures, *cells)
    return f"| {' | '.join(facts)} |"


def measured_cells(page: str) -> dict[str, Cells]:
    """Return the last two cells of each model in the table of a page."""
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    whole = [row for row in rows if len(row) == HEAD[0].count("|") - 1]
    cells = {re.sub(r"\[([^\]]*)\].*", r"\1", row[1]): (row[-2], row[-1]) for row in whole}
    return {name: pair for name, pair in cells.items() if name in RELEASED and pair != NOT_MEASURED}


def picture_of(model: ReleasedModel) -> tuple[int, int]:
    """Return height and width of the picture that a model is asked about: its square, or a photograph in its edges."""
    shortest, longest = model.edges
    if model.square:
        return longest, longest
    width = min(longest, round(shortest * PHOTOGRAPH))
    return round(width / PHOTOGRAPH), width


def measure(name: str) -> dict[str, float]:
    """Return the median milliseconds of a picture, and the megabytes that the model and its answer take, here."""
    import torch

    from bench.layouts import model_of

    torch.manual_seed(0)
    before = _peak()
    model = model_of(name).eval()
    pixels = torch.randn(1, 3, *picture_of(RELEASED[name]))
    times = []
    with torch.inference_mode():
        for _ in range(WARM + ROUNDS):
            begin = time.perf_counter()
            model(pixel_values=pixels)
            times.append(1e3 * (time.perf_counter() - begin))
    return {"ms": statistics.median(times[WARM:]), "MB": _peak() - before}


def _peak() -> float:
    """Return the most megabytes that this process has had in memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main(arguments: list[str] | None = None) -> int:
    """Measure the chosen models and write the table; return 1 if one could not be measured, 2 if one is not known."""
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_OFFLINE": "1"}
    options = _parser().parse_args(arguments)
    if options.one:
        print(json.dumps(measure(options.one)))
        return 0
    unknown = [name for name in options.models if name not in OFFERED and name not in FAMILIES]
    if unknown:
        print(f"python -m bench.families: there is no model {unknown[0]!r}: see python -m core models", file=sys.stderr)
        return 2
    cells, has_failed = measured_cells(PAGE.read_text(encoding="utf-8")), False
    chosen = [n for n, m in OFFERED.items() if not options.models or {n, m.family} & set(options.models)]
    for name in [] if options.table else chosen:
        child = [sys.executable, "-m", "bench.families", "--one", name]
        done = subprocess.run(child, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=PROJECT, check=False)
        if done.returncode:
            has_failed = True
            continue
        result = json.loads(done.stdout.splitlines()[-1])
        cells[name] = (f"{result['ms']:,.0f}", f"{result['MB']:,.0f} MB")
        print(f"{name}: {' ms, '.join(cells[name])}", flush=True)
    write_between(PAGE, "models", table(cells))
    if not options.table:
        write_between(PAGE, "machine", machine())
    return int(has_failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.families", description="Measure the released models.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help="a released model or a family (default: all)")
    parser.add_argument("--table", action="store_true", help="write the table anew and measure nothing")
    parser.add_argument("--one", metavar="MODEL", help=argparse.SUPPRESS)  # the process of one model
    return parser


if __name__ == "__main__":
    sys.exit(main())

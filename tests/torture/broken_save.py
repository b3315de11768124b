"""A torture of saves that are broken on purpose: `python tests/torture/broken_save.py` prints the table; all is lost.

The broken save deletes the checkpoint that is there, then writes the next one where readers look.
"""

import shutil
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from torture import tiny
from torture.kills import trainings
from torture.lanes import outcomes
from torture.scenario import Plan, Scenario, Table
from torture.writes import Strike


@contextmanager
def delete_first(target, **_more):
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    yield target


def main() -> None:
    tiny.load_torch()
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        plan = Plan(0, 1.0, Path(folder))
        import core.training.checkpoint as checkpoint

        checkpoint.atomic_folder = delete_first
        whole = trainings.prepare(plan, "plain")
        saved = [n for n, (kind, _) in enumerate(whole.events, 1) if kind == "after save"]
        listed = [
            Scenario("broken", n, f"in save {n}", partial(trainings._kill, whole, Strike(at, "cut"), None, None, None))
            for n, at in enumerate(saved)
        ]
        table = Table()
        for scenario, outcome in outcomes(listed, plan.folder / "lanes", 2):
            table.add(scenario.row, outcome)
            print(scenario.name, *outcome.lost, sep="\n    ")
        print(table)


if __name__ == "__main__":
    main()

"""Kills of a training, at every kind of write and at random times; a third of them killed a second time.

After the kills the run is resumed to its end. Then its record, tables, events, weights and optimizer must be those of a
training that nobody disturbed, bit for bit, and nothing temporary is left.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from core.runs.deletion.leftovers import recover
from core.runs.manager import close_dead_runs
from core.runs.schema import Status
from core.runs.store import RunStore
from torture import tiny
from torture.child import Ending, in_child
from torture.record import Record, read_record, temporary_files
from torture.scenario import Outcome, Plan, Scenario
from torture.writes import HOWS, Strike, plain

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "keep best, averaged": {"keep": "best", "ema": 0.9},
    "keep last, one evaluation": {"keep": "last", "eval_every": 2, "accumulate": 2, "batch_size": 1},
    "two workers": {"workers": 2},
    "four epochs": {"epochs": 4, "eval_every": 2},
    "forty epochs": {"epochs": 40, "eval_every": 8},
}
SHARES = {"plain": 0.6, "keep best, averaged": 0.2, "keep last, one evaluation": 0.15, "two workers": 0.05}
WHOLE, AT_RANDOM = 480, 120  # kills at a write, and at a time
AGAIN = 3  # every third is killed a second time


@dataclass(frozen=True)
class Undisturbed:
    """A training that nobody disturbs: the store from which each scenario begins, and what comes of it.

    root     a store with the run waiting
    events   the writes of its training, (kind, path)
    seconds  that it took
    """

    name: str
    root: Path
    run_id: str
    events: list[tuple[str, str]]
    record: Record
    seconds: float


def prepare(plan: Plan, name: str, folder: str = "trainings") -> Undisturbed:
    """Train one variant undisturbed, and count its writes."""
    place = plan.folder / folder / name.replace(" ", "-")
    data = tiny.draw(plan.folder)
    run_id = tiny.queue_run(place / "start", tiny.config(data, **VARIANTS[name]))
    tiny.copy_root(place / "start", place / "whole")
    ending = in_child(partial(tiny.go_on, place / "whole", run_id, count=True), place, seconds=120)
    if ending.status != 0 or ending.result["status"] != Status.FINISHED:
        raise RuntimeError(f"The undisturbed training ({name}) did not finish: {ending.result} {ending.text}")
    events = [(kind, path) for kind, path in ending.result["events"]]
    return Undisturbed(name, place / "start", run_id, events, read_record(place / "whole", run_id), ending.seconds)


def scenarios(plan: Plan) -> Sequence[Scenario]:
    """Return the kills of trainings: at a write of every kind, densely around the first checkpoint, and at times."""
    listed: list[Scenario] = []
    for name, share in SHARES.items():
        whole = prepare(plan, name)
        random = plan.random("trainings", name)
        for number in _points(whole.events, plan.count(int(WHOLE * share)), random):
            how = HOWS[len(listed) % 2]
            kind, path = whole.events[number - 1]
            second = random.randrange(1, len(whole.events)) if len(listed) % AGAIN == 0 else None
            words = f"{name}: {how} write {number} ({kind} {plain(path)})" + (f", then {second}" if second else "")
            attempt = partial(_kill, whole, Strike(number, how), None, Strike(second) if second else None, None)
            listed.append(Scenario("kills: training, at a write", len(listed), words, attempt))
        for _ in range(plan.count(int(AT_RANDOM * share))):
            after = random.uniform(0, whole.seconds)
            again = random.uniform(0, whole.seconds) if len(listed) % AGAIN == 0 else None
            words = f"{name}: after {after:.2f} s" + (f", then after {again:.2f} s" if again else "")
            attempt = partial(_kill, whole, None, after, None, again)
            listed.append(Scenario("kills: training, at a time", len(listed), words, attempt))
    return listed


def _points(events: list[tuple[str, str]], count: int, random: Any) -> list[int]:
    """Choose numbers of writes: one of each kind, those around the first checkpoint, then any."""
    first_of_kind = {kind: number for number, (kind, _) in reversed(list(enumerate(events, start=1)))}
    chosen = list(first_of_kind.values())
    random.shuffle(chosen)
    renames = [
        n for n, (kind, path) in enumerate(events, start=1) if kind == "after os.rename" and path.endswith("last")
    ]
    commits = [
        n for n, (kind, _) in enumerate(events, start=1) if kind == "after commit" and renames and n < renames[0]
    ]
    if commits:
        window = list(range(max(1, commits[-1] - 25), min(len(events), renames[0] + 3) + 1))
        dense = random.sample(window, min(len(window), count // 3))
        chosen = [*chosen[: count // 2], *dense]
    rest = [number for number in range(1, len(events) + 1) if number not in chosen]
    chosen += random.sample(rest, max(0, min(len(rest), count - len(chosen))))
    return sorted(set(chosen))[:count] if len(chosen) <= count else sorted(random.sample(chosen, count))


def _kill(
    whole: Undisturbed,
    strike: Strike | None,
    after: float | None,
    second: Strike | None,
    again: float | None,
    folder: Path,
) -> Outcome:
    """Kill the training once or twice, then let it go on to its end; say what is lost."""
    root = tiny.copy_root(whole.root, folder / "root")
    lost = []
    for number, (point, time) in enumerate([(strike, after), (second, again)]):
        if number and point is None and time is None:
            continue
        ending = in_child(partial(tiny.go_on, root, whole.run_id, point), folder, kill_after=time)
        lost += unexpected(ending)
        if ending.status == -signal.SIGKILL:
            lost += _not_closed(root, whole.run_id)
    ending = in_child(partial(tiny.go_on, root, whole.run_id), folder)
    return Outcome(lost=(*lost, *unlike(whole, root, ending)))


def unlike(whole: Undisturbed, root: Path, ending: Ending) -> list[str]:
    """Return what a run lacks after its last resume that the undisturbed one has."""
    if ending.status != 0 or not ending.result:
        return [f"the last resume ended with {ending.status}: {_last_line(ending)}"]
    if ending.result["status"] != Status.FINISHED:
        return [f"the run is {ending.result['status']}: {ending.result['message']}"]
    store = RunStore(root)
    recover(store, store.database)  # as the next app or command does
    store.close()
    lost = whole.record.differences(read_record(root, whole.run_id))
    left = temporary_files(root)
    return [*lost, f"temporary files are left: {', '.join(map(plain, left[:4]))}"] if left else lost


def unexpected(ending: Ending) -> list[str]:
    """Return what is wrong with a child that was to be killed: it hung, or ended with an error of its own."""
    if ending.status is None:
        return [f"it hung: {_last_line(ending)}"]
    if ending.status not in (0, -signal.SIGKILL):
        return [f"it ended with {ending.status}: {_last_line(ending)}"]
    if ending.result and ending.result["status"] != Status.FINISHED:
        return [f"the run is {ending.result['status']}: {ending.result['message']}"]
    return []


def _not_closed(root: Path, run_id: str) -> list[str]:
    """Close what died, as the next app does; return a sentence if the run is not interrupted then, or done."""
    store = RunStore(root)
    try:
        close_dead_runs(store)
        run = store.get(run_id)
    finally:
        store.close()
    expected = (Status.QUEUED, Status.INTERRUPTED, Status.FINISHED)
    return [] if run.status in expected else [f"after the kill the run is {run.status}: {run.message}"]


def _last_line(ending: Ending) -> str:
    lines = ending.text.strip().splitlines()
    return lines[-1][:300] if lines else "without a word"

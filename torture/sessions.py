"""Many sessions and thousands of polls beside a training: no error, rows whole and in order, its figures the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from core.metrics import GROUPS
from core.runs.manager import close_dead_runs
from core.runs.schema import Status
from core.runs.store import RunStore
from torture import tiny
from torture.child import beside, in_child
from torture.kills.trainings import Undisturbed, prepare
from torture.record import read_record
from torture.scenario import Outcome, Plan, Scenario
from torture.server import Server, served

SESSIONS, FEWEST, POLLS = 20, 6, 12_000
PATIENCE = 900  # seconds until training, sessions and polls are over
PAGES = ("", "errors", "results", "compare", "")
PAUSE = 0.02  # seconds between two polls of one session: a page takes 1


def scenarios(plan: Plan) -> Sequence[Scenario]:
    """Return the one scenario."""
    whole = prepare(plan, "forty epochs" if plan.share >= 0.1 else "four epochs", "sessions")
    sessions, polls = min(SESSIONS, plan.count(10 * SESSIONS, FEWEST)), plan.count(POLLS, least=SESSIONS)
    attempt = partial(_beside, whole, sessions, polls)
    return [Scenario("polls beside a training", 0, f"{sessions} sessions, {polls:,} polls", attempt, PATIENCE + 120)]


def _beside(whole: Undisturbed, sessions: int, polls: int, folder: Path) -> Outcome:
    root = tiny.copy_root(whole.root, folder / "root")
    with served(root) as server, beside(partial(tiny.go_on, root, whole.run_id)):
        ending = in_child(partial(_crowd, server, root, whole.run_id, sessions, polls), folder, PATIENCE)
    if ending.status != 0:
        return Outcome(polls, (f"the sessions ended with {ending.status}: {ending.text[-300:]}",))
    store = RunStore(root)
    close_dead_runs(store)
    status = store.get(whole.run_id).status
    store.close()
    lost = ending.result["lost"]
    if status is not Status.FINISHED:
        lost.append(f"the training is {status}")
    else:
        lost += whole.record.differences(read_record(root, whole.run_id))
    if "Traceback" in server.log.read_text(errors="replace"):
        lost.append("the app's log has a traceback")
    return Outcome(ending.result["polls"], tuple(lost))


def _crowd(server: Server, root: Path, run_id: str, sessions: int, polls: int) -> dict[str, object]:
    """Poll and open pages from so many threads until the polls are made and the training is over."""
    lost: list[str] = []
    over = threading.Event()
    pollers = [Poller(server, run_id, list(GROUPS)[n % len(GROUPS)], polls // sessions) for n in range(sessions)]
    threads = [threading.Thread(target=one.work, args=(over,)) for one in pollers]
    threads += [threading.Thread(target=_visit, args=(server, run_id, n, over, lost)) for n in range(sessions)]
    for thread in threads:
        thread.start()
    store = RunStore(root)
    waiting = threading.Event()
    while store.get(run_id).is_live:
        waiting.wait(0.2)
    over.set()
    for thread in threads:
        thread.join()
    for one in pollers:
        lost += one.missing(store)
    store.close()
    return {"lost": lost, "polls": sum(one.polls for one in pollers)}


class Poller:
    """One session's polls of one group of curves, and the rows that they gave."""

    def __init__(self, server: Server, run_id: str, group: str, polls: int) -> None:
        self.server, self.run_id, self.group, self.least = server, run_id, group, polls
        self.polls, self.last = 0, 0
        self.curves: dict[str, list[int]] = {}
        self.lost: list[str] = []

    def work(self, over: threading.Event) -> None:
        """Poll until the training is over and there were enough polls; the last one sees everything."""
        pause = threading.Event()
        while True:
            is_last = over.is_set() and self.polls >= self.least - 1
            self.poll()
            if is_last or len(self.lost) > 5:
                return
            pause.wait(PAUSE)

    def poll(self) -> None:
        """Ask once for what is new."""
        self.polls += 1
        answer = self.server.ask(f"/api/metrics/{self.run_id}?after={self.last}&group={self.group}")
        if answer.status != 200:
            self.lost.append(f"a poll is answered with {answer.status}: {answer.body[:100]!r}")
            return
        data = json.loads(answer.body)
        if data["last"] < self.last:
            self.lost.append(f"the last row is {data['last']}, after {self.last}")
        self.last = data["last"]
        for tag, (steps, values) in data["rows"].items():
            if len(steps) != len(values):
                self.lost.append(f"{tag} has {len(steps)} steps and {len(values)} values")
            self.curves.setdefault(tag, []).extend(steps)

    def missing(self, store: RunStore) -> list[str]:
        """Return what this session saw otherwise than it is recorded."""
        tags = GROUPS[self.group].tags((store.get(self.run_id).label_map or {}).get("names", []))
        curves, _ = store.curves_after(self.run_id, 0, tags)
        recorded = {tag: steps for tag, (steps, _) in curves.items()}
        wrong = [tag for tag in {*recorded, *self.curves} if recorded.get(tag) != self.curves.get(tag)]
        return [*self.lost, *(f"{tag}: other rows came than were recorded" for tag in wrong[:3])]


def _visit(server: Server, run_id: str, number: int, over: threading.Event, lost: list[str]) -> None:
    """Open pages of the run as a tab does, one after the other, until the training is over."""
    count = number
    while True:
        page = PAGES[count % len(PAGES)]
        try:
            lost += [f"/{page}: {error}" for error in server.open_page(page, f"run={run_id}")]
        except Exception as error:
            lost.append(f"/{page}: the session broke off ({type(error).__name__}: {error})")
        count += 1
        if over.wait(1) or len(lost) > 5:
            return

"""What the torture itself does: counts writes and strikes at one, ends what hangs, draws the same for the same seed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import psutil
import pytest

from torture.faults.faults import bad_sentences
from torture.inputs.mutate import mutate_value
from torture.scenario import Outcome, Plan, Table
from torture.server import Server
from torture.writes import plain

ROOT = Path(__file__).resolve().parents[2]


def in_process_of_its_own(code: str, folder: Path) -> object:
    """What the code prints last, as JSON; in a process of its own, because it forks. `folder` is a Path there."""
    before = "import json, os, signal, sys, time\nfrom pathlib import Path\nfolder = Path(sys.argv[1])\n"
    done = subprocess.run(
        [sys.executable, "-c", before + code, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


WRITING = """
from torture.child import in_child
from torture.writes import Strike, Writes
def write(strike=None):
    writes = Writes(folder / "root", strike).install()
    (folder / "root" / "a").write_text("12345678")
    os.replace(folder / "root" / "a", folder / "root" / "b")
    (folder / "elsewhere").write_text("not counted")
    return writes.events
(folder / "root").mkdir()
"""


def test_writes_under_the_root_are_counted_and_no_others(tmp_path):
    events = in_process_of_its_own(WRITING + "print(json.dumps(in_child(write, folder / 'log').result))", tmp_path)
    assert events == [["open", "a"], ["os.rename", "b"], ["after os.rename", "b"]]


@pytest.mark.parametrize(
    ("number", "how", "left"),
    [(1, "before", {}), (2, "before", {"a": "12345678"}), (2, "cut", {"a": "1234"}), (3, "cut", {"b": "12345678"})],
)
def test_a_strike_kills_at_its_write(tmp_path, number, how, left):
    code = f"ending = in_child(lambda: write(Strike({number}, {how!r})), folder / 'log')\n"
    code += "print(json.dumps([ending.status, {p.name: p.read_text() for p in (folder / 'root').iterdir()}]))"
    assert in_process_of_its_own(WRITING + code, tmp_path) == [-9, left]


def test_an_error_comes_at_its_write_and_at_every_later_one(tmp_path):
    code = "import errno\nending = in_child(lambda: write(Strike(2, error=errno.ENOSPC)), folder / 'log')\n"
    code += "print(json.dumps([ending.status, ending.text]))"
    status, text = in_process_of_its_own(WRITING + code, tmp_path)
    assert status == 70 and "No space left on device" in text


@pytest.mark.parametrize(
    ("action", "status"),
    [("lambda: 3", 0), ("lambda: 1 / 0", 70), ("lambda: time.sleep(60)", None), ("lambda: os.abort()", -6)],
)
def test_it_is_told_how_a_child_ends(tmp_path, action, status):
    code = f"from torture.child import in_child\nending = in_child({action}, folder / 'log', seconds=1)\n"
    code += "print(json.dumps([ending.status, ending.result]))"
    assert in_process_of_its_own(code, tmp_path) == [status, 3 if status == 0 else None]


def test_lanes_tell_what_hangs_raises_or_dies_and_go_on(tmp_path):
    code = """
from torture.lanes import outcomes
from torture.scenario import Outcome, Scenario
attempts = [lambda f: Outcome(), lambda f: time.sleep(60), lambda f: 1 / 0, lambda f: Outcome(5, ("a", "b")),
            lambda f: os._exit(3), lambda f: Outcome()]
scenarios = [Scenario("row", n, str(n), attempt, seconds=1) for n, attempt in enumerate(attempts)]
print(json.dumps({one.name: [came.tried, list(came.lost)] for one, came in outcomes(scenarios, folder, lanes=1)}))
"""
    table = in_process_of_its_own(code, tmp_path)
    assert table["0"] == [1, []] and table["3"] == [5, ["a", "b"]]
    assert table["1"] == [1, ["it was not over after 1 s"]]
    assert table["2"][1][0].startswith("ZeroDivisionError")
    assert table["4"] == table["5"] == [1, ["its process died"]]
    assert list(tmp_path.iterdir()) == [tmp_path / "lane-0"], "only the folder of the scenario that died"


def test_the_table_counts_attempts_and_what_is_lost_of_them():
    table = Table()
    for outcome in (Outcome(), Outcome(lost=("a", "b")), Outcome(10, ("c",))):
        table.add("row", outcome)
    assert table.lost == 2
    assert str(table).splitlines()[2:] == ["| row | 12 | 10 | 2 |", "| **all** | 12 | 10 | 2 |"]


def test_a_seed_draws_the_same_and_another_one_something_else(tmp_path):
    data = {"images": [{"id": n} for n in range(50)]}
    one, same, other = (mutate_value(Random(seed), data) for seed in ("1:x:7", "1:x:7", "2:x:7"))
    assert one == same != other
    assert Plan(1, 1, tmp_path).random("a").random() == Plan(1, 1, tmp_path).random("a").random()


def test_a_mutation_leaves_the_sound_value_as_it_is():
    sound = {"a": [1, 2, {"b": "c"}], "d": None}
    before = json.dumps(sound)
    mutated = [mutate_value(Random(seed), sound) for seed in range(300)]
    assert json.dumps(sound) == before and sum(value != sound for value in mutated) > 200


@pytest.mark.parametrize(
    "message",
    ["x" * 301, "The training broke off (OSError: x).", "Traceback (most recent call last)", "one\ntwo",
     "[enforce fail at inline_container.cc:858]", "<object at 0x7fe123456789> is wrong."],
)  # fmt: skip
def test_what_is_no_sentence_for_a_user_is_told(message):
    assert bad_sentences([message])
    assert not bad_sentences(["The disk is full (/data/x): free some space, then resume."])


def test_names_in_words_have_nothing_that_changes_from_run_to_run():
    name = "checkpoints/20261128-051808-97b2/.last-4711-1a2b3c4d.partial/model.safetensors"
    assert plain(name) == plain(name.replace("97b2", "00ff").replace("1a2b3c4d", "00000000").replace("4711", "1"))


def test_memory_that_an_app_and_its_children_share_counts_once(tmp_path):
    code = 'import os, time\nheld = b"x" * 200_000_000\nos.fork()\nprint(flush=True)\ntime.sleep(60)'
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as app:
        try:
            assert [app.stdout.readline(), app.stdout.readline()] == [b"\n", b"\n"]
            memory = Server(0, psutil.Process(app.pid), tmp_path).memory
        finally:
            os.killpg(app.pid, signal.SIGKILL)
    assert 200_000_000 < memory < 300_000_000

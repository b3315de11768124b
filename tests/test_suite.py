"""How the suite runs: files in order, Ctrl-C for children, a profile's share of examples, seconds by file."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import PROJECT
from tests import suite

CHILD = "import os, signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, os.getcwd())"
IGNORED = f"""
import os, signal, subprocess, sys
from types import SimpleNamespace
signal.signal(signal.SIGINT, signal.SIG_IGN)
import tests.suite
if sys.argv[1:]:
    tests.suite.pytest_configure(SimpleNamespace(option=SimpleNamespace(durations=0)))
signal.raise_signal(signal.SIGINT)
subprocess.run([sys.executable, "-c", {CHILD!r}], check=True)
"""


@pytest.mark.parametrize("configured", [False, True])
def test_children_have_ctrl_c_and_the_projects_folder_however_the_suite_was_started(tmp_path, configured):
    """As with `make test &`, where Ctrl-C is ignored; the suite itself goes on ignoring it."""
    done = subprocess.run(
        [sys.executable, "-c", IGNORED, *["configured"][:configured]], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [str(configured), str(PROJECT if configured else tmp_path)]


def item(file, *fixtures, name="", few=None):
    mark = few and SimpleNamespace(args=(few,))
    return SimpleNamespace(
        location=(file, 0, ""), fixturenames=fixtures, nodeid=f"{file}::{name}", get_closest_marker=lambda _: mark
    )


def config(**seconds):
    return SimpleNamespace(cache=SimpleNamespace(get=lambda name, default: seconds))


def test_files_stay_whole_and_the_longest_as_measured_come_first():
    items = [item("a"), item("b"), item("a"), item("new"), item("c", "browser"), item("b")]
    suite.pytest_collection_modifyitems(config(a=1.5, b=400), items)
    assert [one.location[0] for one in items] == ["b", "b", "c", "a", "a", "new"]


def test_without_a_measurement_files_with_a_browser_come_first():
    items = [item("a"), item("b"), item("c", "browser")]
    suite.pytest_collection_modifyitems(SimpleNamespace(), items)
    assert [one.location[0] for one in items] == ["c", "a", "b"]


def test_of_many_cases_a_few_are_left_spread_over_all_of_them():
    items = [item("a", name="one"), *(item("a", name=f"many[{i}]", few=3) for i in range(10))]
    items += [item("b", name="many[x]", few=3), item("b", name="two[1]", few=1), item("b", name="two[2]", few=1)]
    everything, out = list(items), []
    hook = SimpleNamespace(pytest_deselected=lambda items: out.extend(items))  # noqa: PLW0108 (by its name)
    suite.leave_few_cases(SimpleNamespace(hook=hook), items)
    left = ["a::one", "a::many[0]", "a::many[3]", "a::many[6]", "b::many[x]", "b::two[1]"]
    assert [one.nodeid for one in items] == left
    assert [one for one in everything if one in items or one in out] == everything and len(out) == 8


def test_what_repeats_what_others_run_is_not_measured_nor_are_its_children(monkeypatch):
    items = [item("a", name="one"), *(item("a", name=f"many[{i}]") for i in range(10))]
    items += [item("b", "browser", name="page"), item("b", "browser", name="ci", few=1), item("c", name="ci", few=1)]
    again = suite.repeating(items)
    assert again == {"a::many[4]", "a::many[9]", "b::ci"}
    on = []
    measured = SimpleNamespace(start=lambda: on.append(measured), stop=on.clear)
    measured.start()
    monkeypatch.setattr(suite.coverage, "Coverage", SimpleNamespace(current=lambda: on[-1] if on else None))
    monkeypatch.setattr(suite, "not_measured", again)
    monkeypatch.setenv(suite.COVERAGE, "so")
    for one in items:
        suite.pytest_runtest_setup(one)
        counts = one.nodeid not in again
        assert (bool(on), suite.COVERAGE in os.environ) == (counts, counts)
        suite.pytest_runtest_teardown()
        assert on and os.environ[suite.COVERAGE] == "so"


def test_of_a_property_the_first_examples_are_measured_and_all_of_the_next_test(monkeypatch):
    told, tried, on = [], [], []

    class Measured:
        def start(self):
            on.append(self)
            monkeypatch.setattr(os, "_exit", lambda _: None)

        def stop(self):
            told.append((on.pop() is self, len(tried)))

    both = [Measured(), Measured()]
    on.extend(both)
    monkeypatch.setattr(suite.coverage, "Coverage", SimpleNamespace(current=lambda: on[-1] if on else None))

    @settings(max_examples=50, database=None, derandomize=True)
    @given(st.integers())
    def holds(n):
        tried.append(n)

    leave = os._exit
    suite.measure_first_examples(holds.hypothesis)
    holds()
    suite.pytest_runtest_teardown()
    suite.pytest_runtest_teardown()
    assert os._exit is leave
    assert told == [(True, suite.MEASURED)] * 2 and len(tried) > suite.MEASURED and on == both


@pytest.mark.parametrize(("profile", "asked", "given_"), [("local", 100, 25), ("local", 8, 5), ("local", 3, 3),
                                                          ("long", 60, 600), ("ci", 60, 30)])  # fmt: skip
def test_a_property_gets_its_profiles_share_of_the_examples_that_it_asks_for(profile, asked, given_):
    tried = set()

    @settings(max_examples=asked, database=None, derandomize=True)
    @given(st.integers())
    def holds(n):
        tried.add(n)

    suite.scale_examples([holds], suite.EXAMPLES[profile])
    holds()
    assert 0.8 * given_ <= len(tried) <= given_


def test_the_profiles_can_be_asked_for_by_name():
    assert all(settings.get_profile(name) for name in suite.EXAMPLES)


def test_seconds_are_summed_by_file_with_setup_and_teardown():
    reports = [SimpleNamespace(location=("a", 1, "x"), duration=seconds) for seconds in (1, 0.5)]
    reports += [SimpleNamespace(location=("b", 1, "y"), duration=2), "a warning has no duration"]
    assert suite.seconds_by_file(reports) == {"a": 1.5, "b": 2}

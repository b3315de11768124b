"""How the suite runs: which files come first, how many examples a property gets, what is printed about time.

The hooks are imported by conftest.py.
"""

import functools
import gc
import os
import signal
from collections import Counter, defaultdict

import coverage
from hypothesis import settings

from core import PROJECT

IN_CI = bool(os.environ.get("CI"))
SECONDS = "detr-lab/seconds"  # in pytest's cache: how long each file took when it last ran
COVERAGE = "COVERAGE_PROCESS_CONFIG"  # in CI: a child with it has its lines counted, which takes half as long again
GUESS = 30  # seconds of a file with a browser that has not been measured yet
FILES = 60  # that are printed
# the share of the examples that a test asks for, by profile: `pytest --hypothesis-profile=long`
EXAMPLES = {"local": 0.25, "ci": 0.5, "long": 10}
FEWEST = 5
MEASURED = 8  # examples of a property, cases of a test
not_measured = set()  # ids of tests
paused, for_children = [], []  # what goes on once the test is over: measurements of coverage, and COVERAGE

settings.register_profile("local")
settings.register_profile("long", print_blob=True)
settings.load_profile("ci" if IN_CI else "local")  # "ci" is Hypothesis' own: the same examples each time


def unmeasured(environment):
    """The environment of what is heavy and runs lines that are counted elsewhere."""
    return {name: value for name, value in environment.items() if name != COVERAGE}


def restore_ctrl_c() -> None:
    """Let children have Ctrl-C where it is ignored, as with `make test &`: that is inherited, a handler is not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)


def pytest_configure(config):
    gc.disable()  # until everything is imported: looking through it again and again takes a third of that
    os.chdir(PROJECT)  # wherever pytest was started, children find `core`
    restore_ctrl_c()
    if IN_CI and config.option.durations is None:
        config.option.durations = 50


def pytest_collection_modifyitems(config, items):
    """Long files come first, or one core would wait for the other at the end: a file is not divided among cores."""
    if not IN_CI:
        leave_few_cases(config, items)
    in_files = defaultdict(list)
    for item in items:
        in_files[item.location[0]].append(item)
    measured = config.cache.get(SECONDS, {}) if hasattr(config, "cache") else {}

    def seconds(file: str) -> float:
        return measured.get(file, GUESS if any(map(has_browser, in_files[file])) else 0)

    items[:] = [item for file in sorted(in_files, key=seconds, reverse=True) for item in in_files[file]]
    tests = {id(test): test for test in (getattr(item, "obj", None) for item in items)}.values()
    properties = [test for test in tests if getattr(test, "is_hypothesis_test", False)]
    scale_examples(properties, EXAMPLES.get(settings.get_current_profile_name(), 1))
    if coverage.Coverage.current():
        not_measured.update(repeating(items))
        for test in properties:
            measure_first_examples(test.hypothesis)


def pytest_collection_finish():
    gc.freeze()  # what is imported by now stays
    gc.enable()


def leave_few_cases(config, items) -> None:
    """Leave of each test with the mark `few(n)` so many cases, evenly spread from the first on; CI tries all."""
    few = cases(item for item in items if item.get_closest_marker("few"))
    left_out = [item for group in few for item in all_but(group, group[0].get_closest_marker("few").args[0])]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        names = {item.nodeid for item in left_out}
        items[:] = [item for item in items if item.nodeid not in names]


def cases(items) -> list[list]:
    """The items by test: more than one are its cases."""
    groups = defaultdict(list)
    for item in items:
        groups[item.nodeid.partition("[")[0]].append(item)
    return list(groups.values())


def all_but(group, number) -> list:
    """All but so many items of the group, evenly spread from the first on."""
    left = {i * len(group) // number for i in range(min(number, len(group)))}
    return [item for place, item in enumerate(group) if place not in left]


def has_browser(item) -> bool:
    return "browser" in getattr(item, "fixturenames", ())


def repeating(items) -> set[str]:
    """The ids of tests that mostly run lines that others run too, and half as slow again while these are counted.

    They are all but some cases of a test, and what CI alone does in a browser.
    """
    again = {item.nodeid for group in cases(items) for item in all_but(group, MEASURED)}
    return again | {item.nodeid for item in items if has_browser(item) and item.get_closest_marker("ci")}


def pytest_runtest_setup(item):
    if item.nodeid in not_measured:
        pause()
        if COVERAGE in os.environ:  # its children neither
            for_children.append(os.environ.pop(COVERAGE))


def pytest_runtest_teardown():
    leave = os._exit
    while paused:
        paused.pop().start()
    os._exit = leave  # coverage wraps it at each start: of a thousand wrappings no forked child would come out
    while for_children:
        os.environ[COVERAGE] = for_children.pop()


def pause() -> None:
    """Count no more lines until the test is over; the process' own count goes on where that of pytest-cov stops."""
    while measured := coverage.Coverage.current():
        measured.stop()
        paused.append(measured)


def measure_first_examples(handle) -> None:
    """Count the lines of a property's first examples alone: to count those of all would take half of its time."""
    inner, tried = handle.inner_test, []

    @functools.wraps(inner)
    def counting(*arguments, **named):
        tried.append(None)
        if len(tried) == MEASURED + 1:
            pause()
        return inner(*arguments, **named)

    handle.inner_test = counting


def scale_examples(properties, share: float) -> None:
    """Give each property this share of the examples that it asks for."""
    for test in properties:
        if share != 1:
            asked = test._hypothesis_internal_use_settings  # Hypothesis' own plugin changes it here too
            examples = max(round(share * asked.max_examples), min(FEWEST, asked.max_examples))
            test._hypothesis_internal_use_settings = settings(asked, max_examples=examples)


def seconds_by_file(reports) -> Counter:
    """Sum up what the tests of each file took, with what they set up and took down."""
    total = Counter()
    for report in reports:
        if hasattr(report, "duration"):
            total[report.location[0]] += report.duration
    return total


def pytest_terminal_summary(terminalreporter, config):
    total = seconds_by_file(report for reports in terminalreporter.stats.values() for report in reports)
    if hasattr(config, "cache"):
        config.cache.set(SECONDS, config.cache.get(SECONDS, {}) | {name: round(total[name], 1) for name in total})
    if IN_CI:
        terminalreporter.section(f"seconds by file, {sum(total.values()):,.0f} in all")
        for name, seconds in total.most_common(FILES):
            terminalreporter.write_line(f"{seconds:7.1f}  {name}")

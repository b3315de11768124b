"""The bench's table: both sides take turns, ratios are those of the rounds, and only the whole table is written."""

import math
from functools import partial

import pytest

import bench.__main__ as command
from bench import table
from bench.growth import exponent
from bench.table import Bench, Figures, NotMeasured, Row, chosen, line, once, shown, take_turns, write_between

BENCH = Bench(folder=None, rounds=3)
MADE_UP = [
    Row("loop-a", "a loop", lambda bench: Figures([1.0, 2.0, 4.0], [3.0, 2.0, 16.0], [0.5, 1.0, 2.0]), rival="theirs",
        limit="half of it"),
    Row("loop-b", "… its memory", lambda bench: Figures([250.0] * bench.rounds), "MB", wanted=300),
    Row("loops", "another group", lambda bench: Figures([0.0005])),
]  # fmt: skip


def unmeasured(bench):
    raise NotMeasured("there is no browser")


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page with a place for the table, which the command writes into; its rows are MADE_UP."""
    path = tmp_path / "measurements.md"
    path.write_text("# Before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nAfter\n")
    monkeypatch.setattr(command, "PAGE", path)
    monkeypatch.setattr(command, "all_rows", lambda: list(MADE_UP))
    return path


def test_sides_take_turns_and_every_second_round_begins_with_the_last():
    calls = []
    sides = [lambda number, name=name: calls.append(f"{name}{number}") for name in "abc"]
    figures = take_turns(*sides, rounds=3)
    assert calls == ["a0", "b0", "c0", "c1", "b1", "a1", "a2", "b2", "c2"]
    assert [len(times) for times in (figures.ours, figures.rival, figures.limit)] == [3, 3, 3]


def test_each_side_has_its_own_seconds(monkeypatch):
    now = iter([0.0, 1.0, 10.0, 15.0, 20.0, 26.0, 30.0, 32.0])
    monkeypatch.setattr(table.time, "perf_counter", partial(next, now))
    figures = take_turns(lambda _: None, lambda _: None, rounds=2)
    assert (figures.ours, figures.rival, figures.limit) == ([1.0, 2.0], [5.0, 6.0], ())


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    """Of these medians, 3 and 2, it would be 1.5; a round in which the machine was busy does not count more."""
    assert line(MADE_UP[0], MADE_UP[0].measure(BENCH)) == (
        "| `loop-a` | a loop | 2.00 s | 3.00 s, theirs | 3 | 1.00 s, half of it: 0.50 |"
    )


def test_a_limit_may_be_what_is_wanted():
    assert line(MADE_UP[1], MADE_UP[1].measure(BENCH)) == "| `loop-b` | … its memory | 250 MB |  |  | at most 300 MB |"


@pytest.mark.parametrize(
    ("figure", "unit", "text"),
    [(62.5, "s", "62.5 s"), (1.0, "s", "1.00 s"), (0.0213, "s", "21.3 ms"), (4e-5, "s", "40.0 µs"),
     (0.0, "s", "0.00 µs"), (1.0417, "", "1.04"), (-3.2, "MB", "-3.20 MB")],
)  # fmt: skip
def test_figures_are_shown_in_three_digits(figure, unit, text):
    assert shown(figure, unit) == text


def test_rows_are_chosen_by_name_and_by_group():
    assert chosen(MADE_UP, []) == MADE_UP
    assert chosen(MADE_UP, ["loop"]) == MADE_UP[:2]
    assert chosen(MADE_UP, ["loops", "loop-b"]) == MADE_UP[1:]
    with pytest.raises(ValueError, match="no row 'lo': choose of loop-a, loop-b, loops"):
        chosen(MADE_UP, ["loop", "lo"])


def test_the_whole_table_takes_its_place_in_the_page(page, capsys):
    assert command.main(["--rounds", "3"]) == 0
    text = page.read_text()
    assert text.startswith("# Before\n<!-- bench: begin -->\n") and text.endswith("<!-- bench: end -->\nAfter\n")
    assert "old" not in text and "cores of" in text and "torch" in text and "3 rounds" in text
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [line(row, row.measure(BENCH)) for row in MADE_UP]
    assert capsys.readouterr().out.count("loop-a") == 1


@pytest.mark.parametrize("arguments", [["loop"], ["loop", "loops"], ["--list"]])
def test_a_part_of_the_table_is_only_printed(page, capsys, arguments):
    before = page.read_text()
    assert command.main(arguments) == 0
    assert page.read_text() == before
    assert "loop-a" in capsys.readouterr().out


def test_a_table_with_a_gap_is_only_printed(page, capsys, monkeypatch):
    before = page.read_text()
    monkeypatch.setattr(command, "all_rows", lambda: [*MADE_UP, Row("page", "a page", unmeasured)])
    assert command.main([]) == 0
    assert page.read_text() == before
    assert "| `page` | a page | not measured: there is no browser |" in capsys.readouterr().out


def test_a_row_that_fails_costs_itself_alone_and_is_told(page, capsys, monkeypatch):
    before = page.read_text()
    monkeypatch.setattr(command, "all_rows", lambda: [Row("wrong", "a mistake", lambda bench: 1 / 0), *MADE_UP])
    assert command.main([]) == 1
    assert page.read_text() == before
    out, err = capsys.readouterr()
    assert "| `wrong` | a mistake | failed: ZeroDivisionError |" in out and "| `loops` |" in out
    assert "division by zero" in err


def test_what_several_rows_need_is_made_once_and_fails_once():
    calls = []

    @once
    def make(number):
        calls.append(number)
        return 6 / number

    assert (make(2), make(3), make(2)) == (3, 2, 3)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            make(0)
    assert calls == [2, 3, 0]


def test_an_unknown_row_is_refused_in_one_sentence(page, capsys):
    assert command.main(["lop"]) == 2
    assert capsys.readouterr().err == "python -m bench: there is no row 'lop': choose of loop-a, loop-b, loops\n"


def test_a_page_without_a_place_is_left_as_it_is(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("<!-- bench: end --> <!-- bench: begin -->")
    with pytest.raises(ValueError, match=r"page\.md has no place"):
        write_between(path, "bench", "table")
    assert path.read_text() == "<!-- bench: end --> <!-- bench: begin -->"


def test_the_exponent_is_the_slope_of_the_logarithms():
    assert exponent((1, 4, 16), [5, 5, 5]) == pytest.approx(0)
    assert exponent((10, 40, 160), [1, 4**1.5, 16**1.5]) == pytest.approx(1.5)


def test_rows_have_names_of_their_own():
    names = [row.name for row in command.all_rows()]
    assert len(names) == len(set(names)) > 60
    assert {name.split("-")[0] for name in names} >= {"sample", "losses", "step", "epoch", "evaluation", "growth"}


def test_a_real_row_is_measured():
    """That of 4 images with 5 objects; it also holds that losses and gradients are transformers'."""
    from bench.losses import ROWS

    figures = ROWS[0].measure(Bench(folder=None, rounds=1))
    assert len(figures.ours) == len(figures.rival) == 10
    assert all(0 < seconds < math.inf for seconds in (*figures.ours, *figures.rival))

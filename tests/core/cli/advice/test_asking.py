"""Without --preset the one that fits is taken; what spoils a model is asked first, and refused where nobody can be."""

import io
import sys

import pytest

from core import PROJECT
from core.cli.advice.asking import confirm
from core.config import STARTER
from core.presets import PRESETS
from tests.core.cli.running import run

SPOILED = ("--preset", "Experiment", "--workers", "0", "--epochs", "1")


class Terminal(io.StringIO):
    """Somebody who answers at a terminal."""

    def isatty(self):
        return True


def answer(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", Terminal(text))
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    return terminal


def command(street, *options):
    return ("train", "--data", street, "--model", PROJECT / STARTER, *options)


def test_where_nobody_can_be_asked_it_is_refused_in_one_sentence(fake_store, street, capsys):
    status, out, err = run(capsys, *command(street, *SPOILED))
    assert (status, out, fake_store.runs()) == (1, "", [])
    error = err.splitlines()[-1]
    assert error.startswith("error: This will likely spoil the model. ") and "objects have a size" in error
    assert "(--preset 'Built-in demo')" in error and error.endswith("with --anyway.")


def test_anyway_trains(fake_store, street, capsys):
    _, out, err = run(capsys, *command(street, *SPOILED, "--anyway"))
    (made,) = fake_store.runs()
    assert out.splitlines()[0] == made.id and made.config["shortest_edge"] == 800
    assert "Note: The model was trained on images with a shorter edge of 192 pixels" in err


@pytest.mark.parametrize(
    ("text", "trains"), [("y\n", True), ("Yes\n", True), ("\n", False), ("no\n", False), ("", False)]
)
def test_at_a_terminal_it_is_asked(fake_store, street, capsys, monkeypatch, text, trains):
    terminal = answer(monkeypatch, text)
    run(capsys, *command(street, *SPOILED))
    assert bool(fake_store.runs()) == trains
    assert "Train anyway? [y/N]" in terminal.getvalue()
    assert ("error: Nothing was trained. Take the preset that fits" in terminal.getvalue()) != trains


def test_of_processes_that_train_together_none_is_asked(street, monkeypatch):
    config = PRESETS["Experiment"].apply(PRESETS["Built-in demo"].apply())
    from dataclasses import replace

    from core import ConfigError

    answer(monkeypatch, "y\n")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="--anyway"):
        confirm(replace(config, data=str(street), model=str(PROJECT / STARTER)), "Built-in demo", False)


def test_without_a_preset_the_one_that_fits_is_taken_and_named(fake_store, street, capsys):
    status, _, err = run(capsys, *command(street, "--epochs", "1"))
    (made,) = fake_store.runs()
    assert (status, made.config["lr"], made.config["shortest_edge"], made.config["epochs"]) == (0, 2e-5, 192, 1)
    assert "Preset: Built-in demo, which fits " in err and "--preset takes another." in err
    run(capsys, *command(street, "--preset", "Small objects"))
    assert fake_store.runs()[0].config["epochs"] == 5


@pytest.mark.parametrize(
    ("given", "length"),
    [((), (10, 15.0)), (("--epochs", "3"), (3, 0.0)), (("--epochs", "3", "--minutes", "1"), (3, 1.0))],
)
def test_epochs_that_are_given_count_though_the_preset_goes_by_minutes(fake_store, street, capsys, given, length):
    run(capsys, *command(street, "--preset", "Own pictures", *given))
    config = fake_store.runs()[0].config
    assert (config["epochs"], config["minutes"]) == length


def test_a_run_drives_without_a_question(fake_store, street, capsys):
    config = PRESETS["Experiment"].apply().to_dict() | {"data": str(street), "model": str(PROJECT / STARTER)}
    made = fake_store.create(config)
    assert run(capsys, "train", "--run", made.id)[0] == 0

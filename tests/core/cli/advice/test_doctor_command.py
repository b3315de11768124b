"""The command doctor prints what is the matter, and a line that trains what was advised, as it is printed."""

import shlex
from dataclasses import replace

from core import PROJECT
from core.config import STARTER, TrainConfig
from core.presets import PRESETS
from core.runs.schema import Status
from tests.core.cli.running import run
from tests.core.runs.advised.test_advised_run import REMARK


def made(store, street, *remarks):
    config = PRESETS["Built-in demo"].apply(TrainConfig(data=str(street), model=str(PROJECT / STARTER), epochs=1))
    run = store.create(replace(config, epochs=1).to_dict(), process=(1, 1.0))
    store.record(run.id, 1, {"train/loss": 5.0})
    store.update(run.id, status=Status.FINISHED, remarks=[remark.to_dict() for remark in remarks])
    return run


def test_the_line_that_is_printed_trains_what_was_advised(fake_store, street, capsys):
    first = made(fake_store, street, REMARK, replace(REMARK, rule="other", changes={}))
    status, out, _ = run(capsys, "doctor", "last")
    words, line, other = out.splitlines()
    assert status == 0 and words == other == "critical: The learning rate is too high. 9 was 5. Start again."
    assert line == f"    python -m core train --like {first.id} --lr 5e-05 --warmup-steps 100"
    assert run(capsys, *shlex.split(line)[3:])[0] == 0
    second = fake_store.runs()[0]
    assert {n: v for n, v in second.config.items() if first.config[n] != v} == {"lr": 5e-5, "warmup_steps": 100}
    assert second.notes == (
        f"Like the run {first.id}, but: “Learning rate” (lr) from 2e-05 to 5e-05; “Warm-up steps” (warmup_steps) "
        "from 0 to 100."
    )


def test_a_run_of_which_nothing_is_said(fake_store, street, capsys):
    first = made(fake_store, street)
    assert run(capsys, "doctor", first.id)[:2] == (0, "Nothing to remark.\n")
    fake_store.update(first.id, config={"imported": {"gt": "a", "dt": "b", "images": "c"}})
    status, _, err = run(capsys, "doctor", first.id)
    assert status == 1 and "the doctor looks at trainings" in err


def test_like_takes_a_training_and_no_preset_beside_it(fake_store, street, capsys):
    first = made(fake_store, street)
    fake_store.update(first.id, config={"imported": {"gt": "a", "dt": "b", "images": "c"}})
    status, _, err = run(capsys, "train", "--like", first.id)
    assert status == 1 and "has no settings of a training" in err

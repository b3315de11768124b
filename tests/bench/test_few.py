"""The bench of few images, in small."""

from functools import partial

import pytest

from bench import few
from core.datasets.demo import draw_dataset


@pytest.mark.ci
def test_a_training_of_some_seconds_is_measured(monkeypatch, capsys):
    given = ["--images", "8", "--minutes", "0.1", "--set", "shortest_edge=48", "longest_edge=64", "augment=flip+mosaic"]
    small = partial(draw_dataset, val=4, size=96)
    monkeypatch.setattr(few, "draw_dataset", lambda out, look, train, processes: small(out, look, train))
    monkeypatch.setattr("sys.argv", ["few", *given])
    few.main()
    assert capsys.readouterr().out.startswith("0.1 minutes, seed 0: AP ")

"""The bench of the slices, in small."""

from bench import slices
from tests.core.evaluation.findings.test_slices import street


def test_what_is_compared_are_all_slices_that_are_made_up():
    result = slices.evaluated(table := street(40), slices.attributes_of(table))
    assert len(result.slices) == slices.ATTRIBUTES * slices.VALUES and 0 < result.compared <= len(result.slices)


def test_it_says_in_how_many_data_sets_noise_is_taken_for_more(monkeypatch, capsys):
    monkeypatch.setattr(slices, "CASES", ((20, 2),))
    monkeypatch.setattr("sys.argv", ["slices", "--sets", "3"])
    slices.main()
    assert capsys.readouterr().out.startswith("20 images, 2 random slices: ")

"""Each kind of problem speaks for itself, and a list of them is in order."""

import json

import pytest

from core.datasets.problems import MOST_EXAMPLES, Example, Problem, ProblemKind, Severity, problems_of, sort_by_severity

KINDS = pytest.mark.parametrize("kind", ProblemKind, ids=lambda kind: kind.key)


@KINDS
def test_a_kind_says_what_it_is_and_what_to_do(kind):
    assert kind.counted(1).startswith(f"1 {kind.unit} ")
    assert kind.counted(12_345).startswith("12,345 ")
    plurals = (kind.unit + "s", kind.unit + "es", kind.unit[:-1] + "ies")
    assert kind.counted(2) in [f"2 {unit} {kind.fault}" for unit in plurals]
    assert kind.advice and kind.fault and not kind.advice.endswith(".")
    assert Problem(kind, "val", 2).sentence == f"val: {kind.counted(2)} ({kind.advice})"
    assert Problem(kind, "", 1).sentence == f"{kind.counted(1)} ({kind.advice})"


def test_no_two_kinds_are_the_same():
    assert (
        len({kind.key for kind in ProblemKind})
        == len({(kind.unit, kind.fault) for kind in ProblemKind})
        == len(ProblemKind.__members__)
    )


def test_fatal_problems_come_first_then_the_training_split_and_both_together_last():
    mixed = [Problem(kind, split, 1) for split in ("", "val", "train") for kind in reversed(ProblemKind)]
    ordered = sort_by_severity(mixed)
    assert [p.kind for p in ordered] == [kind for kind in ProblemKind for _ in range(3)]
    assert [p.split for p in ordered] == ["train", "val", ""] * len(ProblemKind)
    severities = [p.kind.severity for p in ordered]
    assert severities == sorted(severities, key=list(Severity).index)
    assert sort_by_severity([]) == []


def test_of_many_examples_the_first_are_kept_and_all_are_counted():
    examples = [Example(f"image {i}", i) for i in range(MOST_EXAMPLES + 5)]
    (found,) = problems_of(ProblemKind.MISSING, "train", iter(examples))
    assert (found.count, found.examples) == (MOST_EXAMPLES + 5, tuple(examples[:MOST_EXAMPLES]))
    (found,) = problems_of(ProblemKind.MISSING, "train", examples, most=None)
    assert found.examples == tuple(examples)
    assert len(found.to_dict()["examples"]) == MOST_EXAMPLES
    assert problems_of(ProblemKind.MISSING, "train", []) == []


@KINDS
def test_a_problem_is_json(kind):
    found = Problem(kind, "val", 3, (Example("a few words"), Example("others", 7, (1, 2))))
    assert json.loads(json.dumps(found.to_dict())) == {
        "kind": kind.key, "severity": kind.severity.name.lower(), "split": "val", "count": 3,
        "sentence": found.sentence,
        "examples": [
            {"detail": "a few words", "image_id": None, "annotation_ids": []},
            {"detail": "others", "image_id": 7, "annotation_ids": [1, 2]},
        ],
    }  # fmt: skip

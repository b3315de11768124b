"""What is no COCO file is refused in one sentence, and what other tools write is read as they mean it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import DataError
from core.datasets.coco.annotations import ANNOTATION_FIELDS
from core.datasets.coco_json import examine_ground_truth
from core.datasets.problems import ProblemKind, Severity
from core.evaluation.coco_files import read_ground_truth, read_results, read_truth, truth_notes
from tests.core.coco_cases import gt_of
from tests.core.datasets.plain_reader import (
    GT,
    MISSING,
    NAN,
    changed,
    write,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("file") / "file.json"


# What is no such file


@pytest.mark.parametrize(
    "text, says",
    [
        ("", "is empty"),
        ('{"info": ' + "[" * 100_000, "nested without end"),
        ('{"images": [{"a": ' + '{"a": ' * 100_000, "nested without end"),
        ("[" * 100_000, "not a COCO annotation file"),
        ("garbage", "begins with neither"),
        ('{"images": [], "annotations": []}', "annotations, categories, but categories is missing"),
        ('{"images": [], "annotations": {}, "categories": []}', "but annotations is no list"),
        ('{"images": [], "annotations": []}', "not a COCO annotation file: it should hold the lists images, annotati"),
        ('{"images": [], "annotations": {}, "categories": []}', "not a COCO annotation file"),
        ('{"images": NaN}', "not a COCO annotation file"),
        ('{"images": null, "annotations": null, "categories": null}', "not a COCO annotation file"),
        ('{"name": "detr", "version": "1.0.0"}', "not a COCO annotation file"),
        ("[]", "not a COCO annotation file"),
        ('[{"score": NaN}]', "not a COCO annotation file"),
        ('{"images": [], "annotations": [{"id": NaN}], "categories": []', "not valid JSON"),
    ],
)
@pytest.mark.parametrize("reader", [examine_ground_truth, read_ground_truth])
def test_a_file_that_is_something_else_is_refused(path, reader, text, says):
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        reader(path)


ODD = changed("annotations", 1, bbox=[NAN, 0, 1, 1])
SMALL = gt_of((1, 1, (0, 0, 1, 1)), categories=("é",))
SMALL_ODD = gt_of((1, 1, (0, 0, NAN, 1)), categories=("é",))


@pytest.mark.parametrize("content", [SMALL, SMALL_ODD, [{"image_id": 1, "bbox": [1, 2], "score": 0.5, "n": "é"}]])
@pytest.mark.parametrize("reader", [examine_ground_truth, read_ground_truth, read_results])
def test_a_file_cut_off_anywhere_is_refused_in_one_sentence(path, reader, content):
    whole = json.dumps(content, ensure_ascii=False).encode()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(DataError) as caught:
            reader(path)
        said = str(caught.value)
        assert said.startswith(str(path)) and said.endswith(".") and "\n" not in said


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([GT, ODD]), st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=3)), max_size=3))
def test_a_damaged_file_is_read_or_refused(path, gt, damages):
    content = json.dumps(gt).encode()
    for place, damage in damages:
        place %= len(content)
        content = content[:place] + damage + content[place + 1 :]
    path.write_bytes(content)
    for reader in (examine_ground_truth, read_ground_truth, read_results):
        refusal = ""
        try:
            reader(path)
        except DataError as error:
            refusal = str(error)
        assert "\n" not in refusal


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3) | st.just(10**400),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from(ANNOTATION_FIELDS), inside, max_size=3)
    ),
    max_leaves=6,
)
anything = st.dictionaries(
    st.sampled_from([*ANNOTATION_FIELDS, "file_name", "width", "height", "name", "supercategory"]), values
)


@settings(deadline=None)
@given(st.lists(anything, max_size=3), st.lists(anything, max_size=3), st.lists(anything, max_size=3))
def test_any_values_in_any_places_are_read_or_refused(path, images, annotations, categories):
    write(path, {"images": images, "annotations": annotations, "categories": categories})
    data, problems = examine_ground_truth(path)
    if not any(p.kind.severity is Severity.FATAL for p in problems):
        assert all(set(a) == set(ANNOTATION_FIELDS) for a in data["annotations"])


# Ground truths and results of other tools


@pytest.mark.parametrize(
    "fields, kept, says",
    [
        ({"id": 3}, 3, "1 annotation without an id of its own (given a new one), as the id 3"),
        ({"id": "a"}, 3, "1 id written as text (replaced by a number, everywhere the same), as the id 'a'"),
        ({"image_id": 9}, 2, "1 annotation of an image that is not listed (left out), as annotation 1: image_id 9"),
        ({"image_id": "9"}, 2, "as annotation 1: image_id '9'"),
        ({"category_id": None}, 2, "of a category that is not listed (left out), as annotation 1: category_id None"),
        ({"bbox": MISSING}, 2, "1 box without four finite numbers (left out), as annotation 1: None"),
        ({"bbox": ["1", "wide", 2, 3]}, 2, "as annotation 1: [1, 'wide', 2, 3]"),
    ],
)
def test_another_tools_ground_truth_is_read_as_a_data_set_is_and_says_so(path, fields, kept, says):
    truth = read_truth(write(path, changed("annotations", 0, **fields)))
    assert len(truth.annotations) == kept
    assert any(says in note for note in truth_notes(truth.problems, path))


@pytest.mark.parametrize("entry", [1, None, "a", [], [[NAN]], 1e400])
@pytest.mark.parametrize("part", ["images", "annotations", "categories"])
def test_an_entry_that_is_no_object_costs_itself(path, part, entry):
    data, problems = examine_ground_truth(write(path, GT | {part: [*GT[part], entry]}))
    assert data == GT
    assert [(problem.kind, problem.count) for problem in problems] == [(ProblemKind.NO_ENTRY, 1)]


def test_another_tools_ground_truth_may_lack_areas_and_crowds(path):
    gt = changed("annotations", 0, area=MISSING, iscrowd=MISSING)
    assert read_ground_truth(write(path, gt)) == GT  # 10 × 10


@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"annotations": rows, "images": []}])
def test_results_are_a_list_or_the_annotations_of_a_dict(path, wrap):
    for rows in ([], [{"image_id": 1, "score": 0.5, "more": [1]}]):
        assert read_results(write(path, wrap(rows))) == rows
    (row,) = read_results(write(path, wrap([{"score": NAN, "bbox": [1e400 / 10, 1, 2, 3]}])))
    assert row["score"] != row["score"]


@pytest.mark.parametrize("other", [{"images": []}, [1], {"annotations": {}}, {}, [[]], [NAN]])
def test_other_json_is_no_results_file(path, other):
    with pytest.raises(DataError, match="not a COCO results file: it should hold a list of detections"):
        read_results(write(path, other))

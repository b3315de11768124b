"""Which boxes are alike: as worked out one by one, for detections, found objects and missed ones, and fast enough."""

import time

import numpy as np
import pyarrow as pa
import pytest

from core import DataError
from core.boxes import Detections
from core.datasets.split import read_split
from core.evaluation.alike.box_name import MOST_NAMED, BoxName, join_names, split_names
from core.evaluation.alike.likeness import Likeness, boxes_among, boxes_like, listed_boxes
from core.evaluation.alike.states import KeptStates, keep_states
from core.evaluation.selection import Selection
from core.evaluation.table import is_ground_truth
from core.evaluation.tide import detection_table
from tests.invented import invented, invented_states


@pytest.fixture(scope="module")
def likeness(street):
    split = read_split(street, "val")
    detections = invented(split, 0.5)
    # what is found by a low score alone is missed at 0.5, and has that query's state
    score = np.where(np.arange(len(detections)) % 4 == 0, 0.05 * detections.score, detections.score)
    detections = Detections(detections.image_id, detections.query, detections.label, score, detections.boxes)
    table = detection_table(split.to_dict(), detections, split.label_map())
    return Likeness(table, keep_states(invented_states(detections), table))


@pytest.fixture(scope="module")
def names(likeness):
    return {image_id: f"{image_id}.jpg" for image_id in likeness.table["image_id"].unique().to_pylist()}


def state_plainly(likeness, row):
    """The state of a row of the table, as a dict; None where it has none."""
    query = row["query"] if row["kind"] == "detection" else row["match_query"]
    states = likeness.states
    rows = np.flatnonzero((states.image_id == row["image_id"]) & (states.query == (-1 if query is None else query)))
    return states.values[rows[0]].astype(float) if len(rows) else None


def test_every_boxs_likeness_is_the_cosine_of_the_states(likeness):
    rows = likeness.table.to_pylist()
    states = [state_plainly(likeness, row) for row in rows]
    place = next(i for i, row in enumerate(rows) if row["kind"] == "detection" and states[i] is not None)
    values = likeness.to_row(place)
    for row, state, value in zip(rows, states, values, strict=True):
        if state is not None:
            assert value == pytest.approx(state @ states[place], abs=2e-3)
        elif row["kind"] == "detection":
            assert np.isnan(value)
    assert values[place] == pytest.approx(1, abs=2e-3)


def test_an_object_that_nothing_found_has_the_state_of_the_nearest_detection(likeness):
    rows = likeness.table.to_pylist()
    lost = [
        i for i, r in enumerate(rows) if r["kind"] == "ground_truth" and not r["iscrowd"] and r["match_query"] is None
    ]
    places = likeness.places[lost]
    assert (places >= 0).any()
    for i, place in zip(lost, places.tolist(), strict=True):
        if place >= 0:
            assert likeness.states.image_id[place] == rows[i]["image_id"]


def test_the_most_alike_come_first_and_the_box_itself_leads_them(likeness, names):
    row = int(np.flatnonzero((likeness.places >= 0) & ~is_ground_truth(likeness.table))[0])
    (box,) = likeness.names_of(np.array([row]))
    like = boxes_like(likeness, box, Selection(0.05), names)
    assert like.boxes.rows[0] == row and like.likeness[0] == pytest.approx(1, abs=2e-3)
    assert (np.diff(like.likeness[1:]) <= 0).all()
    listed = listed_boxes(likeness.table, Selection(0.05), names)
    assert set(like.boxes.rows) == set(listed[likeness.places[listed] >= 0].tolist())
    of_class = likeness.table["class_name"].to_pylist()
    nearest = [of_class[i] for i in like.boxes.rows[1:4]]
    assert nearest.count(of_class[row]) >= 2


def test_filters_still_apply(likeness, names):
    box = likeness.names_of(np.flatnonzero(likeness.places >= 0)[:1])[0]
    name = likeness.table["class_name"][0].as_py()
    like = boxes_like(likeness, box, Selection(0.6, classes=(name,)), names)
    part = likeness.table.take(pa.array(like.boxes.rows)).to_pylist()
    assert part and {row["class_name"] for row in part} == {name}
    assert all(row["score"] is None or row["score"] >= np.float32(0.6) for row in part)
    some = dict(list(names.items())[:2])
    assert set(boxes_like(likeness, box, Selection(0.5), some).boxes.image_ids) <= set(some)


def test_objects_are_listed_once_and_missed_ones_always(likeness, names):
    rows = likeness.table.to_pylist()
    listed = [rows[i] for i in listed_boxes(likeness.table, Selection(0.5), names)]
    shown = [r for r in rows if r["kind"] == "detection" and r["score"] >= 0.5]
    missed = [
        r for r in rows if r["kind"] == "ground_truth" and not r["iscrowd"]
        and not (r["match_score"] or 0) >= 0.5 and not (r["pointed_score"] or -1) >= 0.5
    ]  # fmt: skip
    assert [r for r in listed if r["kind"] == "detection"] == shown
    assert missed and all(r in listed for r in missed)
    detected_ids = {r["gt_id"] for r in shown}
    assert not [r for r in listed if r["kind"] == "ground_truth" and r["gt_id"] in detected_ids]


def test_only_named_boxes_are_shown_among_others_each_beside_one_like_it(likeness, names):
    listed = listed_boxes(likeness.table, Selection(0.05), names)
    listed = listed[likeness.places[listed] >= 0]
    some = likeness.names_of(listed[::3])
    among = boxes_among(likeness, some, Selection(0.05), names)
    assert sorted(among.boxes.rows) == sorted(listed[::3]) and among.likeness is None
    states = likeness.states.values[likeness.places[among.boxes.rows]].astype(float)
    cosines = states @ states.T
    for place in range(len(states) - 1):
        assert cosines[place, place + 1] == pytest.approx(cosines[place, place + 1 :].max(), abs=1e-3)
    like = boxes_like(likeness, some[0], Selection(0.05), names, some)
    assert sorted(like.boxes.rows) == sorted(listed[::3])
    assert len(boxes_among(likeness, [BoxName("query", 10**9, 1)], Selection(0.05), names).boxes) == 0


def first_of(likeness, test):
    return next(r for r in likeness.table.to_pylist() if test(r))


def test_why_a_box_is_like_none_is_said(likeness):
    low = first_of(
        likeness, lambda r: r["kind"] == "detection" and r["score"] < 0.05 and state_plainly(likeness, r) is None
    )
    for box, says in (
        (BoxName("query", low["image_id"], low["query"]), "score is too low"),
        (BoxName("query", low["image_id"], 10**6), "not among this model's"),
        (BoxName("truth", 10**12, 1), "not among this model's"),
    ):
        with pytest.raises(DataError, match=says):
            likeness.row_of(box)
    alone = Likeness(likeness.table.filter(pa.array(is_ground_truth(likeness.table))), likeness.states)
    row = first_of(alone, lambda r: not r["iscrowd"] and r["match_query"] is None)
    with pytest.raises(DataError, match="No prediction overlaps this object"):
        alone.row_of(BoxName("truth", row["image_id"], row["gt_id"]))


@pytest.mark.parametrize("text", [
    "", "query", "query.1", "query.1.x", "box.1.2", "query.1.2.3", "query.1.99999999999999999999", " query.1.2",
    "query.1.2\n", "query.１.2", "query.9999999999999999999.1", "<b>.1.2",
])  # fmt: skip
def test_what_names_no_box_is_none(text):
    assert BoxName.from_text(text) is None


def test_names_are_read_as_they_are_written():
    boxes = [BoxName("query", -5, 7), BoxName("truth", 2**62, -1), BoxName("query", 0, 0)]
    assert split_names(join_names(boxes)) == tuple(boxes)
    assert split_names("") == split_names("_" * 10**6) == ()
    assert split_names(join_names(boxes) + "_what_" + join_names(boxes)) == tuple(boxes)
    many = [BoxName("query", i, 1) for i in range(MOST_NAMED + 50)]
    assert split_names(join_names(many)) == tuple(many[:MOST_NAMED])


def test_half_a_million_states_are_compared_in_well_under_a_second():
    count = 500_000
    values = np.random.default_rng(0).normal(size=(count, 64)).astype(np.float16)
    states = KeptStates(np.arange(count) // 50, np.arange(count, dtype=np.int32) % 50, values)
    likeness = Likeness(pa.table({"image_id": states.image_id}), states)
    likeness.__dict__["places"] = np.arange(count)
    likeness.to_row(0)
    begin = time.process_time()
    cosines = likeness.to_row(7)
    assert time.process_time() - begin < 1
    np.testing.assert_allclose(cosines[:50], values[:50].astype(float) @ values[7].astype(float), rtol=1e-3, atol=0.05)

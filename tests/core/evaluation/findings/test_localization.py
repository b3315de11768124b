import math

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.split import FEW
from core.evaluation.findings.curves import class_figures
from core.evaluation.findings.localization import EDGES, Placement, localization, scale_ratio, verdict
from core.evaluation.threshold import count_errors
from core.evaluation.tide import detection_table
from tests.core.coco_cases import cases, gt_of, judge, result, rows

thresholds = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.1])
NOTHING = [gt_of(), gt_of(images=0), gt_of((1, 1, (0, 0, 50, 50), {"iscrowd": 1})), gt_of((1, 1, (0, 0, 10, 10)))]


def spread(n: int, class_id: int = 1, image_id: int = 1) -> list[tuple]:
    """Objects of 10 x 20 pixels that do not touch each other, nor the border of their picture."""
    return [(image_id, class_id, (2 + 12 * (i % 16), 2 + 22 * (i // 16), 10, 20)) for i in range(n)]


def moved(objects: list[tuple], dx=0.0, dy=0.0, width=1.0, height=1.0, score=0.9) -> list[dict]:
    """A prediction of each object: shifted by pixels, scaled about its centre."""
    return [
        result(i, c, (x + dx + w * (1 - width) / 2, y + dy + h * (1 - height) / 2, w * width, h * height), score)
        for i, c, (x, y, w, h) in objects
    ]


def found_in(objects: list[tuple], results: list[dict], score: float = 0.5, **more):
    return localization(detection_table(gt_of(*objects, **more), results), score)


# Against a plain double loop over pycocotools' matches


def judged_pairs(gt: dict, results: list[dict], score: float) -> list[tuple[dict, dict]]:
    """(prediction, object) of every prediction from the score that pycocotools matches at IoU 0.5."""
    objects = {a["id"]: a for a in gt["annotations"]}
    pairs = []
    for image in judge(gt, results).evalImgs if results else []:
        if image and image["aRng"][1] == 1e10 and image["aRng"][0] == 0:
            for number, match in zip(image["dtIds"], image["dtMatches"][0], strict=True):
                prediction = results[int(number) - 1]
                if match and not objects[int(match)]["iscrowd"] and prediction["score"] >= score:
                    pairs.append((prediction, objects[int(match)]))
    return pairs


def poor_pairs(gt: dict, results: list[dict], table, score: float) -> list[tuple[dict, dict]]:
    """The same of the localization errors, as the table has them; crowds left out."""
    objects = {a["id"]: a for a in gt["annotations"]}
    by_place = {}
    for prediction in results:
        of_image = by_place.setdefault(prediction["image_id"], [])
        of_image.append(prediction)
    wrong = [r for r in rows(table) if r["error"] == "localization" and r["score"] >= score]
    pairs = [(by_place[r["image_id"]][r["query"]], objects[r["best_same_gt"]]) for r in wrong]
    return [(prediction, truth) for prediction, truth in pairs if not truth["iscrowd"]]


def assert_is_the_mean_of(placement: Placement, pairs: list[tuple[dict, dict]]) -> None:
    assert placement.n == len(pairs) == sum(placement.ious)
    measured = {name: [] for name in ("dx", "dy", "dx_px", "dy_px", "width", "height")}
    areas, ious = [], []
    for prediction, truth in pairs:
        (x, y, w, h), (a, b, u, v) = prediction["bbox"], truth["bbox"]
        dx, dy = x + w / 2 - a - u / 2, y + h / 2 - b - v / 2
        for name, value in zip(measured, (dx / u, dy / v, dx, dy, math.log(w / u), math.log(h / v)), strict=True):
            measured[name].append(value)
        areas.append(w * h / (u * v))
        both = max(0, min(x + w, a + u) - max(x, a)) * max(0, min(y + h, b + v) - max(y, b))
        ious.append(both / (w * h + u * v - both))
    for name, values in measured.items():
        estimate = getattr(placement, name)
        assert estimate.n == len(values)
        assert estimate.mean == (pytest.approx(np.mean(values), abs=1e-4) if values else None)
        error = np.std(values, ddof=1) / len(values) ** 0.5 if len(values) > 1 else None
        assert estimate.error == (pytest.approx(error, abs=1e-4) if error is not None else None)
    assert placement.mean_iou == (pytest.approx(np.mean(ious), abs=1e-6) if ious else None)
    assert placement.median_iou == (pytest.approx(np.median(ious), abs=1e-6) if ious else None)
    assert placement.too_small == (np.mean([area < 1 / 1.1 for area in areas]) if areas else None)
    assert placement.too_large == (np.mean([area > 1.1 for area in areas]) if areas else None)


@settings(max_examples=60, deadline=None)
@given(cases(), thresholds)
def test_every_group_is_the_mean_over_its_pairs(case, score):
    gt, results = case
    table = detection_table(gt, results)
    found = localization(table, score)
    names = {c["id"]: c["name"] for c in gt["categories"]}
    sizes = {r["gt_id"]: r["size"] for r in rows(table, "ground_truth")}
    truncated = {r["gt_id"]: r["truncated"] for r in rows(table, "ground_truth")}
    groups = [(found.total, lambda truth: True)]
    groups += [(group, lambda t, name=group.name: names[t["category_id"]] == name) for group in found.by_class]
    groups += [(group, lambda t, name=group.name: sizes[t["id"]] == name) for group in found.by_size]
    groups += [(found.whole, lambda t: not truncated[t["id"]]), (found.truncated, lambda t: truncated[t["id"]])]
    for part, pairs in (
        ("found", judged_pairs(gt, results, score)),
        ("poor", poor_pairs(gt, results, table, score)),
    ):
        for group, belongs in groups:
            assert_is_the_mean_of(getattr(group, part), [pair for pair in pairs if belongs(pair[1])])


@settings(max_examples=60, deadline=None)
@given(cases(), thresholds)
def test_it_counts_what_the_other_findings_count(case, score):
    table = detection_table(*case)
    found = localization(table, score)
    assert found.total.poor.n + found.crowds == count_errors(table, score)["localization"]
    counted = {figures.name: figures.found for figures in class_figures(table, score)}
    assert {group.name: group.found.n for group in found.by_class} == {n: counted[n] for n in found.classes}


@settings(max_examples=60, deadline=None)
@given(cases(), thresholds)
def test_a_table_filtered_to_a_class_says_what_the_whole_says_of_it(case, score):
    table = detection_table(*case)
    whole = localization(table, score)
    for group in whole.by_class:
        part = localization(table.filter(pc.field("class_name") == group.name), score)
        assert (part.total.found, part.total.poor) == (group.found, group.poor)
        assert part.classes == (group.name,)
        assert part.is_part == (len(case[0]["categories"]) > 1)


# Edges


@pytest.mark.parametrize("gt", NOTHING)
def test_without_found_objects_nothing_is_defined(gt):
    found = localization(detection_table(gt, []))
    assert found.total.found.n == found.total.poor.n == found.crowds == 0
    assert (found.total.found.mean_iou, found.total.found.dx.mean, found.total.found.too_small) == (None, None, None)
    assert scale_ratio(found.total.found.width) is None
    assert verdict(found) == "From score 0.5, no object is found: too few to say how boxes lie."


def test_perfect_boxes_are_neither_shifted_nor_scaled():
    objects = spread(FEW)
    found = found_in(objects, moved(objects)).total.found
    assert (found.dx.mean, found.dy.mean, scale_ratio(found.width), scale_ratio(found.height)) == (0, 0, 1, 1)
    assert (found.mean_iou, found.ious[-1], found.too_small, found.too_large) == (1, FEW, 0, 0)


def test_an_iou_on_a_border_lies_in_the_bin_above_it():
    objects = [(1, 1, (40 * i, 0, 20, 20)) for i in range(4)]
    widths = (2, 10, 11, 20)  # of 20: an IoU of 0.1, 0.5, 0.55 and 1
    shown = [result(1, 1, (*box[:2], width, 20)) for (_, _, box), width in zip(objects, widths, strict=True)]
    found = found_in(objects, shown).total
    assert [EDGES[i] for i in np.flatnonzero(found.found.ious)] == [0.5, 0.55, 0.95]
    assert [EDGES[i] for i in np.flatnonzero(found.poor.ious)] == [0.1]


def test_a_poor_box_at_a_crowd_is_counted_apart():
    crowd = (1, 1, (0, 0, 30, 30), {"iscrowd": 1})
    found = found_in([crowd], [result(1, 1, (20, 0, 30, 30))])
    assert (found.total.poor.n, found.crowds) == (0, 1)


def test_boxes_of_no_extent_break_nothing():
    found = found_in([(1, 1, (5, 5, 0, 0)), (1, 1, (50, 5, 0, 9))], [result(1, 1, (5, 5, 0, 0))])
    assert found.total.found.n == found.total.poor.n == 0


def test_a_single_box_has_a_mean_and_no_standard_error():
    objects = spread(1)
    found = found_in(objects, moved(objects, dx=1)).total.found
    assert found.dx.mean == pytest.approx(0.1) and found.dx.error is None
    assert not found.dx.is_clear()


def test_a_score_is_at_its_own_threshold_although_float32_rounds_it():
    objects = spread(1)
    assert found_in(objects, moved(objects, score=0.7), 0.7).total.found.n == 1


def test_objects_on_images_of_unknown_size_are_neither_whole_nor_truncated():
    objects = spread(2)
    assert found_in(objects, moved(objects)).whole.found.n == 2
    gt = gt_of(*objects) | {"images": [{"id": 1, "file_name": "1.jpg"}]}
    found = localization(detection_table(gt, moved(objects)))
    assert (found.total.found.n, found.whole.found.n, found.truncated.found.n) == (2, 0, 0)


# In words


def test_the_verdict_says_where_boxes_lie_and_how_large_they_are():
    objects = spread(30)
    shown = moved(objects, dx=-0.5, dy=1, width=0.9, height=1.05)
    assert verdict(found_in(objects, shown)) == (
        "Boxes of 30 found objects lie 5.0 % of the object's width too far left and 5.0 % of the object's height too "
        "far down and are 10.0 % too narrow and 5.0 % too tall."
    )


def test_noise_is_not_read_as_a_finding():
    objects = spread(40)
    rng = np.random.default_rng(1)
    shifts = np.where(rng.permutation(40) < 20, 1, -1).tolist()
    shown = [moved([o], dx=shift, width=1 + shift / 20)[0] for o, shift in zip(objects, shifts, strict=True)]
    assert verdict(found_in(objects, shown)) == (
        "Boxes of 40 found objects lie where the objects are and have their size, on average."
    )


def test_a_sure_but_slight_shift_is_not_worth_a_word():
    objects = spread(40)
    assert "lie where the objects are" in verdict(found_in(objects, moved(objects, dx=0.03)))


@pytest.mark.parametrize(("n", "said"), [(1, "only 1 object is"), (FEW - 1, "only 19 objects are")])
def test_of_few_boxes_it_says_only_that_they_are_few(n, said):
    objects = spread(n)
    assert verdict(found_in(objects, moved(objects, dx=2))).startswith(f"From score 0.5, {said} found: too few")


def test_a_class_that_stands_out_is_named():
    cars, dogs = spread(60), spread(30, class_id=2, image_id=2)
    said = verdict(found_in(cars + dogs, moved(cars) + moved(dogs, dx=2), images=2))
    assert "Those of dog stand out: they lie 20.0 % of the object's width too far right." in said


def test_classes_that_cancel_out_are_told_apart():
    cars, dogs = spread(30), spread(30, class_id=2, image_id=2)
    said = verdict(found_in(cars + dogs, moved(cars, dx=-1) + moved(dogs, dx=2, width=0.9), images=2))
    assert "Those of dog stand out: they lie 20.0 %" in said


def test_poor_boxes_are_told_apart_from_found_ones():
    objects = spread(50)
    said = verdict(found_in(objects, moved(objects[:25]) + moved(objects[25:], width=0.4)))
    assert said.endswith(
        "25 more boxes of the right class fit badly (localization errors, IoU 0.1 to 0.5): on average they are "
        "60.0 % too narrow."
    )
    said = verdict(found_in(objects, moved(objects[1:]) + moved(objects[:1], width=0.4)))
    assert said.endswith("1 more box of the right class fits badly (a localization error, IoU 0.1 to 0.5).")

"""Scenes: what the annotations say must be what the picture shows."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core import DataError
from core.datasets.street import scenery
from core.datasets.street.backdrop import Ground
from core.datasets.street.classes import EXTRAS, WEIGHTS
from core.datasets.street.figures import VIEWS
from core.datasets.street.pen import Sprite, draw_figure
from core.datasets.street.scenery import LOOKS, MIN_SIDE, draw_scene
from core.labels import COCO_TEN

SIZES = [(256, 192), (320, 240), (96, 72), (64, 48), (192, 256), (32, 32)]
PLACES = (36, "40daa1b7d9517682")  # of the objects of eight scenes: how many, and their digest
GROUND = Ground(100, 80, 30.0, 1.5, 50.0, False, (40.0, 60.0))


def scene(seed: int, size=(96, 72), look="day", extra=()):
    return draw_scene(np.random.default_rng([1, seed]), size, look, extra)


@pytest.fixture(scope="module")
def scenes():
    return [scene(seed, (256, 192)) for seed in range(120)]


def square(name, left, top, side=20, scale=1.0, iscrowd=False, color=(255, 0, 255, 255)):
    """A plain square on its place, as the composition would hand it over."""
    return scenery._Item(name, Sprite(Image.new("RGBA", (side, side), color)), left, top, scale, None, iscrowd)


def compose(monkeypatch, items):
    """The scene that these items make, 100 x 80 pixels."""
    monkeypatch.setattr(scenery, "_compose", lambda rng, size, weights: (GROUND, items))
    return draw_scene(np.random.default_rng(0), (100, 80))


def test_an_unknown_look_is_refused_by_name():
    with pytest.raises(DataError, match=r"'noon'.*day, dusk"):
        draw_scene(np.random.default_rng(0), look="noon")


@pytest.mark.parametrize(("extra", "message"), [(("moped",), "'moped'.*scooter"), (("scooter", "scooter"), "twice")])
def test_a_further_class_is_refused_by_name_if_there_is_no_such_or_twice(extra, message):
    with pytest.raises(DataError, match=message):
        draw_scene(np.random.default_rng(0), extra=extra)


def test_a_further_class_takes_its_share_of_the_objects_and_none_without_being_asked_for():
    def share(extra):
        names = [one.name for seed in range(80) for one in scene(seed, (256, 192), extra=extra).objects]
        return names.count("scooter") / len(names), set(names)

    some, classes = share(("scooter",))
    assert 0.08 < some < 0.22 and classes == {*COCO_TEN, "scooter"}
    assert share(())[0] == 0


def test_scenes_without_further_classes_stay_those_that_the_starter_model_was_taught_with():
    places = [(one.name, *map(int, one.box)) for seed in range(8) for one in scene(seed, (256, 192)).objects]
    digest = hashlib.sha256(repr(places).encode()).hexdigest()
    assert (len(places), digest[:16]) == PLACES


@pytest.mark.parametrize("size", [(31, 64), (64, 8)])
def test_a_picture_too_small_for_any_object_is_refused(size):
    with pytest.raises(DataError, match="too small"):
        draw_scene(np.random.default_rng(0), size)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    size=st.sampled_from(SIZES),
    look=st.sampled_from(LOOKS),
    extra=st.sampled_from([(), EXTRAS]),
)
def test_boxes_are_tight_and_areas_count_the_visible_pixels(seed, size, look, extra):
    drawn = scene(seed, size, look, extra)
    assert drawn.image.size == size and drawn.image.mode == "RGB"
    assert drawn.instances.shape == size[::-1]
    places = {}  # number -> visible pixels, gathered one by one
    for y, row in enumerate(drawn.instances.tolist()):
        for x, number in enumerate(row):
            if number:
                places.setdefault(number, []).append((x, y))
    assert sorted(places) == sorted(one.number for one in drawn.objects), "an object in the picture without a box"
    for one in drawn.objects:
        xs, ys = zip(*places[one.number], strict=True)
        assert one.box == (min(xs), min(ys), max(xs) + 1 - min(xs), max(ys) + 1 - min(ys))
        assert one.area == len(xs)
        assert min(one.box[2:]) >= MIN_SIDE
        assert one.name in (*COCO_TEN, *extra)
        assert one.name == "person" or not one.iscrowd


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), look=st.sampled_from(LOOKS))
def test_the_same_generator_state_draws_the_same_scene(seed, look):
    one, same, other = scene(seed, look=look), scene(seed, look=look), scene(seed + 1, look=look)
    assert one.image.tobytes() == same.image.tobytes()
    assert one.objects == same.objects
    assert one.image.tobytes() != other.image.tobytes()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_look_changes_the_light_and_never_what_stands_where(seed):
    day, dusk = scene(seed, look="day"), scene(seed, look="dusk")
    assert day.objects == dusk.objects
    assert np.array_equal(day.instances, dusk.instances)
    assert day.image.tobytes() != dusk.image.tobytes()


def test_dusk_is_darker():
    day, dusk = (np.mean([np.mean(scene(seed, look=look).image) for seed in range(20)]) for look in LOOKS)
    assert dusk < 0.75 * day


def test_a_scene_without_objects_has_an_empty_map(monkeypatch):
    drawn = compose(monkeypatch, [square(None, 10, 10)])
    assert drawn.objects == []
    assert not drawn.instances.any()


@pytest.mark.parametrize(("seen_columns", "kept"), [(0, False), (3, False), (4, True), (20, True)])
def test_an_object_is_kept_from_a_fifth_of_it_seen(monkeypatch, seen_columns, kept):
    # 20 columns wide, seen in the right-hand ones; 4 of 20 are a fifth, and MIN_SIDE must not decide here.
    monkeypatch.setattr(scenery, "MIN_SIDE", 1)
    drawn = compose(monkeypatch, [square("car", 10, 10), square("bus", 10 - seen_columns, 10, scale=2.0)])
    assert [one.name for one in drawn.objects] == (["car", "bus"] if kept else ["bus"])


@pytest.mark.parametrize(("left", "kept"), [(-17, False), (-16, True), (97, False), (96, True)])
def test_what_the_border_cuts_off_counts_as_not_seen(monkeypatch, left, kept):
    monkeypatch.setattr(scenery, "MIN_SIDE", 1)
    drawn = compose(monkeypatch, [square("car", left, 10)])
    assert [one.area for one in drawn.objects] == ([4 * 20] if kept else [])


@pytest.mark.parametrize(("side", "kept"), [(5, False), (6, True)])
def test_an_object_under_six_pixels_is_dropped(monkeypatch, side, kept):
    drawn = compose(monkeypatch, [square("cat", 10, 10, side=side)])
    assert bool(drawn.objects) == kept


def test_a_dropped_object_leaves_no_trace_in_the_picture(monkeypatch):
    cover = square("bus", 12, 10, scale=2.0, color=(0, 0, 255, 255))
    with_it = compose(monkeypatch, [square("car", 10, 10), cover])
    without = compose(monkeypatch, [cover])
    assert with_it.image.tobytes() == without.image.tobytes()
    assert [one.box for one in with_it.objects] == [one.box for one in without.objects]


def test_what_a_dropped_object_hid_is_seen_again(monkeypatch):
    # The bus leaves 3 of the car's 20 columns, so the car goes; the dog behind it then lacks only the bus's column.
    items = [square("dog", 4, 12, side=10), square("car", 10, 10, scale=2.0), square("bus", 13, 10, scale=3.0)]
    assert {one.name: one.area for one in compose(monkeypatch, items).objects} == {"dog": 90, "bus": 400}


def test_a_crowd_is_dropped_when_less_than_half_of_it_is_seen(monkeypatch):
    for left, kept in ((-9, True), (-11, False)):
        drawn = compose(monkeypatch, [square("person", left, 10, iscrowd=True)])
        assert [one.iscrowd for one in drawn.objects] == ([True] if kept else [])


def test_near_things_are_painted_over_far_ones():
    for seed in range(20):
        _, items = scenery._compose(np.random.default_rng(seed), (256, 192), WEIGHTS)
        nearness = [item.scale for item in items]
        assert nearness == sorted(nearness)


def test_what_is_drawn_smaller_stands_nearer_to_the_horizon():
    rows = np.linspace(31, 80, 20)
    scales = [GROUND.scale(row) for row in rows]
    assert scales == sorted(scales)
    assert np.allclose([GROUND.row(scale) for scale in scales], rows)


def test_scenes_show_every_class_crowds_and_empty_streets(scenes):
    objects = [one for drawn in scenes for one in drawn.objects if not one.iscrowd]
    share = {name: np.mean([one.name == name for one in objects]) for name in COCO_TEN}
    assert min(share.values()) > 0.04
    assert {"person", "car"} == set(sorted(share, key=share.get)[-2:])
    assert any(one.iscrowd for drawn in scenes for one in drawn.objects)
    assert 0 < sum(not drawn.objects for drawn in scenes) < 0.15 * len(scenes)
    assert max(len(drawn.objects) for drawn in scenes) <= 12


def test_scenes_hold_small_middle_and_large_objects_some_of_them_cut_off(scenes):
    objects = [one for drawn in scenes for one in drawn.objects if not one.iscrowd]
    areas = np.array([one.area for one in objects])
    assert 0.25 < np.mean(areas < 32**2) < 0.5
    assert 0.1 < np.mean(areas >= 96**2) < 0.3
    at_border = np.mean([one.box[0] == 0 or one.box[0] + one.box[2] == 256 for one in objects])
    assert 0.05 < at_border < 0.5


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("height", [8, 60, 300])
def test_every_view_fills_the_share_of_its_frame_that_sizes_are_computed_from(name, height):
    for number, view in enumerate(VIEWS[name]):
        sprite = draw_figure(view, np.random.default_rng(number), height / view.height)
        painted = np.asarray(sprite.image.getchannel("A")) >= scenery.SOLID
        assert painted.mean() == pytest.approx(view.fill, rel=0.5)
        for x, y, radius, _ in sprite.lamps:
            assert -radius <= x <= sprite.image.width + radius and -radius <= y <= sprite.image.height + radius


@pytest.mark.parametrize("name", VIEWS)
def test_figures_of_one_class_are_seldom_alike(name):
    pictures = {
        draw_figure(view, np.random.default_rng(seed), 60 / view.height).image.tobytes()
        for view in VIEWS[name]
        for seed in range(12)
    }
    assert len(pictures) >= 10 * len(VIEWS[name])


@pytest.mark.parametrize("covered", [False, True])
def test_lamps_glow_at_dusk_only_where_nothing_stands_before_them(monkeypatch, covered):
    dark = (10, 10, 10, 255)
    lit = Sprite(Image.new("RGBA", (20, 20), dark), [(10, 10, 3, (255, 255, 255))])
    items = [scenery._Item("car", lit, 40, 40, 1.0), *[square("bus", 45, 38, scale=2.0, color=dark)] * covered]
    monkeypatch.setattr(scenery, "_compose", lambda rng, size, weights: (GROUND, items))
    drawn = draw_scene(np.random.default_rng(0), (100, 80), "dusk")
    assert (np.mean(drawn.image.getpixel((50, 50))) < 150) == covered


@pytest.mark.parametrize("name", VIEWS)
def test_no_figure_paints_beyond_its_frame_where_it_would_be_cut_off(name):
    for view in VIEWS[name]:
        wider = replace(view, width=view.width + 1, height=view.height + 1, mirrors=False)
        for seed in range(15):
            sprite = draw_figure(wider, np.random.default_rng(seed), 60)
            _, y1, x2, _ = sprite.image.getchannel("A").point(lambda a: 255 if a >= scenery.SOLID else 0).getbbox()
            assert x2 <= 1.09 * 60 * view.width + 2  # figures are stretched by up to 8 per cent
            assert sprite.image.height - y1 <= 60 * view.height + 2

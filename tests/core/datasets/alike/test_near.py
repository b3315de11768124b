"""Near duplicates are found however a copy was saved, and pictures that merely look alike are none."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from core.datasets.alike import near
from core.datasets.alike.look import Look, look_at
from core.datasets.alike.near import candidates, near_duplicates
from core.keep_result import KeepResult
from tests.core.coco_cases import from_env
from tests.core.datasets.check_cases import scene

SIZE = (320, 240)


def groups_of(paths):
    work = KeepResult(near_duplicates([(path.name, path) for path in paths], workers=2))
    steps = list(work)
    assert steps == sorted(steps) and steps[-1:] == ([len(paths)] if paths else [])
    return work.result


def saved(folder, *pictures, **options):
    """The pictures as files, in their order."""
    paths = [folder / f"{number:03}.jpg" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        picture.convert("RGB").save(path, **options)
    return paths


def cut(image, share):
    w, h = image.size
    return image.crop((round(share * w), round(share * h), round(w - share * w), round(h - share * h)))


def jpeg(image, quality):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file)


WAYS = {
    "saved anew": lambda image: jpeg(image, 30),
    "smaller": lambda image: image.resize((130, 97)),
    "larger": lambda image: image.resize((700, 525)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.6),
    "without colours": lambda image: image.convert("L"),
    "cut": lambda image: cut(image, 0.04),
    "another ratio": lambda image: image.resize((320, 320)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_found_however_it_was_saved(tmp_path, way):
    scenes = [scene(seed, SIZE) for seed in range(12)]
    paths = saved(tmp_path, *scenes, *(WAYS[way](one) for one in scenes))
    assert groups_of(paths) == [[paths[i].name, paths[i + 12].name] for i in range(12)]


def test_an_original_and_all_of_its_copies_are_one_group(tmp_path):
    paths = saved(tmp_path, scene(1, SIZE), *(way(scene(0, SIZE)) for way in WAYS.values()), scene(0, SIZE))
    assert groups_of(paths) == [[path.name for path in paths[1:]]]


def test_a_picture_turned_by_exif_is_taken_as_it_is_seen(tmp_path):
    stored = scene(0, SIZE).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned back when it is shown
    stored.save(tmp_path / "turned.jpg", exif=exif)
    scene(0, SIZE).save(tmp_path / "upright.jpg")
    assert len(groups_of([tmp_path / "turned.jpg", tmp_path / "upright.jpg"])) == 1


# What is none


def test_nothing_is_like_nothing(tmp_path):
    assert groups_of([]) == []
    assert groups_of(saved(tmp_path, scene(0))) == []


def test_flat_and_nearly_empty_pictures_are_like_no_other(tmp_path):
    y, x = np.mgrid[-1:1:240j, -1:1:320j]
    light = Image.fromarray((200 - 60 * (x**2 + y**2)).astype(np.uint8))  # the same lamp above all of them
    spotted = []
    for place in ((30, 40), (200, 150), (100, 90)):
        spotted.append(light.copy())
        spotted[-1].paste(40, (*place, place[0] + 12, place[1] + 12))
    flat = [Image.new("RGB", SIZE, color) for color in ("black", "black", "white", "teal")]
    paths = saved(tmp_path, *flat, light, light, *spotted)
    assert groups_of(paths) == []
    assert [look_at(path) for path in paths[:6]] == [None] * 6


def test_what_cannot_be_read_is_like_no_other(tmp_path):
    paths = saved(tmp_path, scene(0), scene(0))
    missing, text = tmp_path / "missing.jpg", tmp_path / "text.jpg"
    text.write_text("no picture")
    (tmp_path / "cut.jpg").write_bytes(paths[0].read_bytes()[:200])
    assert groups_of([missing, text, paths[0], tmp_path / "cut.jpg", paths[1], missing]) == [["000.jpg", "001.jpg"]]


def test_photographs_of_other_scenes_are_no_duplicates():
    paths = sorted(from_env("DETR_LAB_COCO").glob("*2017/*.jpg"))
    assert len(paths) > 100 and groups_of(paths) == []


def test_drawn_scenes_are_no_duplicates(street):
    assert groups_of(sorted(street.glob("*/*.jpg"))) == []


# Many


def test_hashes_are_paired_as_by_comparing_each_with_each(monkeypatch):
    rng = np.random.default_rng(0)
    seeds = rng.integers(0, 2**63, 20)
    looks = []
    for seed in rng.choice(seeds, 150).tolist():
        flipped = [sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, 9), replace=False)) for _ in range(2)]
        looks.append(Look(seed ^ flipped[0], seed ^ flipped[1]))
    monkeypatch.setattr(near, "PARTNERS", 1000)
    monkeypatch.setattr(near, "BLOCK", 700)  # some rows at a time

    def bits(one, other):
        pairs = ((one.whole, other.whole), (one.whole, other.inner), (one.inner, other.whole))
        return min((a ^ b).bit_count() for a, b in pairs)

    expected = {
        (i, j): bits(looks[i], looks[j]) for i in range(150) for j in range(i + 1, 150)
        if bits(looks[i], looks[j]) <= near.BITS
    }  # fmt: skip
    pairs = list(candidates(looks))
    assert len(expected) > 200 and set(pairs) == set(expected) and len(pairs) == len(expected)
    assert [expected[pair] for pair in pairs] == sorted(expected.values())


def test_a_film_of_one_scene_is_one_group_without_pairing_each_with_each(tmp_path):
    paths = saved(tmp_path, *[scene(0)] * 40)
    assert groups_of(paths) == [[path.name for path in paths]]
    looks = [look_at(path) for path in paths]
    assert len(list(candidates(looks))) <= 40 * near.PARTNERS

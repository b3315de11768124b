"""The drawn photographs: an ordinary COCO folder, sizes as COCO's, the same for the same seed."""

from pathlib import Path

import numpy as np

from bench.photographs import PARTS, SHARES, draw_photographs, plan_photographs
from core.datasets.check import sound_splits
from core.datasets.problems import ProblemKind
from core.datasets.split import read_split
from core.keep_result import KeepResult


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def test_a_folder_of_photographs_is_a_sound_data_set_and_follows_from_its_seed(tmp_path):
    for name, train, seed in (("one", 5, 0), ("again", 5, 0), ("fewer", 3, 0), ("other", 5, 1)):
        draw_photographs(tmp_path / name, train, 2, seed)
    one, again, fewer, other = (content(tmp_path / name) for name in ("one", "again", "fewer", "other"))
    assert one == again
    pictures = {name for name in fewer if name.endswith(".jpg")}
    assert len(pictures) == 5 and all(one[name] == fewer[name] != other[name] for name in pictures)
    splits = [read_split(tmp_path / "one", part) for part in PARTS]
    work = KeepResult(sound_splits(*splits))
    assert list(work)[-1] == (7, 7)
    assert {problem.kind for problem in work.result[2]} == {ProblemKind.ONE_SPLIT}  # rare classes, of 7 images
    for part, split in zip(PARTS, splits, strict=True):
        plans = plan_photographs(len(split.images), 0, part)
        assert [(image["width"], image["height"]) for image in split.images] == [plan[:2] for plan in plans]
        assert [len(split.annotations_by_image[image["id"]]) for image in split.images] == [p.objects for p in plans]


def test_sizes_and_objects_are_as_cocos():
    plans = plan_photographs(3000)
    sides = np.array([plan[:2] for plan in plans])
    objects = np.array([plan.objects for plan in plans])
    assert sides.max() == 640 and sides.min() >= 300
    assert 6.5 < objects.mean() < 7.7 and np.median(objects) == 4 and objects.max() == 60
    for size, share in SHARES.items():
        assert abs((sides == size).all(1).mean() - share) < 0.03, size

"""A picture that only decoding shows to be damaged costs itself, not the training; many of them are something else."""

import json
import shutil
from dataclasses import replace

import pytest
from PIL import Image

from core import DataError
from core.datasets.picture_check import examine_picture
from core.detr.input.loader import ReadFailure
from core.training.data.unreadable import Unreadable, remark_on_unreadable
from core.training.events import Evaluated, Finished, StepDone
from core.training.train import train
from tests.core.training.chosen_events import losses


def damage(folder, split, number):
    """Make one picture a PNG with bytes changed in its middle, which no look at its header or its end shows."""
    labels = json.loads((folder / f"annotations/instances_{split}.json").read_text())
    image = labels["images"][number]
    path = folder / split / image["file_name"]
    with Image.open(path) as picture:
        picture.save(path, format="PNG")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(64)
    path.write_bytes(data)
    assert not [kind for kind, _ in examine_picture(path, (image["width"], image["height"]))]
    return image["id"]


@pytest.fixture(scope="module")
def damaged(street, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "data"
    shutil.copytree(street, folder)
    return folder, damage(folder, "train", 1), damage(folder, "val", 0)


def test_a_training_goes_on_without_it_and_says_so(config, damaged, tmp_path):
    folder, in_train, in_val = damaged
    seen = list(train(replace(config, data=str(folder)), tmp_path))
    assert isinstance(seen[-1], Finished)
    evaluated = [p for p in seen if isinstance(p, Evaluated)]
    for one in evaluated:
        ids = {image["id"] for image in one.ground_truth["images"]}
        assert in_val not in ids and set(one.detections.image_id.tolist()) == ids
        assert in_val not in {annotation["image_id"] for annotation in one.ground_truth["annotations"]}
    remarks = [r for p in seen if isinstance(p, (Evaluated, StepDone)) for r in p.remarks if r.rule == "unreadable"]
    assert 1 <= len(remarks) <= 2 and set(remarks[-1].images) == {in_train, in_val}
    assert remarks[-1].title == "2 pictures could not be read"
    assert remarks[-1].evidence.startswith("1 for training and 1 for validation: The picture ")


def test_stopped_and_resumed_it_goes_on_as_if_it_had_not(config, damaged, tmp_path):
    settings = replace(config, data=str(damaged[0]))
    whole = list(train(settings, tmp_path / "whole"))
    begun = train(settings, tmp_path / "run")
    first = []
    for progress in begun:
        first.append(progress)
        if isinstance(progress, StepDone) and progress.step == 4:
            break
    begun.close()
    rest = list(train(settings, tmp_path / "run", resume=True))
    assert losses([*first, *rest]) == losses(whole)


@pytest.mark.parametrize(("images", "spared"), [(1, 0), (2, 1), (8, 4), (100, 11), (5_000, 60)])
def test_a_few_are_spared(images, spared):
    unreadable = Unreadable(images)
    for image in range(spared):
        unreadable.spare(ReadFailure(image, f"Picture {image}."))
        unreadable.spare(ReadFailure(image, f"Picture {image}."))  # each epoch meets it again
    with pytest.raises(DataError, match=r"^Picture 999\."):
        unreadable.spare(ReadFailure(999, "Picture 999."))


def test_a_remark_is_made_once_for_what_is_new():
    train_images, val_images = Unreadable(100), Unreadable(100)
    assert remark_on_unreadable(train_images, val_images, 1) == ()
    train_images.spare(ReadFailure(3, "One."))
    (first,) = remark_on_unreadable(train_images, val_images, 2)
    assert first.title == "1 picture could not be read" and first.evidence == "1 for training: One."
    assert remark_on_unreadable(train_images, val_images, 3) == ()
    val_images.add({4: "Two.", 5: "Three.", 6: "Four."})
    (second,) = remark_on_unreadable(train_images, val_images, 4)
    assert second.evidence == "1 for training and 3 for validation: One. Two. Three. And 1 more."
    assert second.images == (3, 4, 5, 6)

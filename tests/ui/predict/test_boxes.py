"""What Predict says and hands over of the boxes."""

import io
import zipfile

import pytest
from PIL import Image

from core.boxes import Detections
from core.inference.own_pictures import OwnPicture
from core.inference.predictions import Prediction, prediction_table
from core.labels import LabelMap
from ui.predict.answers import Answers
from ui.predict.boxes import drawn, milliseconds, speed, zipped

CLASSES = LabelMap(("car",), (3,))


@pytest.fixture
def pictures(tmp_path):
    made = {}
    for number, name in enumerate(("a.jpg", "a.png", "<i>.gif"), 1):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (80, 60), "white").save(path)
        made[number] = OwnPicture(name, path, (80, 60))
    return made


def prediction(number, own=0.02, whole=0.05):
    return Prediction(Detections([number], [0], [0], [0.9], [(10, 10, 50, 40)]), own, whole)


def test_the_speed_is_the_median_of_the_pictures_that_are_there(pictures):
    answers = Answers(CLASSES, "CPU", {n: prediction(n, n / 100, n / 10) for n in (1, 2, 3, 9)})
    said = speed(pictures, answers, "Best of *x*")
    assert said.startswith(r"3 pictures · Best of \*x\* · CPU · 20 ms a picture in the model, 200 ms with reading")
    assert said.endswith("(median)")
    assert speed({1: pictures[1]}, answers, "m").endswith(
        "10 ms a picture in the model, 100 ms with reading and resizing"
    )
    assert speed(pictures, Answers(), "m") == "3 pictures · m"


@pytest.mark.parametrize("seconds, said", [(0, "0.0 ms"), (0.0099, "9.9 ms"), (0.01, "10 ms"), (0.9994, "999 ms"),
                                           (1, "1.0 s"), (12.34, "12.3 s")])  # fmt: skip
def test_times_are_read_easily(seconds, said):
    assert milliseconds(seconds) == said


def test_the_zip_has_every_picture_with_its_boxes_under_a_name_of_its_own(pictures):
    table = prediction_table(pictures, {n: prediction(n) for n in pictures}, CLASSES)
    with zipfile.ZipFile(io.BytesIO(zipped(pictures, table, 0.5)())) as archive:
        assert archive.namelist() == ["a.png", "a-2.png", "_i_.png"]
        first = archive.read("a.png")
    assert first == drawn(pictures[1], table, 1, 0.5) != drawn(pictures[1], table, 1, 0.95)

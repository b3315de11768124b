"""Pascal VOC folders: every layout and label of theirs, round trips, and damaged XML."""

import pytest
from hypothesis import given

from core.datasets.convert.to_coco import detect_format
from tests.core.datasets.convert.folders import (
    NAMES,
    boxes,
    converted,
    costs,
    names,
    only,
    picture,
    refused,
    text,
    told,
    voc,
    xml,
)
from tests.core.datasets.convert.round_trips import assert_same, datasets, quick, thin_picture


def test_voc2012_layout_counts_pixels_from_one_to_the_last(tmp_path):
    folder = voc(tmp_path / "VOC2012", "2007_01", "2007_02", "2007_03")
    text(folder / "ImageSets/Main/train.txt", "2007_01\n")
    text(folder / "ImageSets/Main/val.txt", "2007_02\n2007_09\n")
    text(folder / "ImageSets/Main/car_train.txt", "2007_01  1\n")
    parts = converted(folder, tmp_path / "out")
    assert names(parts["instances_train"]) == ["JPEGImages/2007_01.png"]
    assert names(parts["instances_val"]) == ["JPEGImages/2007_02.png"]
    assert boxes(parts["instances_train"]) == [[10, 20, 20, 20]]
    assert told(tmp_path / "out") == {"listed-missing": 1, "unlisted": 1}


@pytest.mark.parametrize("lists, parts", [({"val"}, {"instances_train": 2, "instances_val": 1}),
                                          ({"trainval"}, {"instances": 1}), (set(), {"instances": 3})])  # fmt: skip
def test_voc_with_fewer_lists(tmp_path, lists, parts):
    folder = voc(tmp_path / "mine", "a", "b", "c")
    for name in lists:
        text(folder / f"ImageSets/Main/{name}.txt", "b")
    by_name = converted(folder, tmp_path / "out")
    assert {name: len(data["images"]) for name, data in by_name.items()} == parts


def test_roboflows_voc_layout_counts_from_zero_if_a_corner_shows_it(tmp_path):
    folder = tmp_path / "mine"
    for part, x1 in (("train", 10), ("valid", 0), ("test", 5)):
        picture(folder / part / "a_jpg.rf.1.jpg")
        text(folder / part / "a_jpg.rf.1.xml", xml([("car", (x1, 20, 30, 40))]))
    parts = converted(folder, tmp_path / "out")
    assert boxes(parts["instances_train"]) == [[10, 20, 20, 20]] and boxes(parts["instances_val"]) == [[0, 20, 30, 20]]
    assert told(tmp_path / "out") == {"test-part": 1}


@pytest.mark.parametrize("labels, pictures", [("annotations", "images"), ("", "")])
def test_other_voc_layouts(tmp_path, labels, pictures):
    folder = tmp_path / "mine"
    picture(folder / pictures / "a.jpg")
    picture(folder / pictures / "without.jpg")
    text(folder / labels / "a.xml", xml())
    text(folder / labels / "spare.xml", xml(filename="spare.jpg"))
    assert detect_format(folder) == "voc"
    assert boxes(only(folder, tmp_path / "out")) == [[10, 20, 20, 20]]
    assert told(tmp_path / "out") == {"label-alone": 1, "unlabelled": 1}


def test_a_voc_label_of_another_name_is_joined_by_the_file_name_in_it(tmp_path):
    folder = tmp_path / "mine"
    picture(folder / "JPEGImages/photo 1.jpg")
    text(folder / "Annotations/0001.xml", xml(filename="C:\\me\\photo 1.jpg"))
    assert names(only(folder, tmp_path / "out")) == ["JPEGImages/photo 1.jpg"]


def test_voc_objects_keep_difficult_and_names_are_sorted(tmp_path):
    label = xml([("dog", (1, 1, 2, 2)), ("<![CDATA[a <b>]]>", (1.6, 1, 9.9, 5))], more="<difficult>1</difficult>")
    data = only(voc(tmp_path / "mine", label=label), tmp_path / "out")
    assert data["categories"] == [{"id": 1, "name": "a <b>"}, {"id": 2, "name": "dog"}]
    assert [(a["category_id"], a["difficult"], a["iscrowd"]) for a in data["annotations"]] == [(2, 1, 0), (1, 1, 0)]
    assert boxes(data) == [[0, 0, 2, 2], [0.6, 0, 9.3, 5]]


@pytest.mark.parametrize("stated", [(100, 50), (50, 100)])
def test_a_voc_label_says_whether_its_boxes_are_of_the_turned_picture(tmp_path, stated):
    picture(tmp_path / "mine/JPEGImages/a.jpg", orientation=6)
    text(tmp_path / "mine/Annotations/a.xml", xml(size=stated))
    (image,) = only(tmp_path / "mine", tmp_path / "out")["images"]
    assert (image["width"], image["height"]) == stated


@quick
@given(data=datasets)
def test_boxes_written_as_voc_come_back(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("voc") / "mine"
    expected = []
    for number, (size, objects) in enumerate(data):
        thin_picture(folder / f"JPEGImages/{number}.png", size)
        whole = [(k, [round(v * (size[i % 2] - 1)) for i, v in enumerate(c)]) for k, c in objects]
        label = xml([(NAMES[k].replace("<", "&lt;"), (c[0] + 1, c[1] + 1, c[2] + 1, c[3] + 1)) for k, c in whole], size)
        text(folder / f"Annotations/{number}.xml", label)
        expected.append((size, [(k, (c[0], c[1], c[2] + 1, c[3] + 1)) for k, c in whole]))
    assert_same(only(folder, folder.parent / "out"), expected, within=0)


# Bad input


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "label, kind, says",
    [
        (xml()[:-20], "label-file", r"not valid XML \(line 1\)"),
        (BOMB + "]>" + xml([("&i;", (1, 1, 2, 2))]), "label-file", "a DOCTYPE"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd">' + xml(), "label-file", "a DOCTYPE"),
        (
            '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + xml([("&a;", (1, 1, 2, 2))]),
            "label-file",
            "DOCTYPE",
        ),
        ('<?xml version="1.0" encoding="nonsense"?>' + xml(), "label-file", "not valid XML|unknown encoding"),
        ("<annotation>" + "<a>" * 100_000, "label-file", "not valid XML"),
        ("", "label-file", "not valid XML"),
        ("<annotations></annotations>", "label-file", "not a Pascal VOC label file, which begins with <annotation>"),
        (xml(size=(640, 480)), "other-size", "Annotations/b.xml: 640×480, JPEGImages/b.png has 100×50"),
    ],
)
def test_a_damaged_xml_file_costs_its_picture_and_is_named(tmp_path, label, kind, says):
    folder = voc(tmp_path / "mine", "a", "b")
    text(folder / "Annotations/b.xml", label)
    assert names(costs(folder, kind, f"^Annotations/b.xml: .*{says}|{says}")["instances"]) == ["JPEGImages/a.png"]
    (folder / "Annotations/a.xml").unlink()
    if label.startswith("<annotation>") or "?xml" in label:  # else nothing in it shows that it is VOC
        refused(folder, "None of the labels in .* can be used: Annotations/b.xml: ")


@pytest.mark.parametrize(
    "label, says",
    [
        (xml([("", (1, 1, 2, 2))]), "has no name"),
        (xml().replace("bndbox", "polygon"), "has no bndbox"),
        (xml().replace("ymax", "y"), "has a bndbox without four numbers of pixels"),
        (xml([("car", (1, "nan", 2, 2))]), "has a bndbox without four numbers of pixels"),
        (xml([("car", (-1e308, 1, 1e308, 2))]), "has a bndbox without four numbers of pixels"),
    ],
)
def test_a_damaged_object_costs_that_object_and_is_named(tmp_path, label, says):
    folder = voc(tmp_path / "mine", "a", "b")
    text(folder / "Annotations/b.xml", label.replace("</annotation>", xml()[xml().index("<object>") :]))
    data = costs(folder, "label-line", f"^Annotations/b.xml, object 1: {says}")["instances"]
    assert names(data) == ["JPEGImages/a.png", "JPEGImages/b.png"] and boxes(data) == [[10, 20, 20, 20]] * 2
    refused(voc(tmp_path / "all", label=label), f"None of the labels in .* can be used: .*object 1: .*{says}.$")


@pytest.mark.parametrize("size", [None, (0, 0), ("wide", 5), (-100, 50), (20, 30)])
def test_a_size_that_is_missing_or_refuted_by_the_boxes_is_taken_from_the_picture(tmp_path, size):
    folder = voc(tmp_path / "mine", "a", "b")
    text(folder / "Annotations/b.xml", xml(size=size))
    data = costs(folder, "size-stated", "^Annotations/b.xml: ")["instances"]
    assert [(i["width"], i["height"]) for i in data["images"]] == [(100, 50)] * 2
    assert boxes(data) == [[10, 20, 20, 20]] * 2

"""Pascal VOC folders as each tool exports them open as they are: no picture for testing is ever trained on."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.convert.to_coco import detect_format
from tests.core.datasets.convert.folders import boxes, converted, names, picture, text, told, voc, xml
from tests.core.datasets.convert.round_trips import quick


def both(folder, picture_name, label_name=None, **label):
    picture(folder / picture_name)
    text(folder / (label_name or picture_name.rpartition(".")[0] + ".xml"), xml(**label))


def cvat(folder):
    for name in ("a", "b", "sub/c 1"):
        both(folder, f"JPEGImages/{name}.png", f"Annotations/{name}.xml")
    text(folder / "ImageSets/Main/Train.txt", "a\n")
    text(folder / "ImageSets/Main/Validation.txt", "b\n")
    text(folder / "ImageSets/Main/Test.txt", '"sub/c 1"\n')
    text(folder / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:1,2,3::\n")
    return {"train": ["JPEGImages/a.png"], "val": ["JPEGImages/b.png"]}, {"test-part": 1}


def cvat_of_one_part(folder):
    voc(folder, "a", "b")
    text(folder / "ImageSets/Main/default.txt", "a\nb\n")
    return {"": ["JPEGImages/a.png", "JPEGImages/b.png"]}, {}


def cvat_with_a_part_of_ones_own(folder):
    voc(folder, "a", "b")
    text(folder / "ImageSets/Main/night.txt", "a\n")
    text(folder / "ImageSets/Main/test.txt", "b\n")
    return {"": ["JPEGImages/a.png"]}, {"test-part": 1}


def voc2007(folder):
    voc(folder / "VOCdevkit/VOC2007", "000001", "000002", "000003", "000004")
    main = folder / "VOCdevkit/VOC2007/ImageSets/Main"
    for part, number in (("train", 1), ("val", 2), ("test", 3)):
        text(main / f"{part}.txt", f"00000{number}\n")
        text(main / f"car_{part}.txt", f"00000{number} -1\n000004  1\n" if part == "train" else f"00000{number}  1\n")
    text(main / "trainval.txt", "000001\n000002\n")
    picture(folder / "VOCdevkit/VOC2007/SegmentationClass/000001.png")
    jpeg = "VOCdevkit/VOC2007/JPEGImages"
    return {"train": [f"{jpeg}/000001.png"], "val": [f"{jpeg}/000002.png"]}, {"test-part": 1, "unlisted": 1}


def lists_of_classes_alone(folder):
    voc(folder, "a", "b", "c")
    for part, name in (("train", "a"), ("val", "b"), ("test", "c")):
        text(folder / f"ImageSets/Main/car_{part}.txt", f"{name}  1\n")
    return {"train": ["JPEGImages/a.png"], "val": ["JPEGImages/b.png"]}, {"test-part": 1}


def lists_with_paths_and_endings(folder):
    voc(folder, "a", "b", "c")
    text(folder / "imagesets/MAIN/TRAIN.TXT", "/home/me/VOC/JPEGImages/A.JPG\r\n")
    text(folder / "imagesets/MAIN/VAL.TXT", "Annotations\\b.xml\r\n")
    text(folder / "imagesets/MAIN/TEST.TXT", "\ufeffc.png\r\n")
    return {"train": ["JPEGImages/a.png"], "val": ["JPEGImages/b.png"]}, {"test-part": 1}


def a_list_for_testing_alone(folder):
    voc(folder, "a", "b")
    text(folder / "test.txt", "B\n")
    return {"": ["JPEGImages/a.png"]}, {"test-part": 1}


def roboflow(folder):
    for part in ("train", "valid", "test"):
        both(folder, f"{part}/a_jpg.rf.1.jpg", filename="a_jpg.rf.1.jpg")
    text(folder / "README.roboflow.txt", "mine")
    return {"train": ["train/a_jpg.rf.1.jpg"], "val": ["valid/a_jpg.rf.1.jpg"]}, {"test-part": 1}


def roboflow_without_valid(folder):
    both(folder, "train/a_jpg.rf.1.jpg")
    return {"": ["train/a_jpg.rf.1.jpg"]}, {}


def fiftyone(folder):
    both(folder, "data/a.jpg", "labels/a.xml", filename="a.jpg")
    return {"": ["data/a.jpg"]}, {}


def datumaro(folder):
    for name in ("a", "my photo"):
        both(folder, f"JPEGImages/{name}.jpg", f"Annotations/{name}.xml")
    text(folder / "ImageSets/Main/train.txt", "a\n")
    text(folder / "ImageSets/Main/test.txt", '"my photo"\n')
    text(folder / "ImageSets/Main/car_train.txt", "a  1\n")
    return {"": ["JPEGImages/a.jpg"]}, {"test-part": 1}


def supervisely(folder):
    root = folder / "VOCdevkit/VOC"
    voc(root, "a", "b")
    picture(root / "SegmentationObject/a.png")
    text(root / "colors.txt", "neutral 224 224 192\ncar 1 2 3\n")
    text(root / "ImageSets/Segmentation/train.txt", "a\nb\n")
    text(root / "ImageSets/Main/train.txt", "a\n")
    text(root / "ImageSets/Main/val.txt", "b\n")
    return {"train": ["VOCdevkit/VOC/JPEGImages/a.png"], "val": ["VOCdevkit/VOC/JPEGImages/b.png"]}, {}


def labelme2voc(folder):
    both(folder, "JPEGImages/a.jpg", "Annotations/a.xml", filename="a.jpg")
    picture(folder / "AnnotationsVisualization/a.jpg")
    text(folder / "class_names.txt", "_background_\ncar")
    return {"": ["JPEGImages/a.jpg"]}, {}


def label_studio(folder):
    both(folder, "images/1f2e-a.jpg", "Annotations/1f2e-a.xml", filename="1f2e-a")
    return {"": ["images/1f2e-a.jpg"]}, {}


def folders_of_parts_in_any_case(folder):
    for part in ("Train", "VAL", "Testing"):
        both(folder, f"images/{part}/{part}.jpg", f"annotations/{part}/{part}.xml")
    return {"train": ["images/Train/Train.jpg"], "val": ["images/VAL/VAL.jpg"]}, {"test-part": 1}


def names_in_another_spelling(folder):
    both(folder, "JPEGImages/Stra\u00dfe 1.JPG", "Annotations/STRASSE 1.xml")
    both(folder, "JPEGImages/\u00e9t\u00e9.jpg", "Annotations/0001.xml", filename="C:\\me\\e\u0301te\u0301")
    return {"": ["JPEGImages/Stra\u00dfe 1.JPG", "JPEGImages/\u00e9t\u00e9.jpg"]}, {}


def parts_with_the_same_names_of_which_one_label_is_missing(folder):
    for part in ("train", "val"):
        both(folder, f"{part}/images/1.jpg", f"{part}/annotations/1.xml")
    picture(folder / "train/images/2.jpg")
    both(folder, "val/images/2.jpg", "val/annotations/2.xml")
    text(folder / "val/annotations/3.xml", xml())
    picture(folder / "train/images/3.jpg")
    return (
        {"train": ["train/images/1.jpg"], "val": ["val/images/1.jpg", "val/images/2.jpg"]},
        {"unlabelled": 2, "label-alone": 1},
    )


def two_years_with_the_same_numbers(folder):
    for year in ("VOC2007", "VOC2012"):
        root = folder / "VOCdevkit" / year
        voc(root, *"1234")
        for part, number in (("train", 1), ("val", 2), ("test", 3)):
            text(root / f"ImageSets/Main/{part}.txt", f"{number}\n")
    (folder / "VOCdevkit/VOC2007/Annotations/4.xml").unlink()
    years = [f"VOCdevkit/{year}/JPEGImages" for year in ("VOC2007", "VOC2012")]
    return (
        {"train": [f"{year}/1.png" for year in years], "val": [f"{year}/2.png" for year in years]},
        {"test-part": 2, "unlabelled": 1, "unlisted": 1},
    )


def oxford_pets(folder):
    for name in "abc":
        both(folder, f"images/{name}.jpg", f"annotations/xmls/{name}.xml", filename=f"{name}.jpg")
        picture(folder / f"annotations/trimaps/{name}.png")
    text(folder / "annotations/trainval.txt", "a 1 1 1\nb 2 2 1\n")
    text(folder / "annotations/test.txt", "c 1 1 1\n")
    return {"": ["images/a.jpg", "images/b.jpg"]}, {"test-part": 1, "unlabelled": 3}


EXPORTS = [
    cvat, cvat_of_one_part, cvat_with_a_part_of_ones_own, voc2007, lists_of_classes_alone, lists_with_paths_and_endings,
    a_list_for_testing_alone, roboflow, roboflow_without_valid, fiftyone, datumaro, supervisely, labelme2voc,
    label_studio, folders_of_parts_in_any_case, names_in_another_spelling, two_years_with_the_same_numbers, oxford_pets,
    parts_with_the_same_names_of_which_one_label_is_missing,
]  # fmt: skip


@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_opens_as_it_is(tmp_path, export):
    expected, problems = export(tmp_path / "mine")
    text(tmp_path / "mine/other.xml", "<settings/>")
    text(tmp_path / "mine/notes.json", json.dumps({"categories": []}))
    assert detect_format(tmp_path / "mine") == "voc"
    parts = converted(tmp_path / "mine", tmp_path / "out")
    assert {stem[len("instances_") :]: names(data) for stem, data in parts.items()} == expected
    for data in parts.values():
        assert [c["name"] for c in data["categories"]] == ["car"]
        assert boxes(data) == [[10, 20, 20, 20]] * len(data["images"])
    assert told(tmp_path / "out") == problems


spellings = st.sampled_from([str, str.upper, str.lower, lambda n: f"JPEGImages/{n}.png", lambda n: f"C:\\x\\{n}.JPG",
                             lambda n: n.replace(" ", "%20"), lambda n: f'"{n}"', lambda n: f"./{n}.xml"])  # fmt: skip


@quick
@given(tested=st.sets(st.sampled_from("abcde"), min_size=1, max_size=4), spelling=spellings,
       list_name=st.sampled_from(["test", "Test", "TEST", "testing", "test2007", "my_test"]))  # fmt: skip
def test_what_a_list_names_for_testing_is_never_trained_on(tmp_path_factory, tested, spelling, list_name):
    folder = voc(tmp_path_factory.mktemp("voc") / "mine", *(f"pic {name}" for name in "abcde"))
    text(folder / f"ImageSets/Main/{list_name}.txt", "\n".join(spelling(f"pic {name}") for name in sorted(tested)))
    text(folder / "ImageSets/Main/train.txt", "\n".join(f"pic {name}" for name in "abcde"))
    parts = converted(folder, folder.parent / "out")
    used = {name for data in parts.values() for name in names(data)}
    assert used == {f"JPEGImages/pic {name}.png" for name in set("abcde") - tested}

"""What tools draw besides upright rectangles, and how each tells sizes, parts and names."""

import json
import math
import zlib
from base64 import b64encode

import pytest

from core.datasets.convert.format import ProblemCounter
from core.datasets.convert.formats.documents import BadObject
from core.datasets.convert.formats.shapes import from_corners, from_points, turned
from core.datasets.convert.formats.supervisely import SUPERVISELY
from core.datasets.convert.to_coco import convert, detect_format
from core.datasets.folder.conversion_record import read_conversion
from core.datasets.problems import ProblemKind
from core.datasets.split import examine_splits
from tests.core.datasets.convert.folders import picture, text
from tests.core.datasets.convert.formats.made import dump, mask
from tests.core.datasets.convert.formats.test_formats import converted, problems


def boxes(folder, stem="a"):
    return [box for _, box in next(part[stem] for part in converted(folder).values() if stem in part)]


def near(*corners):
    return pytest.approx(corners, abs=0.02)


def labelme(folder, *shapes, **more):
    picture(folder / "a.png")
    dump(folder / "a.json", {"version": "5", "shapes": list(shapes), "imagePath": "a.png", **more})
    return folder


def shape(kind, *points, **more):
    return {"label": "car", "shape_type": kind, "points": list(points), **more}


def test_labelme_polygons_and_circles_have_boxes_and_points_have_none(tmp_path):
    folder = labelme(
        tmp_path / "m", shape("polygon", [1, 2], [30, 8], [9, 40]), shape("circle", [50, 25], [53, 29]),
        shape("point", [3, 3]), shape("line", [3, 3], [9, 9]), {"label": "car", "points": [[5, 5], [9, 9], [5, 9]]},
    )  # fmt: skip
    assert boxes(folder) == [near(1, 2, 30, 40), near(45, 20, 55, 30), near(5, 5, 9, 9)]
    assert problems(folder)[ProblemKind.LABEL_LINE] == 2


@pytest.mark.parametrize("path", ["C:\\data\\a.png", "..\\images\\a.png", None, "", "gone/a.jpg", "other.png", 7])
def test_labelme_finds_its_picture_whatever_its_path(tmp_path, path):
    assert boxes(labelme(tmp_path / "m", shape("rectangle", [1, 2], [3, 9]), imagePath=path)) == [near(1, 2, 3, 9)]


def test_labelme_files_may_lie_apart_from_their_pictures(tmp_path):
    folder = labelme(tmp_path / "m", shape("rectangle", [1, 2], [3, 9]), imagePath="../images/a.png")
    (folder / "images").mkdir()
    (folder / "json").mkdir()
    (folder / "a.png").rename(folder / "images/a.png")
    (folder / "a.json").rename(folder / "json/a.json")
    assert boxes(folder) == [near(1, 2, 3, 9)]


@pytest.mark.parametrize("first, second", [("train", "val"), ("a", "b")])
def test_a_label_is_of_the_nearest_picture_of_its_name_and_of_none_in_another_part(tmp_path, first, second):
    for part in (first, second):
        picture(tmp_path / f"m/{part}/images/1.png")
        picture(tmp_path / f"m/{part}/images/2.png")
        rows = {"shapes": [shape("rectangle", [1, 2], [3, 9])], "imagePath": "1.png", "version": "5"}
        dump(tmp_path / f"m/{part}/jsons/1.json", rows)
    dump(tmp_path / f"m/{second}/jsons/2.json", rows | {"imagePath": "2.png"})
    if first == "train":
        picture(tmp_path / "m/train/images/3.png")
        dump(tmp_path / "m/val/jsons/3.json", rows | {"imagePath": "3.png"})
    list(convert(tmp_path / "m", tmp_path / "out"))
    used = {i["file_name"] for split in examine_splits(tmp_path / "out").values() for i in split.images}
    assert used == {f"{first}/images/1.png", f"{second}/images/1.png", f"{second}/images/2.png"}


def test_a_size_of_another_picture_leaves_it_out(tmp_path):
    folder = labelme(tmp_path / "m", shape("rectangle", [1, 2], [3, 9]), imageWidth=640, imageHeight=480)
    dump(folder / "b.json", {"shapes": [shape("rectangle", [1, 2], [3, 9])], "imagePath": "b.png"})
    picture(folder / "b.png")
    assert boxes(folder, "b") == [near(1, 2, 3, 9)]
    assert problems(folder)[ProblemKind.OTHER_SIZE] == 1


def cvat(folder, *shapes, more=""):
    picture(folder / "images/a.png")
    image = f'<image id="0" name="a.png" width="100" height="50">{"".join(shapes)}</image>'
    text(folder / "annotations.xml", f"<annotations><version>1.1</version>{image}{more}</annotations>")
    return folder


def test_cvat_turns_a_box_about_its_middle_and_knows_polygons_ellipses_and_masks(tmp_path):
    folder = cvat(
        tmp_path / "m", '<box label="car" xtl="40" ytl="20" xbr="60" ybr="30" rotation="90"/>',
        '<polygon label="car" points="1,2;30,8;9,40"/>', '<ellipse label="car" cx="50" cy="25" rx="5" ry="3"/>',
        '<mask label="car" rle="1,2" left="4" top="5" width="6" height="7"/>', '<points label="car" points="1,2"/>',
        '<tag label="car"/>',
    )  # fmt: skip
    expected = [near(45, 15, 55, 35), near(1, 2, 30, 40), near(45, 22, 55, 28), near(4, 5, 10, 12)]
    assert boxes(folder) == expected and problems(folder)[ProblemKind.LABEL_LINE] == 1


def test_cvat_says_the_part_of_a_picture(tmp_path):
    box = '<box label="car" xtl="1" ytl="2" xbr="3" ybr="4"/>'
    more = "".join(
        f'<image id="{n}" name="{name}.png" subset="{part}" width="100" height="50">{box}</image>'
        for n, (name, part) in enumerate((("b", "Train"), ("c", "Validation"), ("d", "Test")), start=1)
    )
    for name in "bcd":
        picture(tmp_path / f"m/images/{name}.png")
    parts = converted(cvat(tmp_path / "m", box, more=more))
    assert {part: set(images) for part, images in parts.items()} == {"train": {"b"}, "val": {"c"}, "test": {"d"}}
    assert problems(tmp_path / "m")[ProblemKind.TEST_PART] == 1
    assert problems(tmp_path / "m")[ProblemKind.UNLISTED] == 1  # a, of no part


def test_cvat_refuses_a_document_type(tmp_path):
    folder = cvat(tmp_path / "m", '<box label="car" xtl="1" ytl="2" xbr="3" ybr="4"/>')
    picture(folder / "more/b.png")
    text(
        folder / "more/annotations.xml",
        '<!DOCTYPE a [<!ENTITY e "e">]><annotations><version>&e;</version></annotations>',
    )
    converted(folder)
    assert problems(folder)[ProblemKind.LABEL_FILE] == 1


def test_label_studio_turns_a_box_about_its_corner_in_pixels(tmp_path):
    """In percent of 100 × 50 a turn would not be one."""
    value = {"x": 50, "y": 20, "width": 20, "height": 20, "rotation": 90, "rectanglelabels": ["car"]}
    polygon = {"points": [[1, 2], [30, 8], [9, 40]], "polygonlabels": ["car"]}
    ellipse = {"x": 50, "y": 50, "radiusX": 5, "radiusY": 6, "rotation": 0, "ellipselabels": ["car"]}
    size = {"original_width": 100, "original_height": 50}
    results = [
        {"type": "rectanglelabels", "value": value, **size}, {"type": "polygonlabels", "value": polygon, **size},
        {"type": "ellipselabels", "value": ellipse, **size}, {"type": "choices", "value": {"choices": ["day"]}},
        {"type": "keypointlabels", "value": {"x": 1, "y": 2, "width": 1, "keypointlabels": ["car"]}, **size},
    ]  # fmt: skip
    picture(tmp_path / "m/a.png")
    dump(tmp_path / "m/x.json", [{"data": {"img": "s3://bucket/x/a.png"}, "annotations": [{"result": results}]}])
    assert boxes(tmp_path / "m") == [near(40, 10, 50, 30), near(1, 1, 30, 20), near(45, 22, 55, 28)]
    assert problems(tmp_path / "m") == {ProblemKind.LABEL_LINE: 1}


def test_label_studios_short_form_is_read(tmp_path):
    value = {"x": 10, "y": 20, "width": 20, "height": 20, "rotation": 0, "rectanglelabels": ["car"]}
    picture(tmp_path / "m/a.png")
    task = {"image": "/data/local-files/?d=m/a.png", "id": 1, "annotator": 1}
    dump(tmp_path / "m/x.json", [task | {"label": [value | {"original_width": 100, "original_height": 50}]}])
    assert detect_format(tmp_path / "m") == "label studio" and boxes(tmp_path / "m") == [near(10, 10, 30, 20)]


def test_shares_are_of_the_upright_picture(tmp_path):
    picture(tmp_path / "m/data/a.jpg", orientation=6)  # 50 × 100 as it is seen
    labels = {"a": [{"label": "car", "bounding_box": [0.1, 0.2, 0.3, 0.4]}]}
    dump(tmp_path / "m/labels.json", {"classes": ["car"], "labels": labels})
    assert boxes(tmp_path / "m") == [near(5, 20, 20, 60)]
    images = json.loads((tmp_path / "m out/annotations/instances.json").read_text())["images"]
    assert (images[0]["width"], images[0]["height"], images[0]["upright"]) == (50, 100, True)


def test_fiftyone_says_the_part_by_a_tag(tmp_path):
    samples = []
    for stem, tags in (("a", ["good", "train"]), ("b", ["validation"]), ("c", ["test"])):
        picture(tmp_path / f"m/data/{stem}.png")
        truth = {"_cls": "Detections", "detections": [{"label": "car", "bounding_box": [0.1, 0.2, 0.3, 0.4]}]}
        samples.append({"filepath": f"/home/me/data/{stem}.png", "tags": tags, "objects": truth})
    dump(tmp_path / "m/samples.json", {"samples": samples})
    parts = {part: list(images) for part, images in converted(tmp_path / "m").items()}
    assert parts == {"train": ["a"], "val": ["b"], "test": ["c"]}


def supervisely(folder, *objects):
    picture(folder / "ds/img/a.png")
    dump(folder / "ds/ann/a.png.json", {"size": {"height": 50, "width": 100}, "objects": list(objects)})
    return folder


def test_supervisely_polygons_and_masks_have_boxes(tmp_path):
    polygon = {"classTitle": "car", "geometryType": "polygon", "points": {"exterior": [[1, 2], [30, 8], [9, 40]]}}
    bitmap = {"classTitle": "car", "geometryType": "bitmap", "bitmap": {"data": mask(12, 7), "origin": [20, 30]}}
    broken = {"classTitle": "car", "geometryType": "bitmap", "bitmap": {"data": "AAAA", "origin": [20, 30]}}
    folder = supervisely(tmp_path / "m", polygon, bitmap, broken)
    assert boxes(folder) == [near(1, 2, 30, 40), near(20, 30, 32, 37)]
    assert problems(folder) == {ProblemKind.LABEL_LINE: 1}


def test_a_mask_that_would_fill_the_memory_is_not_unpacked(tmp_path):
    data = b64encode(zlib.compress(bytes(10**8))).decode()
    bitmap = {"classTitle": "car", "geometryType": "bitmap", "bitmap": {"data": data, "origin": [20, 30]}}
    folder = supervisely(
        tmp_path / "m",
        bitmap,
        {"classTitle": "car", "geometryType": "rectangle", "points": {"exterior": [[1, 2], [3, 4]]}},
    )
    assert near(1, 2, 4, 5) in boxes(folder)


def test_supervisely_pictures_are_those_of_their_data_set(tmp_path):
    for name, x in (("one", 1), ("two", 5)):
        picture(tmp_path / f"m/{name}/img/a.png")
        box = {"classTitle": "car", "geometryType": "rectangle", "points": {"exterior": [[x, 2], [30, 40]]}}
        dump(tmp_path / f"m/{name}/ann/a.png.json", {"size": {"height": 50, "width": 100}, "objects": [box]})
    listing = SUPERVISELY.list_folder(tmp_path / "m", ProblemCounter())
    pairs = {item.picture: listing.content[item.label].objects[0].corners[0] for item in listing.items}
    assert pairs == {"one/img/a.png": 1, "two/img/a.png": 5}


def test_via_knows_polygons_circles_checkboxes_and_its_first_version(tmp_path):
    shapes = [
        {"name": "polygon", "all_points_x": [1, 30, 9], "all_points_y": [2, 8, 40]},
        {"name": "circle", "cx": 50, "cy": 25, "r": 5},
        {"name": "ellipse", "cx": 50, "cy": 25, "rx": 10, "ry": 5, "theta": math.pi / 2},
        {"name": "point", "cx": 1, "cy": 2},
    ]  # fmt: skip
    regions = {
        str(i): {"shape_attributes": s, "region_attributes": {"kind": {"car": True}}} for i, s in enumerate(shapes)
    }
    picture(tmp_path / "m/a.png")
    dump(
        tmp_path / "m/via.json", {"a.png9": {"filename": "a.png", "size": 9, "regions": regions, "file_attributes": {}}}
    )
    assert boxes(tmp_path / "m") == [near(1, 2, 30, 40), near(45, 20, 55, 30), near(45, 15, 55, 35)]
    assert problems(tmp_path / "m")[ProblemKind.LABEL_LINE] == 1


def test_datumaro_knows_polygons_and_turned_boxes(tmp_path):
    annotations = [
        {"type": "polygon", "label_id": 0, "points": [1, 2, 30, 8, 9, 40]}, {"type": "label", "label_id": 0},
        {"type": "bbox", "label_id": 0, "bbox": [40, 20, 20, 10], "attributes": {"rotation": 90}},
        {"type": "points", "label_id": 0, "points": [1, 2, 2]},
        {"type": "rotated_bbox", "label_id": 0, "bbox": [50, 25, 20, 10, 90]},
        {"type": "ellipse", "label_id": 0, "points": [10, 5, 40, 30]},
    ]  # fmt: skip
    for part in ("train", "validation"):
        picture(tmp_path / f"m/images/{part}/a.png")
        item = {"id": "a", "annotations": annotations, "media": {"path": ""}}
        categories = {"label": {"labels": [{"name": "car"}], "attributes": []}, "mask": {"colormap": []}}
        dump(tmp_path / f"m/annotations/{part}.json", {"info": {}, "categories": categories, "items": [item]})
    assert set(converted(tmp_path / "m")) == {"train", "val"}
    turned_boxes = [near(45, 15, 55, 35)] * 2
    assert boxes(tmp_path / "m") == [near(1, 2, 30, 40), *turned_boxes, near(10, 5, 40, 30)]


def test_roboflows_parts_stay_apart(tmp_path):
    """The same name of a picture in every part."""
    for part, x in (("train", 1), ("valid", 5), ("test", 9)):
        picture(tmp_path / f"m/{part}/a.png")
        head = "filename,width,height,class,xmin,ymin,xmax,ymax"
        text(tmp_path / f"m/{part}/_annotations.csv", f'{head}\na.png,100,50,"a, b",{x},2,30,40\n')
    lefts = {"train": 1, "val": 5, "test": 9}
    assert converted(tmp_path / "m") == {part: {"a": [("a, b", near(x, 2, 30, 40))]} for part, x in lefts.items()}
    assert read_conversion(tmp_path / "m out").boxes == 3


def test_shapes_without_numbers_are_refused():
    for values in ((1, 2, 3, math.nan), ("a", 1, 2, 3), (1, 2, True, 4), (10**9, 1, 2, 3), (None, 1, 2, 3)):
        with pytest.raises(BadObject):
            from_corners("car", *values)
    for name in (None, "", True, [], "\ud800"):
        with pytest.raises(BadObject):
            from_corners(name, 1, 2, 3, 4)
    with pytest.raises(BadObject):
        from_points("car", [1], [2])
    one = from_corners("car", 30, 40, 10, 20)
    assert one.corners == (10, 20, 30, 40) and turned(one, None, 0, 0) is one

"""CVAT for images 1.1: one annotations.xml with every picture and its shapes, in pixels.

    <annotations><image name="images/a.jpg" subset="Train" width="100" height="50">
      <box label="car" xtl="1" ytl="2" xbr="3" ybr="4" rotation="30"/> …

Source: CVAT's documentation of its XML format. Boxes are turned about their middle.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from core.datasets.convert.format import LabelledObject
from core.datasets.convert.formats.documents import BadObject, Documents, Entry, Source
from core.datasets.convert.formats.shapes import centre, from_circle, from_corners, from_pairs, number, size_of, turned
from core.datasets.convert.source import LabelFileError

SHAPES = ("box", "polygon", "polyline", "points", "ellipse", "mask", "cuboid", "skeleton")


def _parse(source: Source) -> Iterable[Entry]:
    try:
        root = fromstring(source.bytes(), forbid_dtd=True)
    except ParseError as error:
        raise LabelFileError(f"not valid XML (line {error.position[0]})") from None
    except (ValueError, LookupError):  # DTDForbidden, or an encoding that is not known
        raise LabelFileError("a DOCTYPE or an unknown encoding") from None
    if root.find("track") is not None and root.find("image") is None:
        raise LabelFileError("tracks of a video: export it from CVAT as CVAT for images or as COCO")
    for image in root.iterfind("image"):
        stated = size_of(image.get("width"), image.get("height"))
        entry = Entry(image.get("name", ""), stated=stated, part=image.get("subset", ""))
        yield entry.add([shape for shape in image if shape.tag in SHAPES], _object)


def _object(shape: Element) -> LabelledObject:
    label = shape.get("label")
    if shape.tag == "box":
        one = from_corners(label, *(shape.get(side) for side in ("xtl", "ytl", "xbr", "ybr")))
        return turned(one, shape.get("rotation"), *centre(one))
    if shape.tag == "polygon":
        return from_pairs(label, [pair.split(",") for pair in shape.get("points", "").split(";")])
    if shape.tag == "ellipse":
        one = from_circle(label, *(shape.get(name) for name in ("cx", "cy", "rx", "ry")))
        return turned(one, shape.get("rotation"), *centre(one))
    if shape.tag == "mask":
        left, top = number(shape.get("left")), number(shape.get("top"))
        right, bottom = left + number(shape.get("width")), top + number(shape.get("height"))
        return from_corners(label, left, top, right, bottom)
    raise BadObject(f"is a {shape.tag}, which has no box")


CVAT = Documents("CVAT", (".xml",), (r"<annotations[\s>]",), _parse)

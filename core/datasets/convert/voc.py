"""Pascal VOC folders: an XML file per picture with its objects' names and corners.

    Annotations/a.xml   JPEGImages/a.jpg   ImageSets/Main/train.txt, val.txt       VOC2012, CVAT, Datumaro, labelme2voc
    train/a.xml         train/a.jpg        valid/…                                 Roboflow
    labels/a.xml        data/a.jpg                                                 FiftyOne
    annotations/a.xml   images/a.jpg,   or a.xml beside a.jpg

VOC counts pixels from 1 and a box holds its last pixel: xmin − 1 … xmax are the borders from 0, as Detectron2 has it.
Many tools write VOC but count from 0 to the border; a corner below 1 anywhere in a folder shows one of these, and its
boxes are taken as they are. An own reader, since FiftyOne cuts fractions off and subtracts nothing, globox resolves
entities, and neither says what is wrong.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from core import DataError
from core.datasets.convert.format import (
    Item,
    LabelledObject,
    Labels,
    Listing,
    PictureSize,
    ProblemCounter,
    normalize_splits,
)
from core.datasets.convert.meant_size import meant_size
from core.datasets.convert.source import (
    MOST_PROBES,
    FolderFiles,
    LabelFileError,
    beginning,
    nearest_to,
    read_bytes,
    splits_by_folder,
    strays,
    to_class_name,
)
from core.datasets.convert.voc_parts import splits_of_pictures
from core.datasets.names.name_index import NameIndex
from core.datasets.problems import ProblemKind

TITLE = "Pascal VOC"
MOST_PIXELS = 10**6  # of a side, far beyond any picture
SIDES = ("xmin", "ymin", "xmax", "ymax")
NO_PICTURES = re.compile(
    r"segmentation(class|object).*|.*visualization", re.IGNORECASE
)  # folders of masks and drawings
ROOT = re.compile(r"<annotation[\s>]")
ENCODING = re.compile(rb"""^\s*<\?xml[^>]*encoding=["']([\w.-]+)["'][^>]*\?>""")
BEFORE_ROOT = 1000  # bytes in which that stands
OF_SEVERAL_BYTES = ("big5", "cp9", "euc", "gb", "hz", "johab", "shift")  # how Python's names of such encodings begin


def looks_like(folder: Path) -> bool:
    """Check whether the folder has an XML file that begins as VOC's do."""
    files = FolderFiles(folder, is_sample=True)
    return any(_is_voc(files.path(name)) for name in files.ending(".xml")[:MOST_PROBES])


def _is_voc(path: Path) -> bool:
    return bool(ROOT.search(beginning(path)))


def list_folder(folder: Path, problems: ProblemCounter) -> Listing:
    """Return the pictures and splits of a resolved folder; raises DataError if there are none."""
    files = FolderFiles(folder, problems)
    pictures = [name for name in files.pictures if not any(map(NO_PICTURES.fullmatch, name.split("/")[:-1]))]
    labels, alone = _match_labels(files, pictures)
    if not labels:
        raise DataError(f"{folder} holds no picture with a Pascal VOC label file: put each XML file's picture there.")
    splits, lists = splits_of_pictures(files, pictures, labels, problems)
    items = [Item(picture, split, labels.get(picture)) for picture, split in splits]
    return Listing(folder, normalize_splits([*items, *(Item("", "", name) for name in alone)]), None, lists)


def _match_labels(files: FolderFiles, pictures: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return each picture's label file, and those without a picture: that of the same name, else the one it names.

    Of several the nearest is meant, and none of another part: a label of the same name may be another picture's.
    """
    texts = files.ending(".xml")
    index, index_of_texts = NameIndex(pictures), NameIndex(texts)
    parts = {**splits_by_folder(pictures), **splits_by_folder(texts)}
    labels: dict[str, str] = {}

    def candidates(name: str, written: str) -> list[str]:
        part = parts.get(name)
        alike = [one for one in index.find(written.rpartition("/")[2]) if part in (None, parts.get(one, part))]
        if len(alike) > 1:  # as masks of the same names
            for better in (_named_picture(files.path(name)), written):
                alike = [one for one in alike if one in index.find(better)] or alike
        return [one for one in nearest_to(name, alike) if one not in labels]

    left = []
    for name in texts:
        free = [one for one in candidates(name, name) if name in nearest_to(one, index_of_texts.find(one))]
        if free:
            labels[free[0]] = name
        else:
            left.append(name)
    alone = []
    for name in left:
        if free := candidates(name, _named_picture(files.path(name))):
            labels[free[0]] = name
        elif _is_voc(files.path(name)):  # others are not of this format
            alone.append(name)
    alone += [labels.pop(picture) for picture in strays(labels)]
    return labels, alone


def _named_picture(path: Path) -> str:
    """Return the picture that a label file names, "" for none."""
    try:
        return _read_annotation(path).findtext("filename", "").strip()
    except LabelFileError:
        return ""


def read(item: Item, listing: Listing, size: PictureSize, problems: ProblemCounter) -> Labels:
    """Return a picture's objects, corners as they are written, and its (width, height) as its label file means it."""
    assert item.label is not None
    try:
        root = _read_annotation(listing.folder / item.label)
    except LabelFileError as error:
        problems.add(ProblemKind.LABEL_FILE, f"{item.label}: {error}", item)
        return Labels([], None, 0)
    elements = root.findall("object")
    objects: list[LabelledObject] = []
    for number, element in enumerate(elements, start=1):
        try:
            objects.append(_object(element))
        except ValueError as error:
            problems.add(ProblemKind.LABEL_LINE, f"{item.label}, object {number}: {error}", item)
    stated = _number(root, "size/width") or 0, _number(root, "size/height") or 0
    return Labels(objects, meant_size(stated, item, size, objects, problems), len(elements))


def first_pixel(objects: list[LabelledObject]) -> int:
    """Return the number of the folder's first pixel: 1 as VOC counts, 0 if any corner shows it."""
    return int(all(min(one.corners[:2]) >= 1 for one in objects))


def _object(element: Element) -> LabelledObject:
    """Return an object; raises ValueError with what is wrong with it."""
    name = to_class_name(element.findtext("name", ""))
    if name is None:
        raise ValueError("has no name")
    if element.find("bndbox") is None:
        raise ValueError("has no bndbox")
    corners = [number for side in SIDES if (number := _number(element, f"bndbox/{side}")) is not None]
    if len(corners) != len(SIDES):
        raise ValueError("has a bndbox without four numbers of pixels")
    x1, y1, x2, y2 = corners
    return LabelledObject(name, (x1, y1, x2, y2), element.findtext("difficult", "").strip() in ("1", "true", "True"))


def _number(element: Element, path: str) -> float | None:
    """Return the number in an element; None if there is none that can be one of pixels."""
    try:
        value = float(element.findtext(path, ""))
    except ValueError:
        return None
    return value if abs(value) <= MOST_PIXELS else None  # also of NaN


def _read_annotation(path: Path) -> Element:
    """Return the <annotation> of an XML file; raises LabelFileError if there is none."""
    try:
        root = fromstring(_in_known_encoding(read_bytes(path)), forbid_dtd=True)  # with a DOCTYPE, few bytes may mean
    except ParseError as error:  # gigabytes or other files
        raise LabelFileError(f"not valid XML (line {error.position[0]})") from None
    except (ValueError, LookupError):  # DTDForbidden, or an encoding that is not known
        raise LabelFileError("a DOCTYPE or an unknown encoding") from None
    if root.tag != "annotation":
        raise LabelFileError("not a Pascal VOC label file, which begins with <annotation>")
    return root


def _in_known_encoding(data: bytes) -> bytes:
    """Return XML in UTF-8 where it says that it has an encoding of several bytes, which the parser does not read."""
    match = ENCODING.match(data, 0, BEFORE_ROOT)
    encoding = codecs.lookup(match[1].decode()).name if match else ""  # others, as Punycode, may take hours
    if match and encoding.startswith(OF_SEVERAL_BYTES):
        return data[match.end() :].decode(encoding).encode()
    return data

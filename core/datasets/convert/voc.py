"""Pascal VOC folders: an XML file per picture with its objects' names and corners.

    Annotations/a.xml   JPEGImages/a.jpg   ImageSets/Main/train.txt, val.txt       VOC2012
    train/a.xml         train/a.jpg        valid/…                                 Roboflow
    annotations/a.xml   images/a.jpg,   or a.xml beside a.jpg

VOC counts pixels from 1 and a box holds its last pixel: xmin − 1 … xmax are the borders from 0, as Detectron2 has it.
Many tools write VOC but count from 0 to the border; a corner below 1 anywhere in a folder shows one of these, and its
boxes are taken as they are. An own reader, since FiftyOne cuts fractions off and subtracts nothing, globox resolves
entities, and neither says what is wrong.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from core import DataError
from core.datasets.convert.source import (
    Item,
    Labelled,
    Listing,
    Size,
    bytes_of,
    class_name,
    files_in,
    is_inside,
    list_text,
    parts_or_one,
    pictures_in,
)

LABEL_FOLDERS = ("Annotations", "annotations", "")
PICTURE_FOLDERS = ("JPEGImages", "images", "Images", "")
MOST_PIXELS = 10**6  # of a side, far beyond any picture
PARTS = {"train": ("train",), "val": ("valid", "val", "validation"), "test": ("test",)}
SETS = ("ImageSets", "Main")


def looks_like(folder: Path) -> bool:
    """Whether the folder has VOC's files."""
    return any(_label_folder(place) for place in (folder, *_part_folders(folder).values()))


def list_folder(folder: Path) -> Listing:
    """The pictures and parts of a resolved folder; raises DataError if there are none."""
    lists: list[Path] = []
    left_out: dict[str, int] = {}
    whole = _label_folder(folder)
    parts = {} if whole else _part_folders(folder)
    if "test" in parts:
        left_out["labels of a test part"] = len(_pairs(folder, parts.pop("test"), {}))
    if whole:
        items = _by_sets(folder, _pairs(folder, folder, left_out), lists, left_out)
    else:
        pairs = [(part, place, _pairs(folder, place, left_out)) for part, place in parts.items()]
        items = [_item(folder, picture, part, xml) for part, _, found in pairs for xml, picture in found.items()]
    if not items:
        raise DataError(f"{folder} holds no picture with a Pascal VOC label file: put each XML file's picture there.")
    return Listing(folder, "voc", parts_or_one(items), None, lists, {key: n for key, n in left_out.items() if n})


def read(item: Item, listing: Listing, size: Size, damage: list[str]) -> tuple[tuple[int, int], list[Labelled]]:
    """A picture's (width, height) as its label file means it, and its objects; corners as they are written."""
    path = listing.folder / item.label
    root = _root(path, damage)
    objects: list[Labelled] = []
    if root is None:
        return size.upright, objects
    stated = (_number(root, "size/width"), _number(root, "size/height"))
    if None in stated or min(stated) <= 0:
        damage.append(f"{path} has no size with width and height: state the picture's size in pixels")
    elif stated not in (size.upright, size.stored):
        width, height = size.upright
        damage.append(f"{path} is of a picture of {stated[0]:g}×{stated[1]:g} pixels, but {item.picture} has "
                      f"{width}×{height}: export the labels again")  # fmt: skip
    for number, element in enumerate(root.findall("object"), start=1):
        try:
            objects.append(_object(element))
        except ValueError as error:
            damage.append(f"Object {number} in {path} {error}: correct or delete it")
    # A tool that does not turn pictures states the stored size and means its boxes so.
    return (size.stored if stated == size.stored else size.upright), objects


def first_pixel(objects: list[Labelled]) -> int:
    """Which number the folder's first pixel has: 1 as VOC counts, 0 if any corner shows it."""
    return int(all(min(one.corners[:2]) >= 1 for one in objects))


def _object(element: Element) -> Labelled:
    """Raises ValueError saying what is wrong with it."""
    name = class_name(element.findtext("name", ""))
    if name is None:
        raise ValueError("has no name")
    if element.find("bndbox") is None:
        raise ValueError("has no bndbox")
    corners = tuple(_number(element, f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax"))
    if None in corners:
        raise ValueError("has a bndbox without four numbers of pixels")
    return Labelled(name, corners, element.findtext("difficult", "").strip() in ("1", "true", "True"))


def _number(element: Element, path: str) -> float | None:
    """The number in an element; None if there is none that can be one of pixels."""
    try:
        value = float(element.findtext(path, ""))
    except ValueError:
        return None
    return value if abs(value) <= MOST_PIXELS else None  # also of NaN


def _root(path: Path, damage: list[str]) -> Element | None:
    """The annotation in an XML file; None, and a word in `damage`, if there is none."""
    data = bytes_of(path, damage)
    if data is None:
        return None
    try:
        root = fromstring(data, forbid_dtd=True)  # with a DOCTYPE, few bytes may mean gigabytes or other files
    except ParseError as error:
        damage.append(f"{path} is not valid XML (line {error.position[0]}): export it again or delete it")
    except (ValueError, LookupError):  # DTDForbidden, or an encoding that is not known
        damage.append(f"{path} has a DOCTYPE or an unknown encoding, which a label file may not have: export it again")
    else:
        if root.tag == "annotation":
            return root
        damage.append(f"{path} is not a Pascal VOC label file, which begins with <annotation>: delete it")
    return None


def _label_folder(place: Path) -> Path | None:
    return next((place / name for name in LABEL_FOLDERS if files_in(place / name, ".xml")), None)


def _part_folders(folder: Path) -> dict[str, Path]:
    """Each part's folder, if it has label files."""
    found = {}
    for part, names in PARTS.items():
        place = next((folder / name for name in names if _label_folder(folder / name)), None)
        if place:
            found[part] = place
    return found


def _pairs(folder: Path, place: Path, left_out: dict[str, int]) -> dict[Path, str]:
    """Each label file with its picture: that of the same name, else the one that it names."""
    pictures: dict[str, str] = {}
    for name in PICTURE_FOLDERS:
        if not pictures and (place / name).is_dir():
            found = sorted(pictures_in(place / name, folder, deep=False), reverse=True)
            pictures = {PurePosixPath(picture).stem: picture for picture in found}
    by_name = {PurePosixPath(picture).name: picture for picture in pictures.values()}
    pairs: dict[Path, str] = {}
    spare = set(pictures.values())
    labels = files_in(_label_folder(place) or place, ".xml")
    for path in labels:
        picture = pictures.get(path.stem) or by_name.get(_named_picture(path))
        if picture in spare:
            spare.remove(picture)
            pairs[path] = picture
    _count(left_out, "labels without a picture", len(labels) - len(pairs))
    _count(left_out, "pictures without a label file", len(spare))
    return pairs


def _named_picture(path: Path) -> str:
    """The file name in a label file, without folders: they are those of the machine on which it was written."""
    root = _root(path, [])
    name = "" if root is None else root.findtext("filename", "").strip()
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _by_sets(folder: Path, pairs: dict[Path, str], lists: list[Path], left_out: dict[str, int]) -> list[Item]:
    """The pictures of ImageSets/Main's lists with their parts; without lists all of them."""
    sets = folder.joinpath(*SETS)
    paths = {name: sets / f"{name}.txt" for name in ("train", "val", "trainval") if (sets / f"{name}.txt").is_file()}
    if not paths:
        return [_item(folder, picture, "train", xml) for xml, picture in pairs.items()]
    if "train" in paths or "val" in paths:
        paths.pop("trainval", None)
    by_stem = {path.stem: path for path in pairs}
    items = []
    for part, path in paths.items():
        lists.append(path)
        names = _listed(folder, path)
        there = [by_stem[name] for name in names if name in by_stem]
        items += [_item(folder, pairs[xml], "val" if part == "val" else "train", xml) for xml in there]
        _count(left_out, "listed pictures that are missing", len(names) - len(there))
    used = {item.picture for item in items}
    spare = [xml for xml, picture in pairs.items() if picture not in used]
    if set(paths) == {"val"}:  # what is not for validation is for training
        items += [_item(folder, pairs[xml], "train", xml) for xml in spare]
    else:
        _count(left_out, "labelled pictures in no list", len(spare))
    return items


def _item(folder: Path, picture: str, part: str, xml: Path) -> Item:
    return Item(picture, part, xml.relative_to(folder).as_posix())


def _listed(folder: Path, path: Path) -> list[str]:
    """The names in a list, each once; raises DataError for one that leads out of the folder."""
    names = [line.strip() for line in list_text(path).splitlines()]
    for number, name in enumerate(names, start=1):
        if "\0" in name or not is_inside(folder / "JPEGImages" / name, folder):
            raise DataError(f"Line {number} of {path} leads out of the folder: name pictures of JPEGImages.")
    return list(dict.fromkeys(name for name in names if name))


def _count(left_out: dict[str, int], what: str, number: int):
    left_out[what] = left_out.get(what, 0) + number

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
    MOST_DAMAGE,
    Item,
    LabelledObject,
    Listing,
    PictureSize,
    files_in,
    is_inside,
    normalize_splits,
    pictures_in,
    read_bytes,
    read_list,
    to_class_name,
)

LABEL_FOLDERS = ("Annotations", "annotations", "")
PICTURE_FOLDERS = ("JPEGImages", "images", "Images", "")
MOST_PIXELS = 10**6  # of a side, far beyond any picture
SPLIT_FOLDERS = {"train": ("train",), "val": ("valid", "val", "validation"), "test": ("test",)}
SETS = ("ImageSets", "Main")
SIDES = ("xmin", "ymin", "xmax", "ymax")


def looks_like(folder: Path) -> bool:
    """Check whether the folder has VOC's files."""
    return any(_label_folder(directory) for directory in (folder, *_split_folders(folder).values()))


def list_folder(folder: Path) -> Listing:
    """Return the pictures and splits of a resolved folder; raises DataError if there are none."""
    lists: list[Path] = []
    left_out: dict[str, int] = {}
    if _label_folder(folder):
        items = _items_by_sets(folder, _label_pairs(folder, folder, left_out), lists, left_out)
    else:
        directories = _split_folders(folder)
        if "test" in directories:
            left_out["labels of a test part"] = len(_label_pairs(folder, directories.pop("test"), {}))
        items = [
            _item(folder, picture, split, xml)
            for split, directory in directories.items()
            for xml, picture in _label_pairs(folder, directory, left_out).items()
        ]
    if not items:
        raise DataError(f"{folder} holds no picture with a Pascal VOC label file: put each XML file's picture there.")
    return Listing(folder, "voc", normalize_splits(items), None, lists, {key: n for key, n in left_out.items() if n})


def read(
    item: Item, listing: Listing, size: PictureSize, damage: list[str]
) -> tuple[tuple[int, int], list[LabelledObject]]:
    """Return a picture's (width, height) as its label file means it, and its objects; corners as they are written."""
    assert item.label is not None  # of VOC, pictures without a label file are left out
    path = listing.folder / item.label
    root = _read_annotation(path, damage)
    objects: list[LabelledObject] = []
    if root is None:
        return size.upright, objects
    width, height = _number(root, "size/width"), _number(root, "size/height")
    if width is None or height is None or min(width, height) <= 0:
        damage.append(f"{path} has no size with width and height: state the picture's size in pixels")
    elif (width, height) not in (size.upright, size.stored):
        damage.append(f"{path} is of a picture of {width:g}×{height:g} pixels, but {item.picture} has "
                      f"{size.upright[0]}×{size.upright[1]}: export the labels again")  # fmt: skip
    for number, element in enumerate(root.findall("object"), start=1):
        if len(damage) >= MOST_DAMAGE:
            break
        try:
            objects.append(_object(element))
        except ValueError as error:
            damage.append(f"Object {number} in {path} {error}: correct or delete it")
    # A tool that does not turn pictures states the stored size and means its boxes so.
    return (size.stored if (width, height) == size.stored else size.upright), objects


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


def _read_annotation(path: Path, damage: list[str]) -> Element | None:
    """Return the <annotation> of an XML file; None, and a sentence in `damage`, if there is none."""
    data = read_bytes(path, damage)
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


def _label_folder(directory: Path) -> Path | None:
    return next((directory / name for name in LABEL_FOLDERS if files_in(directory / name, ".xml")), None)


def _split_folders(folder: Path) -> dict[str, Path]:
    """Return the folder of each split that has label files."""
    candidates = {
        split: next((folder / name for name in names if _label_folder(folder / name)), None)
        for split, names in SPLIT_FOLDERS.items()
    }
    return {split: directory for split, directory in candidates.items() if directory}


def _label_pairs(folder: Path, directory: Path, left_out: dict[str, int]) -> dict[Path, str]:
    """Return each label file with its picture: that of the same name, else the one that it names."""
    pictures: dict[str, str] = {}
    for name in PICTURE_FOLDERS:
        if not pictures and (directory / name).is_dir():
            # of several with one stem, the first by name stays
            paths = sorted(pictures_in(directory / name, folder, deep=False), reverse=True)
            pictures = {PurePosixPath(path).stem: path for path in paths}
    by_name = {PurePosixPath(picture).name: picture for picture in pictures.values()}
    pairs: dict[Path, str] = {}
    spare = set(pictures.values())
    labels = files_in(_label_folder(directory) or directory, ".xml")
    for path in labels:
        picture = pictures.get(path.stem) or by_name.get(_named_picture(path))
        if picture is not None and picture in spare:
            spare.remove(picture)
            pairs[path] = picture
    _count(left_out, "labels without a picture", len(labels) - len(pairs))
    _count(left_out, "pictures without a label file", len(spare))
    return pairs


def _named_picture(path: Path) -> str:
    """Return the picture that a label file names, without folders: they are those of another machine."""
    root = _read_annotation(path, [])
    name = "" if root is None else root.findtext("filename", "").strip()
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def _items_by_sets(folder: Path, pairs: dict[Path, str], lists: list[Path], left_out: dict[str, int]) -> list[Item]:
    """Return the pictures of ImageSets/Main's lists with their splits; without lists all of them."""
    sets = folder.joinpath(*SETS)
    paths = {name: sets / f"{name}.txt" for name in ("train", "val", "trainval") if (sets / f"{name}.txt").is_file()}
    if not paths:
        return [_item(folder, picture, "train", xml) for xml, picture in pairs.items()]
    if "train" in paths or "val" in paths:
        paths.pop("trainval", None)
    by_stem = {path.stem: path for path in pairs}
    items = []
    for set_name, path in paths.items():
        lists.append(path)
        names = _listed_names(folder, path)
        present = [by_stem[name] for name in names if name in by_stem]
        items += [_item(folder, pairs[xml], "val" if set_name == "val" else "train", xml) for xml in present]
        _count(left_out, "listed pictures that are missing", len(names) - len(present))
    used = {item.picture for item in items}
    spare = [xml for xml, picture in pairs.items() if picture not in used]
    if set(paths) == {"val"}:  # what is not for validation is for training
        items += [_item(folder, pairs[xml], "train", xml) for xml in spare]
    else:
        _count(left_out, "labelled pictures in no list", len(spare))
    return items


def _item(folder: Path, picture: str, split: str, xml: Path) -> Item:
    return Item(picture, split, xml.relative_to(folder).as_posix())


def _listed_names(folder: Path, path: Path) -> list[str]:
    """Return the names in a list, each once; raises DataError for one that leads out of the folder."""
    names = [line.strip() for line in read_list(path).splitlines()]
    for number, name in enumerate(names, start=1):
        if "\0" in name or not is_inside(folder / "JPEGImages" / name, folder):
            raise DataError(f"Line {number} of {path} leads out of the folder: name pictures of JPEGImages.")
    return list(dict.fromkeys(name for name in names if name))


def _count(left_out: dict[str, int], description: str, number: int) -> None:
    left_out[description] = left_out.get(description, 0) + number

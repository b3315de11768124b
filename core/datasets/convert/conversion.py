"""Reading every picture and label file that a format lists: `read_items`, which tells what is used, and what is not.

In: a `Listing`. Out: `Content`, the images and objects that are used, and how many the folder holds; whatever is left
out, and why, is counted in the `ProblemCounter`. Apart because it is the same for every format.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Any

from core import DataError
from core.datasets.convert.format import (
    TEST,
    UNLISTED,
    USED,
    Format,
    Item,
    LabelledObject,
    Labels,
    Listing,
    PictureSize,
    ProblemCounter,
)
from core.datasets.convert.source import is_unicode, read_picture_size
from core.datasets.problems import ProblemKind

NO_SIZE = PictureSize((1, 1), (1, 1))  # of a picture of which only the objects are counted
BROKEN_LABELS = (ProblemKind.LABEL_FILE, ProblemKind.LABEL_LINE, ProblemKind.NO_NAME, ProblemKind.OTHER_SIZE)
BROKEN_PICTURES = (ProblemKind.UNREADABLE, ProblemKind.MISSING, ProblemKind.FILE_NAME)


@dataclass
class Content:
    """What of a folder is used.

    images    COCO's entries, numbered from 1, those for testing last
    objects   each with its image's id
    split_of  by image id
    ids       image ids by split and picture
    pictures  how many pictures the folder holds, used or not
    boxes     how many objects its label files have, used or not
    """

    images: list[dict[str, Any]] = field(default_factory=list)
    objects: list[tuple[int, LabelledObject]] = field(default_factory=list)
    split_of: dict[int, str] = field(default_factory=dict)
    ids: dict[tuple[str, str], int] = field(default_factory=dict)
    pictures: int = 0
    boxes: int = 0

    @property
    def has_training(self) -> bool:
        """Whether an image is for training or validation."""
        return any(split in USED for split in self.split_of.values())

    def of_training(self, is_wanted: bool = True) -> list[LabelledObject]:
        """Return the objects of images for training or validation; or those of the others, for testing."""
        return [one for image_id, one in self.objects if (self.split_of[image_id] in USED) is is_wanted]

    def add(self, item: Item, labels: Labels, size: PictureSize) -> None:
        """Take an item's picture as the next image, marked as upright if its boxes are so and EXIF turns it."""
        assert labels.size is not None
        number = len(self.images) + 1
        width, height = labels.size
        is_turned = size.orientation > 1 and labels.size == size.upright
        image = {"id": number, "file_name": item.picture, "width": width, "height": height}
        self.images.append({**image, **({"upright": True} if is_turned else {})})
        self.objects += [(number, one) for one in labels.objects]
        self.split_of[number] = item.split
        self.ids[item.split, item.picture] = number


def read_items(reader: Format, listing: Listing, problems: ProblemCounter) -> Generator[tuple[int, int], None, Content]:
    """Read all pictures and labels, yielding (images done, images in all) but for the last; return what is used.

    A part for testing is read, too, and told as one that no training uses.
    Raises DataError if nothing can be used for training: no picture can be read, or no label.
    """
    content = Content(pictures=len({item.picture for item in listing.items if item.picture}))
    done, total, counted = 0, listing.used, set[str]()
    for item in sorted(listing.items, key=lambda item: item.split == TEST):  # the others' numbers do not rest on it
        labels, size = _read(reader, listing, item, problems)
        if item.label not in counted:  # a picture may be in both parts
            content.boxes += labels.count
            counted |= {item.label} if item.label else set()
        if labels.size is not None:
            content.add(item, labels, size)
        counts = item.split != UNLISTED and bool(item.picture)
        done += counts
        if counts and done < total:
            yield done, total
    _require_content(listing, content, problems)
    return content


def _read(reader: Format, listing: Listing, item: Item, problems: ProblemCounter) -> tuple[Labels, PictureSize]:
    """Return an item's labels, with a size if the picture is used; if not, the reason is counted."""
    if item.picture and item.split == TEST:
        problems.add(ProblemKind.TEST_PART, item.picture)
    reason = _reason(listing, item)
    if reason is not None:
        problems.add(
            reason, repr(item.picture) if reason is ProblemKind.FILE_NAME else item.picture or str(item.label), item
        )
    size = None if reason else read_picture_size(listing.folder / item.picture, item, problems)
    if size is None:  # its objects are left out, too
        labels = reader.read(item, listing, NO_SIZE, ProblemCounter()) if item.label else Labels([], None, 0)
        return replace(labels, size=None), NO_SIZE
    if item.label is None:
        problems.add(ProblemKind.BACKGROUND, item.picture, item)
        return Labels([], size.upright, 0), size
    return reader.read(item, listing, size, problems), size


def _reason(listing: Listing, item: Item) -> ProblemKind | None:
    """Return why an item is not used; None if it is, so far as its names tell."""
    if not item.picture:
        return ProblemKind.LABEL_ALONE
    if item.label is None and not listing.background:
        return ProblemKind.UNLABELLED
    if item.split == UNLISTED:
        return ProblemKind.UNLISTED
    return None if is_unicode(item.picture) else ProblemKind.FILE_NAME


def _require_content(listing: Listing, content: Content, problems: ProblemCounter) -> None:
    for kinds, is_empty, unit in (
        (BROKEN_PICTURES, not content.has_training, "pictures"),
        (BROKEN_LABELS, not content.of_training(), "labels"),
    ):  # fmt: skip
        if is_empty and (count := problems.count(*kinds)):
            more = f", and {count - 1:,} more" if count > 1 else ""
            raise DataError(f"None of the {unit} in {listing.folder} can be used: {problems.first(*kinds)}{more}.")
    if not content.has_training:
        raise DataError(f"{listing.folder} holds no picture with labels for training: {_rest(problems)}.")


def _rest(problems: ProblemCounter) -> str:
    told = problems.to_list()[:4]
    return "; ".join(f"{one.sentence}, as {one.examples[0].detail}" for one in told) or "add pictures"

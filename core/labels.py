"""The one mapping between class names, a data set's category ids and the model's indices: `LabelMap`.

COCO's category ids run from 1 to 90 with gaps; a model's indices run from 0 to N-1 without any, and index N is
DETR's "no object". Nothing else in the project converts between the three.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core import DataError
from core.wording import short

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# The experiment's ten classes, under COCO's own category ids.
COCO_TEN = {
    "person": 1, "bicycle": 2, "car": 3, "bus": 6, "truck": 8, "traffic light": 10, "stop sign": 13,
    "cat": 17, "dog": 18, "chair": 62,
}  # fmt: skip


@dataclass(frozen=True)
class LabelMap:
    """The chosen classes in the model's order: `names[i]` and `category_ids[i]` belong to model index i.

    Raises DataError if there is no class, or a name or an id occurs twice.
    """

    names: tuple[str, ...]
    category_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(str(n) for n in self.names))
        object.__setattr__(self, "category_ids", tuple(int(i) for i in self.category_ids))
        if not self.names:
            raise DataError("No class is chosen: choose at least one.")
        if len(self.names) != len(self.category_ids):
            raise DataError(f"{len(self.names)} class names but {len(self.category_ids)} category ids.")
        for term, values in (("class name", self.names), ("category id", self.category_ids)):
            if repeated := [value for value, times in Counter(values).items() if times > 1]:
                raise DataError(
                    f"The {term} {short(repr(repeated[0]))} occurs twice: each may stand for one class only."
                )

    @classmethod
    def from_categories(
        cls, categories: Sequence[dict[str, Any]], chosen: Sequence[str] | None = None, place: str = "The data set"
    ) -> LabelMap:
        """Make the label map of a COCO file's `categories`, or of the `chosen` names among them, in the file's order.

        Raises DataError that lists the classes that `place` has, if one of `chosen` is not among them.
        """
        by_name = {str(c["name"]): int(c["id"]) for c in categories}
        if chosen:
            unknown = [name for name in chosen if name not in by_name]
            if unknown:
                raise DataError(
                    f"{place} has no class {short(repr(unknown[0]))}; it has: {short(', '.join(by_name), 160)}."
                )
            by_name = {name: i for name, i in by_name.items() if name in set(chosen)}
        return cls(tuple(by_name), tuple(by_name.values()))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def no_object(self) -> int:
        """The model index that means "no object": N."""
        return len(self.names)

    @property
    def id2label(self) -> dict[int, str]:
        """As a transformers config wants it: model index to name, without "no object"."""
        return dict(enumerate(self.names))

    @property
    def label2id(self) -> dict[str, int]:
        """As a transformers config wants it: name to model index."""
        return {name: i for i, name in enumerate(self.names)}

    def rows(self, names: Iterable[str]) -> tuple[int, ...]:
        """Return the model indices of some of its classes."""
        index = self.label2id
        return tuple(index[name] for name in names)

    def to_category_ids(self, labels: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Convert model indices (N,) to category ids (N,)."""
        import numpy as np  # here: the command line's help would wait for it

        return np.asarray(self.category_ids, dtype=np.int64)[np.asarray(labels, dtype=np.int64)]

    def to_labels(self, category_ids: Iterable[int]) -> npt.NDArray[np.int64]:
        """Convert category ids (N,) to model indices (N,); -1 for the id of a class that was not chosen."""
        import numpy as np

        lookup = {c: i for i, c in enumerate(self.category_ids)}
        return np.array([lookup.get(int(c), -1) for c in category_ids], dtype=np.int64)

    def to_dict(self) -> dict[str, list[Any]]:
        """Return it for JSON; `from_dict` reads it back."""
        return {"names": list(self.names), "category_ids": list(self.category_ids)}

    @classmethod
    def from_dict(cls, data: Any) -> LabelMap:
        """Make it from what `to_dict` returned; raises DataError if that has been changed to something else."""
        names, ids = (data.get(key) if isinstance(data, Mapping) else None for key in ("names", "category_ids"))
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            raise DataError("The label map is damaged: its names are no list of texts.")
        if not (isinstance(ids, list) and all(type(i) is int and -(2**63) <= i < 2**63 for i in ids)):
            raise DataError("The label map is damaged: its category_ids are no list of whole numbers.")
        return cls(tuple(names), tuple(ids))

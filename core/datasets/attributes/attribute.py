"""What is known of images, as slices: `Attribute`, such as the weather, and all of a split's, `ImageAttributes`.

In: what `sources.py` reads, grouped by `grouping.py`. Out: which images lie in which slices. A slice is an attribute
and one of its values, as ("weather", "rain"); a page filters by slices, and `core/evaluation/findings/slices.py` says
how well a model does on each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

Slice = tuple[str, str]  # the name of an attribute, and one of its values
Value = float | str | tuple[str, ...] | None  # a number, a word, several words (tags), or None where it is not known


@dataclass(frozen=True)
class Known:
    """What is known of each of N images, before it is grouped.

    name    what the user calls it: "weather"
    source  from where it is known, in a few words: "weather.csv"
    values  (N,) in the images' order
    """

    name: str
    source: str
    values: Sequence[Value]


@dataclass(frozen=True, eq=False)
class Attribute:
    """The slices of N images by one thing that is known of them.

    values   the slices' names in their order: numbers rise, of words the most frequent comes first
    members  (V, N) bool  which images each slice has; an image with several tags is in several
    """

    name: str
    source: str
    values: tuple[str, ...]
    members: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ImageAttributes:
    """All that is known of the images of a split.

    image_ids   (N,) int64
    attributes  each of another name
    notes       sentences on what could not be used, as a table of which no name is that of an image
    """

    image_ids: npt.NDArray[np.int64]
    attributes: tuple[Attribute, ...] = ()
    notes: tuple[str, ...] = ()
    _by_name: dict[str, Attribute] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {attribute.name: attribute for attribute in self.attributes})

    @cached_property
    def stamp(self) -> str:
        """The name of this content, for caches."""
        state = hashlib.blake2b(self.image_ids.tobytes(), digest_size=8)
        for attribute in self.attributes:
            words = "\0".join((attribute.name, attribute.source, *attribute.values))
            state.update(words.encode(errors="surrogatepass") + np.packbits(attribute.members).tobytes())
        return state.hexdigest()

    def values_of(self, name: str) -> tuple[str, ...]:
        """Return the slices of an attribute; none of one that is not there."""
        return self._by_name[name].values if name in self._by_name else ()

    def known(self, slices: Iterable[Slice]) -> tuple[Slice, ...]:
        """Return those of the slices that there are, each once: a link may come from other data."""
        return tuple(one for one in dict.fromkeys(slices) if one[1] in self.values_of(one[0]))

    def images_of(self, slices: Iterable[Slice]) -> set[int]:
        """Return the ids of the images in one of the slices of each attribute that is named; of all if none is."""
        chosen = np.ones(len(self.image_ids), dtype=bool)
        for name in dict.fromkeys(name for name, _ in slices):
            wanted = {value for of, value in slices if of == name}
            attribute = self._by_name.get(name)
            if attribute is not None:
                chosen &= attribute.members[[value in wanted for value in attribute.values]].any(axis=0)
        ids: list[int] = self.image_ids[chosen].tolist()
        return set(ids)

    def members_in(self, image_ids: Sequence[int]) -> list[tuple[Attribute, npt.NDArray[np.bool_]]]:
        """Return each attribute with its members among these images, (V, M) bool; unknown images are in no slice."""
        places = {image_id: place for place, image_id in enumerate(self.image_ids.tolist())}
        order = np.array([places.get(image_id, len(places)) for image_id in image_ids], dtype=np.int64)
        answer = []
        for attribute in self.attributes:
            beyond = np.zeros((len(attribute.values), 1), dtype=bool)
            answer.append((attribute, np.concatenate([attribute.members, beyond], axis=1)[:, order]))
        return answer


NOTHING_KNOWN = ImageAttributes(np.zeros(0, np.int64))

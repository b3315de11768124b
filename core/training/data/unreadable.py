"""Pictures that only decoding shows to be damaged, or that have gone since a training began: it goes on without them.

In: the failures that the loaders meet. Out: which images they are, and a `Remark`; a DataError where they are so many
that something else must be wrong, as with a disk that no longer answers. Those that a look at the files alone shows to
be damaged are left out before a training begins.
"""

from __future__ import annotations

from collections.abc import Mapping

from core import DataError
from core.detr.input.loader import ReadFailure
from core.training.remark import Level, Remark, TrainingRule

MOST = 10  # pictures, and one in a hundred; never more than half of them
NAMED = 3  # in the remark


class Unreadable:
    """The images of a data set of so many that could not be read, each with the sentence that says why."""

    def __init__(self, images: int) -> None:
        self.sentences: dict[int, str] = {}
        self._images, self._told = images, 0

    def spare(self, failure: ReadFailure) -> None:
        """Take note of an image; raises DataError if too many cannot be read."""
        self.sentences[failure.image_id] = failure.message
        count = len(self.sentences)
        if count > min(MOST + self._images // 100, self._images // 2):
            others = f" So it is with {count} of {self._images:,} images." if count > 1 else ""
            raise DataError(failure.message + others)

    def add(self, sentences: Mapping[int, str]) -> None:
        """Take note of what another process could not read."""
        self.sentences |= sentences

    def is_news(self) -> bool:
        """Check whether there is something that was not asked about before."""
        told, self._told = self._told, len(self.sentences)
        return told < len(self.sentences)


def remark_on_unreadable(train: Unreadable, val: Unreadable, step: int) -> tuple[Remark, ...]:
    """Return the remark that tells of all these images, if there are new ones."""
    if not any([train.is_news(), val.is_news()]):
        return ()
    sentences = [*train.sentences.values(), *val.sentences.values()]
    more = f" And {len(sentences) - NAMED} more." if len(sentences) > NAMED else ""
    parts = [
        f"{len(part.sentences)} for {name}"
        for name, part in (("training", train), ("validation", val))
        if part.sentences
    ]
    remark = Remark(
        rule=TrainingRule.UNREADABLE,
        level=Level.WARNING,
        title=f"{len(sentences)} picture{'s' * (len(sentences) > 1)} could not be read",
        cause="Their files are damaged in a way that only decoding shows, or have changed since the training began.",
        evidence=f"{' and '.join(parts)}: {' '.join(sentences[:NAMED])}{more}",
        advice="In each step another picture stood in for them, and evaluations are without them. Put sound files in "
        "their places before the next training.",
        step=step,
        images=tuple({**train.sentences, **val.sentences}),
    )
    return (remark,)

"""`QueryStates`: the last decoder layer's states of some queries, in half floats.

Of each state only its direction is kept, because likeness is the cosine: no value is then too large for a half float.
Apart from `keeper.py` because whoever records them needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class QueryStates:
    """The states of S queries.

    image_id  (S,)        int64    COCO image id
    query     (S,)        int32    the object query
    score     (S,)        float32  the highest of its detections
    values    (S, width)  float16  of length 1
    """

    image_id: npt.NDArray[np.int64]
    query: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]
    values: npt.NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.query)

    def __getitem__(self, rows: slice | np.ndarray) -> QueryStates:
        """Return the rows chosen by a mask, a slice or an index array."""
        return QueryStates(self.image_id[rows], self.query[rows], self.score[rows], self.values[rows])

    @classmethod
    def concat(cls, parts: Iterable[QueryStates]) -> QueryStates:
        """Join several into one, in their order; at least one."""
        columns = zip(*((one.image_id, one.query, one.score, one.values) for one in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def surest(self, most: int) -> QueryStates:
        """Return at most `most` of them, those of the highest scores, in their order."""
        if len(self) <= most:
            return self
        return self[np.sort(np.argsort(-self.score, kind="stable")[:most])]

"""`StateKeeper`: keeps the states of the queries that may be asked for, batch by batch, while a model is evaluated.

In: each batch's states, detections and targets. Out: `QueryStates`. Most queries of a DETR find nothing, so it keeps
those alone that reach a score, or whose box may belong to an object: how many megabytes it needs does not grow with
the queries, and from MOST on not with the images.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch

from core.boxes import Detections, cxcywh_normalized_to_xyxy, iou
from core.detr.input.batch import Batch
from core.detr.states.query_states import QueryStates

FITS = 0.5  # IoU from which a box may have found an object
MOST = 500_000  # states: 256 MB of a width of 256


class StateKeeper:
    """Keeps the states of queries from `from_score` on, and of those that may have found an object or came nearest.

    most  states in all: of more those of the lowest scores are dropped
    """

    def __init__(self, from_score: float, most: int = MOST) -> None:
        self.from_score, self.most = from_score, most
        self._parts: list[QueryStates] = []
        self._count = 0

    def add(self, states: torch.Tensor, detections: Detections, batch: Batch) -> None:
        """Keep what counts of a batch's `states` (B, Q, width); `detections` are all of its images, one by one."""
        images, queries = states.shape[:2]
        per_image = len(detections) // images
        scores = np.zeros((images, queries), dtype=np.float32)
        kept = np.zeros((images, queries), dtype=bool)
        for place in range(images):
            some = detections[place * per_image : (place + 1) * per_image]
            np.maximum.at(scores[place], some.query, some.score)
            kept[place, some.query[some.score >= self.from_score]] = True
            objects = batch["labels"][place]["boxes"].cpu().numpy()
            if len(objects) and per_image:
                overlap = iou(some.boxes, cxcywh_normalized_to_xyxy(objects, batch["size"][place]))
                kept[place, some.query[overlap.max(1) >= FITS]] = True
                kept[place, some.query[overlap.argmax(0)]] = True
        image, query = np.nonzero(kept)
        chosen = states[torch.from_numpy(image).to(states.device), torch.from_numpy(query).to(states.device)].float()
        values = torch.nn.functional.normalize(chosen, dim=-1).half().cpu().numpy()
        ids = np.array(batch["image_id"], dtype=np.int64)[image]
        self._keep([QueryStates(ids, query.astype(np.int32), scores[image, query], values)])

    def _keep(self, parts: Iterable[QueryStates]) -> None:
        for part in parts:
            self._parts.append(part)
            self._count += len(part)
        if self._count > 1.25 * self.most:
            self._parts = [QueryStates.concat(self._parts).surest(self.most)]
            self._count = self.most

    def take(self) -> QueryStates | None:
        """Return what is kept, and forget it; None if nothing was, as of a model that gives no states."""
        parts, self._parts, self._count = self._parts, [], 0
        return QueryStates.concat(parts).surest(self.most) if parts else None

    @staticmethod
    def join(shares: Iterable[QueryStates | None], most: int = MOST) -> QueryStates | None:
        """Join what several processes have kept of their images."""
        parts = [share for share in shares if share is not None]
        return QueryStates.concat(parts).surest(most) if parts else None

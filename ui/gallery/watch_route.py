"""The route of one image's boxes after every epoch of which they are kept, for the scrubber of the large view.

    /api/boxes/{run}/{image_id}?score=S    {"models": [{"label", "truths", "predictions"}], "frames": [{"epoch", …}]}

The boxes are in the form of `ui/gallery/columns.py`, with every score from S on; the frames are those of
`core/runs/watched.py`.
"""

from __future__ import annotations

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import Response

from core import LabError
from core.evaluation.selection import LOWEST_SCORE
from core.evaluation.threshold import visible
from core.runs.watched import boxes_at
from ui.gallery.columns import class_names, columns_of, json_bytes
from ui.server import services
from ui.server.guard import refused
from ui.server.thumbnails import NO_STORE


def boxes(request: Request) -> Response:
    """Answer with the boxes and frames of an image; refuse one that no evaluation of the run knows."""
    image_id = request.path_params["image_id"]
    try:
        lowest = float(request.query_params.get("score", LOWEST_SCORE))
        run = services.store().get(request.path_params["run"])
        kept = boxes_at(services.store(), run.id, image_id)
    except (LabError, ValueError) as error:
        return refused(error)
    if not kept:
        return refused(f"No evaluation of the run {run.id} that can be read has an image {image_id}.")
    models = []
    for frame, part in kept:
        part = part.filter(pa.array(visible(part, lowest)))
        models.append({"label": frame.label, **columns_of(part, [image_id], class_names(part))})
    answer = {"models": models, "frames": [frame.to_dict() for frame, _ in kept]}
    return Response(json_bytes(answer), media_type="application/json", headers=NO_STORE)

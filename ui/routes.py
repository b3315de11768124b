"""Every route of the app beside Streamlit's own: what the browser requests over HTTP, outside Streamlit's reruns.

Only run and image ids come in, never a path; who may ask says `ui/server/guard.py`.
Routes that say more than a picture stand in the room of the component that requests them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from core import LabError
from core.charts.to_json import PLOTLY
from core.datasets.decoding import MOST_FILE_BYTES
from core.files import read_bytes
from ui.gallery import labels_route
from ui.gallery.watch_route import boxes
from ui.gallery.why_route import warm, why
from ui.live.metrics_route import metrics
from ui.runs.curves_route import curve
from ui.server import cache, services
from ui.server.guard import refused
from ui.server.scripts import script
from ui.server.thumbnails import IMMUTABLE, picture_response

ONE_MINUTE = {"Cache-Control": "private, max-age=60"}  # for pictures that their owner may replace meanwhile


def preflight(request: Request) -> Response:
    """Answer with the pre-flight's picture of a run's first batch; its address changes with it."""
    try:
        run = services.store().get(request.path_params["run"])
        body = read_bytes(services.store().preflight_picture(run.id), MOST_FILE_BYTES)
    except (LabError, OSError):
        return refused("There is no such picture.")
    return Response(body, media_type="image/png", headers={**IMMUTABLE, "Content-Encoding": "identity"})


def image(request: Request) -> Response:
    """Answer with a validation image of a run, or a part of it."""

    def find(parameters: dict[str, Any]) -> tuple[Path, tuple[int, int]]:
        return cache.validation_image(services.store().get(parameters["run"]), parameters["image_id"])

    return picture_response(request, find)


def data_image(request: Request) -> Response:
    """Answer with an image of a data set that Data shows."""

    def find(parameters: dict[str, Any]) -> tuple[Path, tuple[int, int]]:
        return cache.data_image(parameters["key"], parameters["split"], parameters["image_id"])

    return picture_response(request, find, ONE_MINUTE)


def upload(request: Request) -> Response:
    """Answer with a picture that a session has uploaded to Predict."""

    def find(parameters: dict[str, Any]) -> tuple[Path, tuple[int, int]]:
        return services.uploads().find(parameters["key"], parameters["number"])

    return picture_response(request, find, beside=True)


def plotly_js(request: Request) -> Response:
    """Answer with the library that draws charts and curves."""
    return FileResponse(PLOTLY, media_type="text/javascript", headers=IMMUTABLE)


def unknown(request: Request) -> Response:
    """Refuse what no route is for, as an id that is no number."""
    return refused("There is no such address.")


class IdConvertor(Convertor[int]):
    """Image ids and the like in an address, as far as a database keeps them."""

    regex = "-?[0-8]?[0-9]{1,18}"  # as `coco/ids.py` keeps them

    def convert(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Return the number's digits."""
        return str(value)


register_url_convertor("id", IdConvertor())
ROUTES = [
    # ?after=N&group=G&remarks=M: what is new of a run
    Route("/api/metrics/{run}", metrics),
    # ?tag=T&after=N&clock=1: what is new of one metric of a run
    Route("/api/curves/{run}", curve),
    Route("/api/preflight/{run}", preflight),
    # ?w=W&crop=x1,y1,x2,y2, as `picture_response`, also of the next two
    Route("/api/image/{run}/{image_id:id}", image),
    Route("/api/data/{key}/{split}/{image_id:id}", data_image),
    Route("/api/upload/{key}/{number:id}", upload),
    # ?score=S: a validation image's boxes at every epoch of which they are kept
    Route("/api/boxes/{run}/{image_id:id}", boxes),
    # ?run=R&model=M: loads what answers the next route
    Route("/api/why/warm", warm, methods=["POST"]),
    # ?query=Q or ?gt=ID: why a box is there, or why an object was missed
    Route("/api/why/{run}/{model}/{image_id:id}", why, methods=["POST"]),
    # ?do=…: corrects the labels of an image; ?score=S: what all corrections change of an evaluation
    Route("/api/labels/{run}/{model}/{image_id:id}", labels_route.correct, methods=["POST"]),
    Route("/api/labels/{run}/{model}", labels_route.figures, methods=["POST"]),
    Route("/api/js/{version}/{path:path}", script),
    Route("/api/plotly.js", plotly_js),
    Route("/api/{path:path}", unknown),  # else Streamlit would answer with its page
]

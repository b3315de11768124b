"""The route by which the curves of several runs get a metric of one of them, and what is new of it.

/api/curves/{run}?tag=T&after=N&clock=1

steps, values  of the metric T after row N, NaN as null
minutes        of each of these steps, null where it is unknown; null without `clock`
clock          how the minutes are known: `core/runs/many/clock.py`; "" without `clock`
last           the number of the last row, for the next request
live           whether the run may still record something
per_epoch      how many steps an epoch has, null if that is unknown
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core import LabError
from core.runs.many.clock import clock
from ui.live.metrics_route import five_digits
from ui.server import services
from ui.server.guard import refused
from ui.server.thumbnails import NO_STORE


def curve(request: Request) -> Response:
    """Answer with what is new of a run's metric."""
    store, query = services.store(), request.query_params
    try:
        run = store.get(request.path_params["run"])
        tag, after = query.get("tag", ""), int(query.get("after", "0"))
        curves, last = store.curves_after(run.id, after, [tag])
        steps, values = curves.get(tag, ([], []))
        times = clock(store, run.id) if query.get("clock") and steps else None
    except (LabError, ValueError, OverflowError) as error:
        return refused(error)
    answer = {
        "steps": steps, "values": [five_digits(value) for value in values], "last": last, "live": run.is_live,
        "minutes": times and [five_digits(minute) for minute in times.at(steps)],
        "clock": times.source if times else "",
        "per_epoch": run.steps / run.epochs if run.steps and run.epochs else None,
    }  # fmt: skip
    return JSONResponse(answer, headers=NO_STORE)

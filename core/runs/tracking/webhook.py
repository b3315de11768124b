"""A notice by HTTP: a POST of JSON to the address in the environment variable DETR_LAB_WEBHOOK.

The address is a secret, as whoever knows it can write there: it stands in no record, no log and no error.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from core.runs.tracking.notice import Notice
from core.runs.tracking.tracker import TrackerError

VARIABLE = "DETR_LAB_WEBHOOK"
SECONDS = 10.0
LATER = (408, 429)  # statuses of a server that may take it at another time


class _NoRedirect(HTTPRedirectHandler):
    """Follows no redirect: what is told would go to whoever is named there."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Return no request, so that the redirect is an error."""


class Webhook(Notice):
    """Tells a server."""

    seconds = SECONDS

    def deliver(self, message: Mapping[str, Any]) -> None:
        """Send one POST; raises TrackerError if it was not taken."""
        address = os.environ.get(VARIABLE, "").strip()
        try:
            parts = urlsplit(address)
            is_http = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            is_http = False
        if not is_http:
            raise TrackerError(f"{VARIABLE} holds no address that begins with http:// or https://: correct it.", True)
        headers = {"Content-Type": "application/json", "User-Agent": "DETR Lab"}
        request = Request(address, json.dumps(message).encode(), headers, method="POST")
        try:
            opener = build_opener(_NoRedirect)
            opener.open(request, timeout=self.seconds).close()
            return
        except HTTPError as error:
            error.close()
            reason, is_final = f"answered with the status {error.code}", error.code < 500 and error.code not in LATER
        except (OSError, HTTPException, ValueError) as error:
            reason, is_final = _reason(error), False
        # outside: the error that is being handled holds the address
        raise TrackerError(f"The webhook of {VARIABLE} {reason}: the run's notice was not taken.", is_final)


def _reason(error: Exception) -> str:
    """Return why a server was not reached, without what the error says of its address."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, TimeoutError):
        return "did not answer in time"
    if isinstance(cause, socket.gaierror):
        return "has a name that is not known"
    if isinstance(cause, OSError) and cause.errno:
        return f"could not be reached ({os.strerror(cause.errno).lower()})"
    return f"could not be reached ({type(cause).__name__})"

"""Who may ask this server, and what its answers forbid a browser: for every route and socket, Streamlit's own too.

While the app runs, a browser may be on any other page too, and that page may send requests to the app. They say where
they come from, in `Origin` and `Sec-Fetch-Site`; a program such as curl sends neither and is answered. With the
host names (`services.MIDDLEWARE`) that leaves the app's own pages. What costs much wants the token besides, which only
those know.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.wording import short

LONGEST = 200  # characters of a sentence that refuses
TOKEN_HEADER = "X-DETR-Lab-Token"
DEFAULT_PORTS = {"http": 80, "https": 443}
# the first parts of addresses that are no page: nobody follows a link to them
NO_PAGES = {"_stcore", "api", "app", "auth", "component", "media", "oauth2callback", "static"}
HOST = re.compile(r"[a-z0-9.\-]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?", re.IGNORECASE)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",  # Streamlit listens to messages of whoever opened its window
}


class Guard:
    """ASGI middleware that refuses what other pages send, and adds to every answer what a browser may do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request with 403, a socket's opening with a refusal, or pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(scope=message)
                headers.update({**HEADERS, "Content-Security-Policy": content_security_policy(host)})
            await send(message)

        if reason := refusal(scope):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": reason})  # the server answers with 403
            else:
                await refused(reason, 403)(scope, receive, send_with_headers)
            return
        await self._app(scope, receive, send_with_headers)


def refused(reason: object, status: int = 404) -> JSONResponse:
    """Return the answer that refuses a request with a sentence, which may hold what was asked, and so is short."""
    return JSONResponse({"error": short(reason, LONGEST)}, status, {"Cache-Control": "no-store"})


def refusal(scope: Scope) -> str | None:
    """Return why a request or a socket is refused, in a sentence; None if it may pass."""
    headers = Headers(scope=scope)
    host = headers.get("host", "")
    if not all(is_origin_of(host, origin, scope["scheme"]) for origin in headers.getlist("origin")):
        return "A page of another address has asked: only the app's own pages may."
    if all(site in ("same-origin", "none") for site in headers.getlist("sec-fetch-site")):
        return None
    is_link = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
    if is_link and scope.get("method") == "GET" and scope["path"].split("/")[1] not in NO_PAGES:
        return None
    return "A page of another address has asked: it may link to the app's pages, but neither frame nor read them."


def is_origin_of(host: str, origin: str, scheme: str) -> bool:
    """Check whether an `Origin` is the server's own, as its `Host` header names it.

    Behind a proxy that ends TLS the request comes by http although its page came by https, and a Host without a port
    means the default one of either.
    """
    try:
        page, here = urlsplit(origin), urlsplit(f"//{host}")
        default = DEFAULT_PORTS[page.scheme]
        ports = [default if one.port is None else one.port for one in (page, here)]
    except (KeyError, ValueError):  # no address at all, as "null" of a sandbox
        return False
    is_secure_enough = page.scheme == "https" or scheme not in ("https", "wss")
    return bool(page.hostname) and page.hostname == here.hostname and ports[0] == ports[1] and is_secure_enough


def content_security_policy(host: str) -> str:
    """Return where a page may get what from: all of it from this server, named by its `Host` header.

    Streamlit's components come from blobs, and its styles and those of Plotly stand in the page. Plotly compiles what
    draws parallel coordinates (regl's "new Function"): without 'unsafe-eval' Compare has none. No script that stands in
    a page runs but Streamlit's own line.
    """
    sockets = f" ws://{host} wss://{host}" if HOST.fullmatch(host) else ""  # older browsers: 'self' means no sockets
    directives = {
        "default-src": "'self'",
        "script-src": f"'self' blob: 'unsafe-eval' {' '.join(_inline_scripts())}",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": f"'self'{sockets}",
        "worker-src": "'self' blob:",
        "frame-src": "'none'",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


@functools.cache
def _inline_scripts() -> list[str]:
    """Return the hashes of the scripts that stand in Streamlit's own page."""
    html = (Path(st.__file__).parent / "static/index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    return [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts]


@st.cache_resource(show_spinner=False)
def token() -> str:
    """Return what the app's pages send with requests that cost much; another one after each start of the server."""
    return secrets.token_urlsafe(32)


def has_token(request: Request) -> bool:
    """Check whether a request has this server's token."""
    return hmac.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), token().encode())

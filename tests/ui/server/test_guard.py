"""Who is answered: the app's own pages, and programs that name no page; every route and socket refuses others."""

import json
import subprocess
import sys

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

from core import PROJECT
from tests.ui.http_client import TestClient
from ui.server.guard import HEADERS, is_origin_of
from ui.server.services import MIDDLEWARE

LINK = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
HERE = {"host": "localhost:8501"}
FOREIGN = [
    {"origin": "https://evil.example"}, {"origin": "http://localhost:8502"}, {"origin": "http://localhost"},
    {"origin": "null"}, {"origin": ""}, {"origin": "http://127.0.0.1:8501"}, {"origin": "file://"},
    {"origin": "http://localhost:8501.evil.example"}, {"origin": "http://localhost:99999"}, {"origin": "http://["},
    {"origin": "chrome-extension://abc"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    {"sec-fetch-site": "unheard-of"},
]  # fmt: skip


@pytest.fixture(scope="module")
def anything():
    """The middleware before what answers everything, by name of the path, and a socket."""

    async def socket(opened):
        await opened.accept()
        await opened.send_text("open")
        await opened.close()

    def answer(request):
        return PlainTextResponse("reached")

    methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
    routes = [WebSocketRoute("/_stcore/stream", socket), Route("/{path:path}", answer, methods=methods)]
    with TestClient(Starlette(routes=routes, middleware=MIDDLEWARE), base_url="http://localhost:8501") as client:
        yield client


@pytest.mark.parametrize("headers", FOREIGN)
def test_what_another_page_sends_is_refused(anything, headers):
    for path in (
        "",
        "train",
        "api/metrics/x",
        "media/a.png",
        "_stcore/health",
        "_stcore/upload_file/a/b",
        "static/x.js",
    ):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
            answer = anything.request(method, f"/{path}", headers=HERE | headers)
            assert answer.status_code == 403, (method, path)
            assert method == "HEAD" or "another address" in answer.json()["error"]
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        anything.websocket_connect("/_stcore/stream", headers=HERE | headers),
    ):
        pass
    assert refused.value.code == 1008


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"origin": "http://localhost:8501"}, {"sec-fetch-site": "none"}, {"sec-fetch-site": "same-origin"},
        {"origin": "http://LOCALHOST:8501", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"},
    ],
)  # fmt: skip
def test_the_apps_own_pages_and_programs_are_answered(anything, headers):
    for path in ("", "train", "api/metrics/x", "media/a.png", "_stcore/health"):
        for method in ("GET", "POST", "PUT"):
            assert anything.request(method, f"/{path}", headers=HERE | headers).text == "reached"
    with anything.websocket_connect("/_stcore/stream", headers=HERE | headers) as socket:
        assert socket.receive_text() == "open"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_leads_to_a_page_and_to_nothing_else(anything, site):
    headers = LINK | {"sec-fetch-site": site}
    for path in ("", "?run=x", "train", "errors?run=1&image=4"):
        assert anything.get(f"/{path}", headers=headers).status_code == 200
        assert anything.post(f"/{path}", headers=headers).status_code == 403
    for path in ("api/why/warm", "media/a.png", "_stcore/health", "component/x", "static/x.js", "auth/login", "app/x"):
        assert anything.get(f"/{path}", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("host", "origin", "scheme", "is_own"),
    [
        ("name.example", "https://name.example", "http", True),  # a proxy ends TLS
        ("name.example", "https://name.example:443", "http", True),
        ("name.example:443", "https://name.example", "https", True),
        ("name.example", "https://name.example:8443", "http", False),
        ("name.example:8443", "https://name.example:8443", "http", True),
        ("name.example", "http://name.example", "http", True),
        ("name.example", "http://name.example", "https", False),  # who reads the wire could have written that page
        ("name.example", "http://name.example", "wss", False),
        ("name.example", "https://name.example", "wss", True),
        ("[::1]:8501", "http://[::1]:8501", "http", True),
        ("[::1]:8501", "http://[::2]:8501", "http", False),
        ("", "http://", "http", False),
        ("name.example", "ftp://name.example", "http", False),
        ("name.example:x", "http://name.example", "http", False),
    ],
)
def test_an_origin_is_compared_with_the_host(host, origin, scheme, is_own):
    assert is_origin_of(host, origin, scheme) is is_own


def test_every_answer_of_the_routes_says_what_a_browser_may_do_with_it(client, finished):
    for headers in ({}, {"origin": "https://evil.example"}, {"host": "evil.example"}):
        for path in ("plotly.js", f"metrics/{finished.id}", "metrics/none", f"image/{finished.id}/4", "none"):
            answer = client.get(f"/api/{path}", headers=headers)
            assert HEADERS.items() <= {name: answer.headers[name] for name in HEADERS}.items()
            policy = answer.headers["content-security-policy"]
            assert (
                "frame-ancestors 'none'" in policy and "default-src 'self'" in policy and "object-src 'none'" in policy
            )
            assert "access-control-allow-origin" not in answer.headers


def test_nothing_of_a_host_header_gets_into_the_policy_but_a_name(anything):
    for host in ("localhost; script-src *", "localhost x", "[::1] *", "a_b"):
        policy = anything.get("/", headers={"host": host}).headers["content-security-policy"]
        assert "connect-src 'self'; " in policy
    policy = anything.get("/", headers={"host": "localhost:80"}).headers["content-security-policy"]
    assert "connect-src 'self' ws://localhost:80 wss://localhost:80; " in policy


def test_only_asking_why_takes_another_method_than_get(client, finished):
    for path in (
        f"metrics/{finished.id}",
        f"image/{finished.id}/4",
        "plotly.js",
        "js/0/x.js",
        f"boxes/{finished.id}/4",
    ):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
            assert client.request(method, f"/api/{path}").status_code == 405, (method, path)


def test_further_host_names_are_named_in_the_environment(store):
    """The names are read at the server's start: another process."""
    script = """
import json, sys
from tests.ui.http_client import routes_client
with routes_client() as client:
    ask = lambda **headers: client.get("/api/plotly.js", headers=headers).status_code
    print(json.dumps([
        ask(host="lab.example", origin="https://lab.example"), ask(host="other.example:8501"),
        ask(host="lab.example", origin="https://other.example"), ask(host="evil.example"), ask(host="localhost"),
    ]))
"""
    environment = {"DETR_LAB_HOSTS": "lab.example,other.example", "PATH": ""}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout.splitlines()[-1]) == [200, 200, 403, 400, 200], done.stderr

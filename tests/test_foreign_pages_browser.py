"""The app beside a page of another port, in a real browser: what that page tries is refused, and the app's pages work.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import http.client
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import psutil
import pytest
from playwright.sync_api import expect

from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import CELLS
from ui.server.guard import HEADERS

pytestmark = [*needs_chromium, pytest.mark.ci]
address, page = pages_in_browser.address, pages_in_browser.page
PAGES = ("data", "", "runs", "results", "errors", "compare", "predict")
ROUTES = (
    "/", "/train", "/_stcore/health", "/_stcore/host-config", "/_stcore/upload_file/a/b", "/media/a.png",
    "/api/plotly.js", "/api/why/warm", "/_stcore/agent/openapi.json", "/component/a/b", "/favicon.png",
)  # fmt: skip
# what a page may try, each resolving to whether it got anything
TRY = """async ([app, image]) => {
    const loads = (name, address) => new Promise((done) => {
        const made = document.createElement(name)
        made.onload = () => done(true)
        made.onerror = () => done(false)
        made.src = address
        document.body.append(made)
    })
    const opens = (address) => new Promise((done) => {
        const socket = new WebSocket(address, ["streamlit"])
        socket.onopen = () => done(true)
        socket.onerror = () => done(false)
    })
    const sends = (method, mode, headers) =>
        fetch(app + "/api/why/warm", { method, mode, headers, credentials: "include" }).then(() => true, () => false)
    return {
        image: await loads("img", app + image),
        icon: await loads("img", app + "/favicon.png"),
        script: await loads("script", app + "/api/plotly.js"),
        socket: await opens(app.replace("http", "ws") + "/_stcore/stream"),
        read: await sends("GET", "cors", {}),
        post: await sends("POST", "cors", {}),
        token: await sends("POST", "cors", { "X-DETR-Lab-Token": "a" }),
        blind: await sends("POST", "no-cors", {}),
    }
}"""


@pytest.fixture(scope="module")
def elsewhere():
    """The address of an empty page on another port of this machine."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>elsewhere</title>")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def foreign_page(context, elsewhere: str):
    """A tab on the other page, closed at the end."""
    opened = context.new_page()
    opened.goto(elsewhere)
    yield opened
    opened.close()


def test_a_page_of_another_port_gets_nothing_and_starts_nothing(context, address, elsewhere, page):
    page.goto(f"{address}/errors")
    source = page.locator(f"{CELLS} img").first.get_attribute("src")
    workers = len(psutil.Process().children(recursive=True))
    with foreign_page(context, elsewhere) as opened:
        got = opened.evaluate(TRY, [address, urlsplit(source).path])
        assert len(got) == 8 and not any(got.values()), got
    assert len(psutil.Process().children(recursive=True)) <= workers + 1


@pytest.mark.parametrize("path", ["/", "/train", "/api/plotly.js", "/favicon.png"])
def test_the_app_is_not_framed(context, address, elsewhere, path):
    with foreign_page(context, elsewhere) as opened:
        with opened.expect_response(address + path) as asked:
            opened.evaluate("src => document.body.append(Object.assign(document.createElement('iframe'), { src }))",
                            address + path)  # fmt: skip
        assert asked.value.status == 403
        assert "frame-ancestors 'none'" in asked.value.headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/api/why/warm", "/_stcore/upload_file/a/b", "/"])
def test_a_form_of_another_page_is_not_taken(context, address, elsewhere, path):
    with foreign_page(context, elsewhere) as opened, opened.expect_response(address + path) as asked:
        opened.evaluate("action => { document.body.innerHTML = `<form method=post action=${action}></form>`; "
                        "document.forms[0].submit() }", address + path)  # fmt: skip
    assert asked.value.status == 403


def test_a_link_of_another_page_opens_the_app_without_a_hold_on_it(context, address, elsewhere):
    with foreign_page(context, elsewhere) as opened:
        with context.expect_page() as popup:
            opened.evaluate("address => { window.app = open(address) }", f"{address}/data")
        app = popup.value
        expect(app.get_by_role("link", name="Train")).to_be_visible()
        assert app.evaluate("window.opener") is None
        app.close()
        opened.evaluate("address => { location = address }", f"{address}/train")
        expect(opened.get_by_role("link", name="Train")).to_be_visible()


@pytest.mark.parametrize("name", PAGES)
def test_every_page_keeps_to_its_content_security_policy(page, address, name):
    """Other tests of pages in a browser hold the same: `strict_page` collects what a browser complains of."""
    page.add_init_script("addEventListener('securitypolicyviolation', (one) => console.error(one.violatedDirective))")
    got = page.goto(f"{address}/{name}")
    assert HEADERS.items() <= {kept: got.headers[kept.lower()] for kept in HEADERS}.items()
    assert (
        "default-src 'self'; script-src 'self' blob: 'unsafe-eval' 'sha256-" in got.headers["content-security-policy"]
    )
    expect(page.locator("[data-testid=stMainBlockContainer] :is(h1, h2, h3, p, label)").first).to_be_visible()
    expect(page.locator("[data-testid=stStatusWidget]")).to_have_count(0)


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}])
def test_every_route_of_the_server_refuses_other_pages(address, headers):
    for path in ROUTES:
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
            assert status_of(address, method, path, headers) == 403, (method, path)
    opening = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "streamlit"}  # fmt: skip
    assert status_of(address, "GET", "/_stcore/stream", opening) == 101
    assert status_of(address, "GET", "/_stcore/stream", opening | headers) == 403
    assert status_of(address, "GET", "/_stcore/stream", opening | {"Host": "evil.example"}) in (400, 403)


def test_no_page_takes_another_method_than_get(address):
    for path in ("/", "/train", "/media/a.png", "/_stcore/health", "/favicon.png", "/api/plotly.js"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE"):
            assert status_of(address, method, path, {}) in (403, 404, 405), (method, path)


def status_of(address: str, method: str, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.request(method, path, headers=headers)
    try:
        return connection.getresponse().status
    finally:
        connection.close()

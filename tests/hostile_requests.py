"""Requests and links that no page of the app makes, drawn by a seed; and what an answer to one may be.

for method, path, headers in hostile_requests(seed, 300, run_id):
    answer = …
    assert not problem_of(path, answer.status_code, answer.headers, answer.content)
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlsplit

NUMBERS = ["4", "0", "-1", "9" * 30, "-" + "9" * 30, "9" * 10_000, "1e400", "nan", "inf", "4.5", "0x10", "٤", "²",
           "1_0", str(2**63), str(2**64), "+4", " 4"]  # fmt: skip
TEXTS = ["", "..", "../..", "..%2f..%2fetc%2fpasswd", "%00", "%ff%fe", "%0d%0aSet-Cookie:a=b", "%2e%2e%2f", "%25%32%66",
         "a" * 10_000, "<script>alert(1)</script>", "'; drop table runs; --", "é", "%E2%80%AE", "\\..\\..\\x", "none",
         "C:%5Cwindows", "%F0%9F%98%80", "last", "{}", "null", "//evil.example", "a%00.js", "%", "%zz"]  # fmt: skip
VALUES = NUMBERS + TEXTS
ROUTES = [
    "/api/metrics/{}", "/api/curves/{}", "/api/preflight/{}", "/api/image/{}/{}", "/api/data/{}/{}/{}",
    "/api/upload/{}/{}", "/api/boxes/{}/{}", "/api/why/warm", "/api/why/{}/{}/{}", "/api/labels/{}/{}/{}",
    "/api/labels/{}/{}", "/api/js/{}/{}", "/api/plotly.js", "/api/{}", "/{}",
    "/media/{}", "/_stcore/{}", "/_stcore/upload_file/{}/{}", "/component/{}/{}", "/static/{}",
    "/_stcore/bidi-components/{}/{}",
]  # fmt: skip
QUERY = ["w", "crop", "after", "group", "remarks", "score", "query", "gt", "v", "version", "key", "run", "model", "do",
         "id", "class", "box", "crowd", "tag", "clock"]  # fmt: skip
HEADERS = {
    "Host": ["localhost", "evil.example", "", "localhost:99999", "[::1", "a" * 300, "localhost\t"],
    "Origin": ["null", "https://evil.example", "http://localhost", "http://localhost:1", "a" * 5000, "http://["],
    "Sec-Fetch-Site": ["cross-site", "same-site", "none", "same-origin", "x" * 500],
    "Sec-Fetch-Mode": ["navigate", "no-cors", "websocket"], "Sec-Fetch-Dest": ["document", "iframe", "image"],
    "X-DETR-Lab-Token": ["", "x", "a" * 5000], "Range": ["bytes=0-", "bytes=9-1", "bytes=" + "0-1," * 500, "bytes=-1"],
    "If-None-Match": ["*", '"x"'], "If-Modified-Since": ["yesterday"], "Accept-Encoding": ["gzip", "x;q=9"],
    "Cookie": ["_streamlit_xsrf=" + "2|" * 200, "a=b; " * 100], "Content-Length": ["0"],
}  # fmt: skip
METHODS = ["GET"] * 12 + ["HEAD", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]
ALLOWED = {200, 204, 206, 301, 304, 307, 308, 400, 403, 404, 405, 413, 414, 416, 431}
LONGEST = 1000  # characters of an answer that refuses

PAGES = ("data", "train", "runs", "results", "errors", "compare", "predict")
LINK_NAMES = ["run", "model", "before", "before_model", "view", "score", "score_to", "iou_from", "iou_to", "class",
              "error", "size", "image", "true", "predicted", "order", "reverse", "per", "page", "marked", "truncated",
              "crowd", "change", "as", "layout", "labels", "search", "tag", "status", "column", "chosen",
              "metric", "by", "smooth", "log"]  # fmt: skip
LINK_VALUES = ["9" * 30, "-1", "nan", "inf", "1e400", "", "..", "../../etc/passwd", "a" * 5000, "\x00", "\ufffd", "٤",
               "<img src=x onerror=alert(1)>", "[a](https://evil.example)", "![x](https://evil.example/x.png)", "null",
               "best", "untouched", "objects", "labels", "evaluated", "watch", "0.5", "\u202e",
               "'; drop table runs; --"]  # fmt: skip


def hostile_requests(seed: int, count: int, run_id: str = "none") -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield (method, path with query, headers): hostile values in every place of every route, and some right ones."""
    draw = random.Random(seed)
    for i in range(count):
        route = ROUTES[i % len(ROUTES)]
        parts = [draw.choice(VALUES) for _ in range(route.count("{}"))]
        if parts and draw.random() < 0.5:
            parts[0] = run_id  # else nothing gets beyond the first
        path = route.format(*(quote(part, safe="%./\\") for part in parts))
        names = draw.sample(QUERY, draw.choice((0, 1, 1, 2, 4)))
        if names:
            path += "?" + "&".join(f"{name}={quote(draw.choice(VALUES), safe='%')}" for name in names)
        headers = {name: draw.choice(values) for name, values in HEADERS.items() if draw.random() < 0.08}
        yield draw.choice(METHODS), path, headers


def problem_of(path: str, status: int, headers: Mapping[str, str], body: bytes) -> str | None:
    """Return what is wrong with an answer to such a request; None if it may be."""
    names = {name.lower(): value for name, value in headers.items()}
    if status not in ALLOWED:
        return f"status {status}"
    if b"Traceback" in body:
        return "a traceback"
    if status >= 400 and len(body) > LONGEST:
        return f"{len(body)} bytes to refuse"
    if "set-cookie" in names and "a=b" in names["set-cookie"]:
        return "a header out of the address"
    if names.get("location", "/").startswith("//") or "evil.example" in urlsplit(names.get("location", "")).netloc:
        return "a way to another server"
    if names.get("access-control-allow-origin"):
        return "open to other pages"
    if (
        status in (400, 404)
        and path.startswith("/api/")
        and names.get("content-type", "").startswith("application/json")
    ):
        error = json.loads(body or b'{"error": ""}')
        return None if set(error) == {"error"} else "no sentence"
    return None


def hostile_links(seed: int, count: int, run_id: str = "none") -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Yield (page, query): links to the pages with hostile values, each name up to twice."""
    draw = random.Random(seed)
    for i in range(count):
        names = draw.sample(LINK_NAMES, draw.choice((1, 2, 4, 8)))
        query = {name: [draw.choice(LINK_VALUES) for _ in range(draw.choice((1, 1, 2)))] for name in names}
        if draw.random() < 0.6:
            query["run"] = [run_id]
        yield PAGES[i % len(PAGES)], query

"""Requests and links that no page makes get a refusal or an answer, never an error: short here, long in other hands."""

import http.client
from urllib.parse import urlsplit

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from core.runs.store import RunStore
from tests.hostile_requests import ALLOWED, NUMBERS, TEXTS, hostile_links, hostile_requests, problem_of
from tests.invented import draw_street, invented_run
from tests.pages.train_page import SHELL
from tests.serving import served
from tests.ui.http_client import routes_client

REQUESTS, OF_THE_SERVER, LINKS = 600, 150, 18


@pytest.fixture
def client(store):
    with routes_client() as client:
        yield client


def test_hostile_requests_of_every_route_are_answered_in_order(client, finished):
    for method, path, headers in hostile_requests(1, REQUESTS, finished.id):
        try:
            answer = client.request(method, path, headers=headers)
        except (httpx.InvalidURL, httpx.LocalProtocolError):
            continue
        problem = problem_of(path, answer.status_code, answer.headers, answer.content)
        assert not problem, (problem, method, path[:200], headers)


def test_hostile_values_in_place_of_an_id_are_not_found_in_json(client, finished):
    wrong = []
    for value in (value for value in NUMBERS[2:] + TEXTS if "%0d" not in value):
        value = value.replace("\\", "%5C").replace("%zz", "%25zz")
        if value == "%":
            value = "%25"
        paths = [f"image/{finished.id}/{value}", f"data/x/val/{value}", f"upload/x/{value}"]
        paths += [] if value == "-1" else [f"boxes/{finished.id}/{value}"]  # of an image that is none there are none
        for path in paths:
            answer = client.get(f"/api/{path}")
            if answer.status_code != 404 or set(answer.json()) != {"error"} or len(answer.content) >= 300:
                wrong.append((path, answer.status_code, answer.content[:100]))
    assert wrong == []


def test_hostile_values_in_a_query_are_answered_or_refused(client, finished):
    values = [*NUMBERS, "nan,nan,nan,nan", ",".join(["9" * 30] * 4), ",".join(["9"] * 4000), "-5,-5,9,9"]
    wrong = []
    for value in values:
        for name in ("w", "crop", "score", "after", "group", "remarks"):
            for path in (f"image/{finished.id}/4", f"boxes/{finished.id}/4", f"metrics/{finished.id}"):
                answer = client.get(f"/api/{path}", params={name: value})
                if answer.status_code != 200 and (answer.status_code != 404 or len(answer.content) >= 300):
                    wrong.append((path, name, value[:50], answer.status_code, answer.content[:100]))
    assert wrong == []


@pytest.mark.ci
def test_hostile_requests_to_the_real_server_leave_it_well(tmp_path):
    """Some seconds."""
    store = RunStore(tmp_path)
    run = invented_run(store, draw_street(tmp_path))
    store.close()
    with served(tmp_path) as address:
        for method, path, headers in hostile_requests(2, OF_THE_SERVER, run.id):
            connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
            try:
                connection.request(method, path, headers={"Host": "localhost", **headers})
                answer = connection.getresponse()
                body = answer.read()
            except (http.client.InvalidURL, UnicodeEncodeError, ValueError):
                continue
            finally:
                connection.close()
            problem = problem_of(path, answer.status, dict(answer.getheaders()), body)
            assert not problem, (problem, method, path[:200], headers)
        assert httpx.get(f"{address}/_stcore/health").status_code == 200
        assert "Traceback" not in (tmp_path / "server.log").read_text()


@pytest.mark.ci
def test_hostile_links_show_a_page_without_an_error(store, finished, run_maker):
    """Some seconds."""
    run_maker()
    for page, query in hostile_links(3, LINKS, finished.id):
        app = AppTest.from_file(SHELL, default_timeout=30).run()
        if page != "train":
            app.switch_page(f"../pages/{page}.py")
        for name, values in query.items():
            app.query_params[name] = values
        app.run()
        assert not app.exception, (page, query, app.exception)
        assert all(len(one.value) < 3000 for one in (*app.error, *app.warning, *app.info)), (page, query)


def test_an_answer_is_judged():
    json = {"content-type": "application/json"}
    assert problem_of("/api/x", 500, {}, b"") and problem_of("/api/x", 404, {}, b"x" * 2000)
    assert problem_of("/api/x", 200, {}, b"Traceback (most recent call last)")
    assert problem_of("/api/x", 404, json, b'{"detail": 1}') and not problem_of(
        "/api/x", 404, json, b'{"error": "No."}'
    )
    assert problem_of("/x", 200, {"Access-Control-Allow-Origin": "*"}, b"") and 500 not in ALLOWED

"""A client of the app's routes, without a server and without Streamlit."""

import warnings

from starlette.applications import Starlette

from ui.routes import ROUTES
from ui.server.services import MIDDLEWARE

with warnings.catch_warnings():  # starlette's own use of an old name in anyio
    warnings.simplefilter("ignore", DeprecationWarning)
    from starlette.testclient import TestClient

HOST = "http://localhost"


def routes_client() -> TestClient:
    """A client for `with`, whose requests come from this machine."""
    return TestClient(Starlette(routes=ROUTES, middleware=MIDDLEWARE), base_url=HOST)

import pytest

from tests.ui.http_client import routes_client


@pytest.fixture
def client(store):
    with routes_client() as client:
        yield client

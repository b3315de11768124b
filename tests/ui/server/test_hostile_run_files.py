"""Something else lies where a run keeps its files: no route and no page waits for it, and what can be shown is."""

import pytest

from core import RunError
from core.datasets.split import read_split
from tests.core.hostile_entries import ENTRIES, no_waiting, put
from ui.server import cache, services
from ui.train import preflight, profiler


@pytest.fixture(params=ENTRIES)
def kind(request):
    return request.param


@no_waiting()
def test_checks_profile_and_pictures_of_a_run(client, store, finished, leave, kind):
    leave(finished, checks=[("a", True, "b")], operators=[("op", 1, 2.0, None)])
    assert preflight.read_checks(finished) and profiler.read_profile(finished)
    for path in (store.preflight_path, store.profile_path, store.preflight_picture, store.trace_path):
        put(kind, path(finished.id))
    assert preflight.read_checks(finished) == [] and profiler.read_profile(finished) is None
    assert client.get(f"/api/preflight/{finished.id}").status_code == 404
    services.page_version(finished)


@no_waiting()
def test_a_detection_table(store, finished, kind):
    evaluation = store.evaluations(finished.id)[0]
    put(kind, evaluation.table)
    with pytest.raises(RunError) as raised:
        cache.table_of(evaluation)
    assert "detection table" in str(raised.value) and len(str(raised.value)) < 400


@no_waiting()
def test_a_thumbnail_is_made_anew_where_the_kept_one_is_no_file(client, store, finished, kind):
    image = read_split(finished.config["data"], "val").images[0]
    address = f"/api/image/{finished.id}/{image['id']}?w=320"
    first = client.get(address)
    assert first.status_code == 200
    (kept,) = (store.runs_dir / ".thumbnails").iterdir()
    put(kind, kept)
    again = client.get(address)
    assert again.status_code == 200 and again.content == first.content

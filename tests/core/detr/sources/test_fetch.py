"""core/detr/sources/fetch.py: told by the megabyte, stopped at once, and gone on with, from a hub on this machine."""

import re
import threading
import time
from contextlib import closing

import pytest

from core import ModelError
from core.detr.sources import fetch
from core.detr.sources.hub import cached_file, downloading
from core.keep_result import KeepResult
from tests.core.detr.sources.hub_server import local_hub

NAME, SIZE = "someone/detr", 3_000_000
WORDS = re.compile(rf"Downloading {NAME}: (\d+) of 3 MB")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with a model of 3 MB, and an empty cache."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "config.json").write_text("{}")
    (files / "model.safetensors").write_bytes(bytes(range(250)) * (SIZE // 250))
    monkeypatch.setattr("core.detr.sources.hub.TICK_SECONDS", 0.02)
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.01)
    with local_hub(NAME, files, tmp_path / "cache", monkeypatch) as server:
        yield server


def start():
    return downloading(NAME, lambda folder: None)


def finish(work=None):
    """The words of a download to its end, and whether the whole model is in the cache then."""
    kept = KeepResult(work or start())
    words = list(kept)
    weights = kept.result / "model.safetensors"
    assert weights.stat().st_size == SIZE and weights.read_bytes() == bytes(range(250)) * (SIZE // 250)
    assert cached_file(NAME, "model.safetensors") == weights and (kept.result / "config.json").is_file()
    return words


def parts(tmp_path):
    return list(tmp_path.rglob(f"*{fetch.PART}"))


def gets(hub):
    return [begin for method, file, begin in hub.asked if method == "GET" and file == "model.safetensors"]


def until_megabytes(work, count):
    """Follows a download until it says that it has so many."""
    return next(words for words in work if (match := WORDS.fullmatch(words)) and int(match[1]) >= count)


def test_a_model_is_downloaded_by_the_megabyte_and_then_never_again(hub, tmp_path):
    hub.pause = 0.02
    words = finish()
    assert words[0] == f"Asking the Hugging Face hub for {NAME}"
    told = [int(match[1]) for match in map(WORDS.fullmatch, words) if match]
    assert told == sorted(told) and len(set(told)) >= 3
    assert gets(hub) == [0] and not parts(tmp_path)
    before = len(hub.asked)
    assert finish() == [] and len(hub.asked) == before


def test_how_its_pictures_are_made_comes_with_a_model(hub):
    (hub.folder / "preprocessor_config.json").write_text('{"size": 640}')
    finish()
    assert cached_file(NAME, "preprocessor_config.json").read_text() == '{"size": 640}'


def test_what_is_whole_is_told_as_such_also_when_it_has_its_name(tmp_path):
    one = fetch.Fetch()
    one.blob, one.total = tmp_path / "blob", SIZE
    assert one.words(NAME) == f"Downloading {NAME}: 0 of 3 MB"
    one.blob.write_bytes(bytes(SIZE))
    assert one.words(NAME) == f"Downloading {NAME}: 3 of 3 MB"


def test_who_stops_is_not_waited_for_and_the_next_goes_on_with_what_is_there(hub, tmp_path):
    hub.hold = 1_500_000  # from there on the hub says nothing
    with closing(start()) as work:
        until_megabytes(work, 1)
        begin = time.monotonic()
    assert time.monotonic() - begin < 1
    (part,) = parts(tmp_path)
    kept = part.stat().st_size
    assert cached_file(NAME, "model.safetensors") is None and kept >= 500_000  # which is told as 1 MB
    hub.wake()
    finish()
    assert gets(hub)[-1] >= kept and not parts(tmp_path)


def test_a_connection_that_breaks_is_gone_on_with(hub):
    hub.cut = [1_000_000, 2_000_000]
    finish()
    assert gets(hub) == [0, 1_000_000, 2_000_000]


def test_a_hub_that_gives_no_more_bytes_is_asked_a_few_times(hub, monkeypatch):
    hub.cut = [1_000_000] * 20
    with pytest.raises(ModelError, match="the Hugging Face hub did not give it"):
        finish()
    assert len(gets(hub)) == 1 + fetch.ATTEMPTS


def test_what_is_longer_than_the_file_is_begun_anew(hub, tmp_path):
    hub.hold = 500_000
    with closing(start()) as work:
        until_megabytes(work, 0)
        while not (parts(tmp_path) and parts(tmp_path)[0].stat().st_size):
            next(work)
    hub.wake()
    (part,) = parts(tmp_path)
    part.write_bytes(b"x" * (SIZE + 1))
    finish()
    assert gets(hub)[-1] == 0


def test_of_two_that_want_the_same_one_fetches_and_both_tell(hub):
    hub.hold = 1_500_000
    first, second = start(), start()
    until_megabytes(first, 1)
    assert WORDS.fullmatch(until_megabytes(second, 1))
    hub.wake()
    words = []
    other = threading.Thread(target=lambda: words.append(finish(second)))
    other.start()
    finish(first)
    other.join()
    assert words and gets(hub) == [0]

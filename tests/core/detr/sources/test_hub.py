"""core/detr/sources/hub.py: a copy that is here needs no network, and without a network the answer comes at once."""

import socket
import threading

import httpx
import pytest
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)

from core import ModelError
from core.detr.sources import hub
from core.detr.sources.hub import cached_file, download, is_here
from tests.core.detr.released import released

NAME, CHECKED = "someone/detr", []


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, a short patience, and a network whose use is counted."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "PATIENCE_SECONDS", 0.05)
    monkeypatch.delenv(hub.PATIENCE_VARIABLE, raising=False)
    return tmp_path


def asked_with(monkeypatch, answer):
    """Let the hub's session answer so; return what is asked of it."""
    asked = []

    class Session:
        def head(self, url, **options):
            asked.append(url)
            return answer()

    monkeypatch.setattr("huggingface_hub.get_session", Session)
    return asked


def test_a_copy_in_the_cache_is_used_without_asking(cache, monkeypatch):
    folder = cache / "models--someone--detr"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("0123abcd")
    released("detr", folder / "snapshots/0123abcd")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("network"))
    assert download(NAME, CHECKED.append) == folder / "snapshots/0123abcd"


@pytest.mark.parametrize("revision", ["0123abcd", "0123abcd\n", "", "../0123abcd", "0123abce", "x" * 300, "\ufeff"])
def test_a_copy_is_found_where_the_hubs_own_library_finds_it(cache, revision):
    assert cached_file(NAME, "config.json") is None and not is_here(NAME, cache)
    folder = cache / "models--someone--detr"
    for file in ("refs/main", "snapshots/0123abcd/config.json"):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).write_text(revision)
    theirs = try_to_load_from_cache(NAME, "config.json")
    ours = cached_file(NAME, "config.json")
    assert (ours and str(ours)) == theirs if revision.strip() == revision else ours in (None, folder / file)
    assert cached_file(NAME, "model.safetensors") is None and not is_here(NAME, cache)
    (folder / "snapshots/0123abcd/model.safetensors").write_bytes(b"")
    assert is_here(NAME, cache) == (ours is not None)


def test_a_copy_in_checkpoints_is_here_once_it_is_whole(cache):
    folder = cache / "checkpoints/someone/detr"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert not is_here(NAME, cache)
    (folder / "model.safetensors").write_bytes(b"")
    assert is_here(NAME, cache)


@pytest.mark.parametrize("error", [httpx.ConnectError("no route"), httpx.ConnectTimeout("late"), OSError("no DNS")])
def test_without_a_network_it_is_asked_once_and_not_again(cache, monkeypatch, error):
    def fail():
        raise error

    asked = asked_with(monkeypatch, fail)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_: pytest.fail("asked again"))
    with pytest.raises(ModelError, match=r"the Hugging Face hub cannot be reached.* into checkpoints/someone/detr/"):
        download(NAME, CHECKED.append)
    assert len(asked) == 1


def test_a_look_up_or_a_proxy_that_never_answers_is_not_waited_for(cache, monkeypatch):
    done = threading.Event()
    asked_with(monkeypatch, done.wait)  # as a name server does that swallows the question
    with pytest.raises(ModelError, match=r"gave no answer within 0\.05 seconds"):
        download(NAME, CHECKED.append)
    done.set()


def test_a_slow_network_may_be_given_more_time(cache, monkeypatch):
    done = threading.Event()
    monkeypatch.setenv(hub.PATIENCE_VARIABLE, "0.02")
    asked_with(monkeypatch, done.wait)
    with pytest.raises(ModelError, match=r"gave no answer within 0\.02 seconds"):
        download(NAME, CHECKED.append)
    done.set()


def test_offline_by_setting_nothing_is_asked(cache, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = asked_with(monkeypatch, lambda: None)
    with pytest.raises(ModelError, match="as HF_HUB_OFFLINE says"):
        download(NAME, CHECKED.append)
    assert asked == []


RESPONSE = httpx.Response(404, request=httpx.Request("HEAD", "https://hub"))


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (RepositoryNotFoundError("no", response=RESPONSE), "There is no model someone/detr on the"),
        (GatedRepoError("no", response=RESPONSE), "needs a permission"),
        (RemoteEntryNotFoundError("no", response=RESPONSE), r"has no config\.json and model\.safetensors"),
        (LocalEntryNotFoundError("no"), "check the name and the network"),
        (TimeoutError("late"), "check the name and the network"),
    ],
)  # fmt: skip
def test_what_the_hub_refuses_is_said_by_its_reason(cache, monkeypatch, error, advice):
    def refuse(*_):
        raise error

    asked_with(monkeypatch, lambda: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(ModelError, match=advice):
        download(NAME, CHECKED.append)


def test_the_settings_are_looked_at_before_what_is_large_is_fetched(cache, monkeypatch):
    fetched = []
    asked_with(monkeypatch, lambda: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda name, file: fetched.append(file) or f"/cache/{file}")

    def refuse(folder):
        raise ModelError(f"{folder} is a bert model")

    with pytest.raises(ModelError, match="/cache is a bert model"):
        download(NAME, refuse)
    assert fetched == ["config.json"]

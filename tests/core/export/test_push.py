"""A model's folder on its way to a hub of this machine: what arrives, and what is said where it does not."""

import pytest

from core import RunError
from core.export.huggingface.push import check_repository, push_folder
from core.keep_result import KeepResult
from tests.core.export.huggingface_hub_server import TOKEN, HubThatTakes

# of huggingface_hub's own upload of large files
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
FILES = {
    "README.md": b"---\ntags:\n- detr\n---\n# A model\n", "config.json": b"{}", "label_map.json": b"{}",
    "model.safetensors": b"weights" * 300_000, "pictures/1.jpg": b"a picture",
}  # fmt: skip


@pytest.fixture
def hub(monkeypatch):
    server = HubThatTakes()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", server.address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("core.export.huggingface.push.TICK_SECONDS", 0.01)
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def push(folder, name="maria/street", private=False) -> tuple[str, list[str]]:
    work = KeepResult(push_folder(folder, name, private))
    words = list(work)
    return work.result, words


@pytest.mark.parametrize("private", [False, True])
def test_all_files_arrive_in_one_commit(hub, folder, private, logged, capsys):
    address, words = push(folder, private=private)
    repository = hub.repositories["maria/street"]
    assert address == f"{hub.address}/maria/street" and repository["private"] == private
    assert {name: repository["files"][name] for name in FILES} == FILES and len(repository["commits"]) == 1
    assert words[0] == "Looking at maria/street" and words[-1].endswith("of 2.1 MB")
    assert not logged and capsys.readouterr() == ("", "")


def test_the_token_goes_to_the_hub_alone_and_is_not_told(hub, folder, capsys):
    _, words = push(folder)
    assert set(hub.headers) <= {f"Bearer {TOKEN}", None} and TOKEN not in "".join(words)
    assert TOKEN not in "".join(capsys.readouterr())


def test_a_later_model_takes_its_place_and_old_pictures_go(hub, folder):
    hub.add("maria/street", {"label_map.json": b"old", "pictures/2.jpg": b"old", "notes.txt": b"of the user"})
    push(folder)
    files = hub.repositories["maria/street"]["files"]
    assert files["label_map.json"] == b"{}" and "pictures/2.jpg" not in files and files["notes.txt"] == b"of the user"


def test_a_repository_with_another_content_is_refused(hub, folder):
    hub.add("maria/street", {".gitattributes": b"", "pytorch_model.bin": b"another"})
    with pytest.raises(RunError, match=r"holds what DETR Lab has not written, as pytorch_model\.bin: choose"):
        push(folder)
    assert "pytorch_model.bin" in hub.repositories["maria/street"]["files"]


def test_without_a_token_the_hub_is_not_asked(hub, folder, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(folder / "no token"))
    with pytest.raises(RunError, match="There is no token for the Hugging Face hub: run hf auth login"):
        push(folder)
    assert not hub.asked


def test_a_token_that_is_wrong_is_told_without_it(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(RunError, match=r"HTTP 401.*the hub does not take the token") as refused:
        push(folder)
    assert "hf_wrong" not in str(refused.value) and not hub.repositories


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        ("create", 403, "may not write there: take one with the permission"),
        ("create", 404, "knows no such owner"),
        ("preupload", 403, "may not write there"),
        ("commit", 403, "may not write there"),
        ("commit", 400, "says “bad <b>metadata</b>”.*see what it says of the files"),
        ("create", 429, "asked too often"),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(hub, folder, kind, status, said):
    hub.refuse[kind] = status, "bad <b>metadata</b>"
    with pytest.raises(RunError, match=f"maria/street was not uploaded \\(HTTP {status}.*{said}") as refused:
        push(folder)
    assert "\n" not in str(refused.value) and TOKEN not in str(refused.value)
    assert all(not repository["commits"] for repository in hub.repositories.values())


def test_a_hub_that_is_gone_is_told(hub, folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(RunError, match=r"cannot be reached.*check the network and try again"):
        push(folder)


def test_a_hub_that_must_not_be_asked_is_not(hub, folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RunError, match="HF_HUB_OFFLINE"):
        push(folder)
    assert not hub.asked


@pytest.mark.parametrize("name", ["street", "maria/", "maria/a b", "../x", "maria/street.onnx", ""])
def test_a_name_that_no_model_has_is_refused(name):
    with pytest.raises(RunError, match="is no name on the Hugging Face hub: give OWNER/NAME"):
        check_repository(name)

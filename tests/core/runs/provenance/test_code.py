"""A run says by what code it was made."""

import subprocess

import pytest

from core.runs.provenance import code as module
from core.runs.provenance.code import Code, code_values, compare_code, current_code, note_code, read_code


def git(folder, *arguments):
    subprocess.run(["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True,
                   capture_output=True, stdin=subprocess.DEVNULL)  # fmt: skip


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "a.py").write_text("1")
    git(folder, "add", "a.py")
    return folder


def test_a_checkout_has_its_commit_and_whether_files_differ(checkout):
    assert (current_code(project=checkout).commit, current_code(project=checkout).changed) == (None, False)
    git(checkout, "commit", "-qm", "one")
    (checkout / "runs.db").touch()  # a user's file is no code
    now = current_code(project=checkout)
    assert len(now.commit) == 40 and not now.changed and now.name.endswith(f"commit {now.commit[:10]}")
    (checkout / "a.py").write_text("2")
    assert current_code(project=checkout).changed and current_code(project=checkout).name.endswith(", changed")


def test_a_folder_inside_another_repository_has_no_commit(checkout):
    git(checkout, "commit", "-qm", "one")
    (checkout / "inside").mkdir()
    assert current_code(project=checkout / "inside").commit is None


def test_without_git_the_version_is_there(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    now = current_code(project=checkout)
    assert now.commit is None and now.name == now.lab
    assert {"python", "torch", "transformers", "streamlit"} <= set(now.packages)


def made_by(commit, torch, step=0):
    return Code("1.0", commit, False, {"python": "3.13.1", "torch": torch}, step)


def test_a_run_that_goes_on_by_other_code_says_both(tmp_path, monkeypatch):
    for code in (made_by("a" * 40, "2.9"), made_by("a" * 40, "2.9", 5), made_by("b" * 40, "2.9", 7)):
        monkeypatch.setattr(module, "current_code", lambda step, code=code: code)
        note_code(tmp_path, code.step)
    assert [(part.commit[0], part.step) for part in read_code(tmp_path)] == [("a", 0), ("b", 7)]
    values = code_values(tmp_path)
    assert values["code"] == "1.0 · commit aaaaaaaaaa, then 1.0 · commit bbbbbbbbbb" and values["torch"] == "2.9"


def test_runs_are_compared_also_with_those_of_earlier_versions(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "current_code", lambda step: made_by("a" * 40, "2.9"))
    note_code(tmp_path / "one")
    settings = {s.name: s for s in compare_code([tmp_path / "one", tmp_path / "old"])}
    assert settings["torch"].values == ("2.9", None) and settings["torch"].differs
    assert compare_code([tmp_path / "old"]) == []


@pytest.mark.parametrize("text", ["", "[]", '{"parts": [{}]}', "\x00"])
def test_a_damaged_file_says_nothing(tmp_path, text):
    (tmp_path / "code.json").write_text(text)
    assert code_values(tmp_path) == {}

"""The audit of the locked dependencies: what is known fails without a reason; what nobody could look up is said."""

import importlib.util
import json
import subprocess

import pytest

from core import PROJECT

_spec = importlib.util.spec_from_file_location("audit", PROJECT / ".ci/audit.py")
audit = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(audit)

SKIPPED = {"name": "a", "skip_reason": "Dependency not found"}
FINE = {"name": "b", "version": "1", "vulns": []}
BAD = {
    "name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-2"], "fix_versions": ["2.1"]}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("dependencies", "accepted", "code", "words"),
    [
        ([SKIPPED, SKIPPED], {}, 0, "not audited: no service knows any of the 2"),
        ([], {}, 0, "not audited"),
        ([SKIPPED, FINE], {}, 0, "audited: 1 packages, 1 unknown to the service, 0 findings"),
        ([FINE, BAD], {}, 1, "VULNERABLE: c 2: PYSEC-1 CVE-2, fixed in 2.1"),
        ([BAD], {"PYSEC-1": "not used"}, 0, "accepted: c 2: PYSEC-1 CVE-2: not used"),
        ([BAD], {"CVE-2": "not used"}, 0, "accepted"),
        ([BAD], {"CVE-3": "another"}, 1, "VULNERABLE"),
    ],
)
def test_a_report_is_judged(dependencies, accepted, code, words):
    got, said = audit.judge({"dependencies": dependencies}, accepted)
    assert got == code and words in "\n".join(said)


@pytest.mark.parametrize("output", ["", "no JSON", "[1"])
def test_without_a_report_that_is_said_and_the_build_goes_on(monkeypatch, output):
    monkeypatch.setattr(
        audit.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, output, "no route")
    )
    code, (said,) = audit.audit("requirements.lock")
    assert code == 0 and said.startswith("not audited: ")


def test_a_tool_that_cannot_be_started_or_never_ends_is_said(monkeypatch):
    for error in (FileNotFoundError("uv"), subprocess.TimeoutExpired("uv", 300)):

        def run(*_, error=error, **__):
            raise error

        monkeypatch.setattr(audit.subprocess, "run", run)
        code, (said,) = audit.audit("requirements.lock")
        assert code == 0 and said.startswith("not audited: ")


def test_the_tool_gets_every_locked_package(monkeypatch):
    commands = []

    def run(command, **_):
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, json.dumps({"dependencies": [FINE]}), "")

    monkeypatch.setattr(audit.subprocess, "run", run)
    assert audit.audit("some.lock")[0] == 0
    assert commands[0][commands[0].index("--requirement") + 1] == "some.lock"


def test_what_is_accepted_has_a_reason():
    audit.read_accepted(audit.ACCEPTED.read_text())
    assert audit.read_accepted("# note\n\nPYSEC-1  never reached\n") == {"PYSEC-1": "never reached"}
    with pytest.raises(ValueError, match="without a reason"):
        audit.read_accepted("PYSEC-1\n")

"""Audits the locked dependencies for known vulnerabilities: `make audit`, and in CI.

    python .ci/audit.py [requirements.lock]

Exits with 1 if one is known that .ci/accepted-vulnerabilities.txt does not list with a reason. Where the tool cannot be
installed or no service answers, it says so and exits with 0: a build without a network goes on.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ACCEPTED = HERE / "accepted-vulnerabilities.txt"
TOOL = "pip-audit==2.10.1"
SECONDS = 300


def read_accepted(text: str) -> dict[str, str]:
    """Return the reason for each id of a text with lines such as `PYSEC-2026-1  why it does not concern us`.

    Raises ValueError for an id without a reason.
    """
    accepted = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, reason = line.strip().partition(" ")
            if not reason.strip():
                raise ValueError(f"{name} is accepted without a reason: give one in {ACCEPTED.name}.")
            accepted[name] = reason.strip()
    return accepted


def judge(report: dict[str, Any], accepted: dict[str, str]) -> tuple[int, list[str]]:
    """Return the exit code for a report of pip-audit, and what is to be said."""
    dependencies = report["dependencies"]
    audited = [one for one in dependencies if "skip_reason" not in one]
    skipped = len(dependencies) - len(audited)
    if not audited:
        return 0, [f"not audited: no service knows any of the {skipped} locked packages in their versions"]
    known = [(one, vulnerability) for one in audited for vulnerability in one["vulns"]]
    lines, code = [f"audited: {len(audited)} packages, {skipped} unknown to the service, {len(known)} findings"], 0
    for one, vulnerability in known:
        names = [vulnerability["id"], *vulnerability.get("aliases", ())]
        reason = next((accepted[name] for name in names if name in accepted), None)
        fixed = ", ".join(vulnerability.get("fix_versions", ())) or "no version yet"
        where = f"{one['name']} {one['version']}: {' '.join(names)}"
        lines.append(f"  accepted: {where}: {reason}" if reason else f"  VULNERABLE: {where}, fixed in {fixed}")
        code = code if reason else 1
    return code, lines


def audit(lock: str) -> tuple[int, list[str]]:
    """Return the exit code for a file of locked requirements, and what is to be said."""
    beside = Path(sys.executable).parent / "uv"
    command = [str(beside) if beside.exists() else "uv", "tool", "run", "--quiet", TOOL, "--no-deps", "--disable-pip",
               "--requirement", lock, "--progress-spinner", "off", "--format", "json"]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        report = json.loads(done.stdout)
    except (OSError, ValueError) as error:
        return 0, [f"not audited: {TOOL} gave no report ({type(error).__name__}: is there a network?)"]
    except subprocess.TimeoutExpired:
        return 0, [f"not audited: no report after {SECONDS} seconds"]
    return judge(report, read_accepted(ACCEPTED.read_text(encoding="utf-8")))


if __name__ == "__main__":
    exit_code, said = audit(*(sys.argv[1:] or ["requirements.lock"]))
    print("\n".join(said), flush=True)
    sys.exit(exit_code)

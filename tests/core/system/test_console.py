"""What is printed where few letters are known, and lines for a shell."""

import subprocess
import sys

from core.engine.process import environment_of
from core.files import typed_path
from core.system.console import quoted


def test_a_command_prints_what_its_terminal_has_no_letters_for(tmp_path):
    (tmp_path / "données → 猫").mkdir()
    environment = {**environment_of(tmp_path), "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "core", "check", str(tmp_path / "données → 猫")]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    printed = (done.stdout + done.stderr).decode("cp1252")
    assert done.returncode == 1 and "données" in printed and "Traceback" not in printed and "\\u732b" in printed


def test_a_line_for_a_shell_is_that_of_the_system(monkeypatch):
    assert quoted(["python", "a b.py"]) == "python 'a b.py'"
    monkeypatch.setenv("DETR_LAB_LACKS", "one-root")
    assert quoted(["python", "C:\\my data\\b.py"]) == 'python "C:\\my data\\b.py"'


def test_an_address_of_another_machine_is_a_path_on_windows_alone(monkeypatch):
    assert typed_path("file://server/share/a%20b") == "file://server/share/a%20b"
    monkeypatch.setenv("DETR_LAB_LACKS", "one-root")
    assert typed_path("file://server/share/a%20b") == "//server/share/a b"
    assert typed_path('"C:\\data\\my birds"') == "C:\\data\\my birds"

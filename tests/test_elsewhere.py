"""What only some systems have is asked for in core/system alone, which has a way for those without it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SYSTEM = "core/system/"
FORKING = {"core/engine/engine.py", "core/engine/server.py", "core/engine/process.py"}  # the warm engine, on Linux
MODULES = {"fcntl", "resource", "pwd", "grp", "pty", "termios", "tty", "msvcrt", "winreg", "_winapi"}
NAMES = {
    "os": {
        "fork", "forkpty", "killpg", "kill", "getuid", "geteuid", "getgid", "setsid", "getsid", "nice", "setpriority",
        "getpriority", "mkfifo", "chown", "statvfs", "link", "symlink", "rename", "renames", "replace", "waitpid",
        "pidfd_open", "getloadavg", "uname", "sched_getaffinity", "sysconf",
    },
    "signal": {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGALRM", "pause", "alarm", "setitimer"},
    "socket": {"AF_UNIX", "socketpair", "send_fds", "recv_fds"},
    "select": {"poll", "epoll"},
    "shlex": {"quote", "join"},
}  # fmt: skip
METHODS = {"symlink_to", "hardlink_to", "link_to", "rename"}  # of a Path
KEYWORDS = {"start_new_session", "preexec_fn", "pass_fds", "dir_fd"}
IF_THERE = {  # is looked for before it is used
    ("core/datasets/drawing/processes.py", "os.sched_getaffinity"), ("core/inference/worker.py", "os.getloadavg"),
    ("core/inference/worker.py", "os.sched_getaffinity"),
}  # fmt: skip
OUTPUT = {"text", "universal_newlines"}  # of a program
TEXT = {"open", "read_text", "write_text", "fdopen"}
NO_TEXT = {
    "Image.open",
    "archive.open",
    "models.open",
    "tracker.open",
    "opener.open",
    "self.open",
    "os.open",
    "read_text",
}  # or its own way of reading


@cache
def sources():
    paths = [ROOT / "app.py", *(p for f in ("core", "ui", "pages") for p in sorted((ROOT / f).rglob("*.py")))]
    return [(path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def of_a_system(tree):
    """What of a file only some systems have, in words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in NAMES.get(node.value.id, ()):
                yield ast.unparse(node)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{a.name}" for a in node.names if a.name in NAMES.get(node.module, ()))
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
                yield ast.unparse(node.func)
            yield from (f"{key.arg}=" for key in node.keywords if key.arg in KEYWORDS)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("/proc/"):
            yield node.value
    names = [a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names]
    yield from (f"import {name}" for name in names if name in MODULES)


def test_what_only_some_systems_have_is_asked_for_in_one_package():
    wrong = {
        f"{name}: {words}"
        for name, tree in sources()
        if not name.startswith(SYSTEM) and name not in FORKING
        for words in of_a_system(tree)
        if (name, words) not in IF_THERE
    }
    assert len(sources()) > 500 and wrong == set()


def test_what_only_some_systems_have_is_seen():
    lines = "import fcntl", "from os import fork", "os.killpg(1, signal.SIGKILL)", "open('/proc/a')", "p.rename(q)"
    code = "\n".join([*lines, "f(pass_fds=1)"])
    assert sorted(of_a_system(ast.parse(code))) == [
        "/proc/a", "import fcntl", "os.fork", "os.killpg", "p.rename", "pass_fds=", "signal.SIGKILL"
    ]  # fmt: skip


def of_no_encoding(tree):
    """The calls by which text of a file or a program is read or written in whatever letters the system has."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        keys = {key.arg for key in call.keywords}
        if getattr(call.func, "attr", getattr(call.func, "id", "")) not in TEXT and not keys & OUTPUT:
            continue
        function = ast.unparse(call.func)
        values = [*call.args, *(key.value for key in call.keywords if key.arg == "mode")]
        modes = {node.value for value in values for node in ast.walk(value) if isinstance(node, ast.Constant)}
        is_binary = bool(modes & {"rb", "wb", "ab", "rb+"}) or "closefd" in keys
        is_text = function.rpartition(".")[2] in TEXT and function not in NO_TEXT and not is_binary
        is_output = function.startswith("subprocess") and keys & OUTPUT
        if (is_text or is_output) and "encoding" not in keys:
            yield ast.unparse(call)


def test_text_is_read_and_written_as_utf_8_whatever_the_system_has():
    assert {f"{name}: {call}" for name, tree in sources() for call in of_no_encoding(tree)} == set()


def test_text_of_no_encoding_is_seen():
    wrong = "open(p)\np.read_text()\np.write_text(t)\np.open('a')\nos.fdopen(1, 'w')\nsubprocess.run(c, text=True)"
    right = "open(p, 'rb')\nopen(p, encoding='utf-8')\nopen(p, mode='wb')\nsubprocess.run(c, encoding='utf-8')"
    assert len(list(of_no_encoding(ast.parse(wrong)))) == 6 and not list(of_no_encoding(ast.parse(right)))


def test_numbers_of_64_bits_are_made_on_the_cpu_as_an_apple_gpu_has_none():
    nodes = [(name, n) for name, tree in sources() for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    made = [(name, ast.unparse(node)) for name, node in nodes if node.attr in ("double", "float64")]
    made = [(name, words) for name, words in made if words.endswith(".double") or words.startswith("torch.")]
    assert len(made) > 2
    assert [one for one in made if not one[1].endswith(".cpu().double")] == [
        ("core/training/distributed.py", "torch.float64")  # of numbers that are on no device
    ]

"""Nothing runs the code of somebody else, and no child has a standard input: held by reading the code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("core", "ui", "pages", "bench", "checkpoints", "docs")
OURS = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))] + [ROOT / "app.py"]
STARTS = {"Popen", "run", "call", "check_call", "check_output"}  # of subprocess
ELSE = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
}  # give ours away, or need a shell
CODE_OF_FILES = {  # whose contents would be run, or would choose what is
    "pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "marshal.load", "marshal.loads", "shelve.open",
    "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "torch.export.load", "timm.create_model",
    "pipeline", "transformers.pipeline", "dill.load", "dill.loads",
}  # fmt: skip
OTHER_STARTS = ("os.posix_spawn", "os.exec", "os.spawn", "pty.", "asyncio.create_subprocess")  # with the same input
INPUTS = {  # of a process whose input is meant to be another one than none
    ("core/cli/shell/commands.py", "os.execv"),  # `app` becomes Streamlit, with the terminal that it was started at
    ("core/runs/tracking/follower.py", "os.execve"),  # itself anew: what it had, which is none
    ("core/runs/tracking/end_command.py", "subprocess.Popen"),  # the operator's command gets the notice
    ("core/engine/process.py", "subprocess.Popen"),  # its requests, where no descriptor can be passed on
}
LAST_NAMES = STARTS | {name.split(".")[1] for name in ELSE}


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def name_of(call: ast.Call) -> str:
    """The last part of the name that is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def guessing_of(tree: ast.AST) -> list[str]:
    """Each way in which transformers or timm may be told by a file what to run, in words."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    wrong = [f"{name} lets a file choose the class" for name in sorted(names) if name.startswith("Auto")]
    for call in calls(tree):
        name = name_of(call)
        told = {keyword.arg: keyword.value for keyword in call.keywords}
        if ast.unparse(call.func) in CODE_OF_FILES or "allow_pickle" in told:
            wrong.append(f"line {call.lineno}: {ast.unparse(call.func)} may run what a file holds")
        trust = told.get("trust_remote_code")
        if name == "from_pretrained" and not (isinstance(trust, ast.Constant) and trust.value is False):
            wrong.append(f"line {call.lineno}: from_pretrained without trust_remote_code=False")
        if trust is not None and not (isinstance(trust, ast.Constant) and trust.value is False):
            wrong.append(f"line {call.lineno}: trust_remote_code is not the word False")
        if (
            name == "load"
            and ast.unparse(call.func) == "torch.load"
            and ast.unparse(told.get("weights_only", call)) != "True"
        ):
            wrong.append(f"line {call.lineno}: torch.load without weights_only=True")
    return wrong


def open_inputs_of(tree: ast.AST) -> list[str]:
    """Each start of a process that does not say what its standard input is, in words."""
    wrong = []
    for call in calls(tree):
        name = ast.unparse(call.func)
        if name.startswith(OTHER_STARTS):
            wrong.append(f"line {call.lineno}: {name}")
        if name_of(call) not in LAST_NAMES:
            continue
        told = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name in ELSE:
            wrong.append(f"line {call.lineno}: {name}")
        if name.removeprefix("subprocess.") in STARTS and name != "run" and told.get("stdin") != "subprocess.DEVNULL":
            wrong.append(f"line {call.lineno}: {name} without stdin=subprocess.DEVNULL")
    return wrong


def test_no_file_chooses_what_is_run_and_no_child_can_be_written_to():
    trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in OURS}
    wrong = {name: guessing_of(tree) for name, tree in trees.items()}
    inputs = {(name, one.split()[2]): one for name, tree in trees.items() for one in open_inputs_of(tree)}
    assert {name: sentences for name, sentences in wrong.items() if sentences} == {}
    assert inputs.keys() == INPUTS, inputs


def test_the_code_is_read_at_all():
    text = "".join(path.read_text() for path in OURS)
    assert len(OURS) > 150 and "from_pretrained(" in text and "subprocess.Popen(" in text and "torch.load(" in text


@pytest.mark.parametrize(
    "code",
    [
        "AutoConfig.from_pretrained(x, trust_remote_code=False)", "from transformers import AutoModel",
        "family.model_class.from_pretrained(source)", "f(trust_remote_code=trusted)", "f(trust_remote_code=True)",
        "torch.load(path)", "torch.load(path, weights_only=False)", "subprocess.Popen(command)", "os.system('ls')",
        "pickle.load(file)", "np.load(path, allow_pickle=True)", "torch.jit.load(path)",
        "transformers.pipeline('x', model=folder)", "os.posix_spawn(path, a, b)", "pty.spawn(x)", "os.execvp(path, a)",
        "subprocess.run(command, stdin=None)",
        "subprocess.Popen(command, stdin=subprocess.PIPE)", "os.popen('ls')",
    ],
)  # fmt: skip
def test_the_rule_sees_what_it_forbids(code):
    tree = ast.parse(code)
    assert len(guessing_of(tree) + open_inputs_of(tree)) >= 1

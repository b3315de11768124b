"""What keeps the house readable: no file, function or folder too long, no empty names, docstrings with a verb."""

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_FILES = 300, 60, 16
OURS = ("core", "ui", "pages")
# a docstring that begins so is a noun phrase, not what the function does
NOT_VERBS = {
    "The", "A", "An", "What", "How", "Whether", "Which", "One", "For", "Of", "Where", "All", "Every", "Each", "From",
    "As", "By", "Both", "At", "In", "Its", "On", "Why", "Those", "Without", "Any", "It", "This", "These", "That",
    "Their", "If", "When", "With", "Under", "Until", "Beside", "Also", "Only", "Like", "No", "Not",
}  # fmt: skip
SAYS_NOTHING = {"found", "what", "own", "there", "said", "stuff", "things"}


def tracked(*suffixes: str) -> list[Path]:
    """The files of the project with these endings."""
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [ROOT / name for name in names if name.endswith(suffixes) and (ROOT / name).exists()]


SOURCES = tracked(".py", ".js", ".css")
LIBRARY = [path for path in SOURCES if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in OURS]
PYTHON = [path for path in SOURCES if path.suffix == ".py"]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_there_is_a_house():
    assert len(LIBRARY) > 150 and len(SOURCES) > 350


def test_no_file_is_too_long():
    lengths = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_function_is_too_long():
    long = [
        f"{path.relative_to(ROOT)}: {function.name}"
        for path in PYTHON
        for function in functions(path)
        if function.end_lineno - function.lineno >= MOST_LINES_OF_A_FUNCTION
    ]
    assert long == []


def test_no_folder_holds_too_many_files():
    folders = [path.parent for path in tracked("") if path.relative_to(ROOT).parts[0] in OURS]
    assert {folder for folder in folders if folders.count(folder) > MOST_FILES} == set()


@pytest.mark.parametrize("top", OURS)
def test_packages_load_nothing_by_themselves(top):
    """An `__init__.py` says what its package is; code there would load torch into a page that wants a neighbour."""
    inits = [path for path in (ROOT / top).rglob("__init__.py") if path.parent != ROOT / "core"]
    assert inits or top == "pages"
    for path in inits:
        body = tree_of(path).body
        assert not body or (len(body) == 1 and ast.get_docstring(tree_of(path))), path


def test_docstrings_begin_with_a_verb():
    """Ruff (D401) refuses "Returns"; a noun phrase it lets pass."""
    nouns = [
        f"{path.relative_to(ROOT)}: {function.name}: {text.splitlines()[0]}"
        for path in LIBRARY
        for function in functions(path)
        if not is_property(function) and (text := ast.get_docstring(function))
        and (text.split()[0].strip(",.:;") in NOT_VERBS or not text[0].isupper())
    ]  # fmt: skip
    assert nouns == []


def test_variables_say_what_they_hold():
    """Fields may be called so, as in `recall.found`: their class says what of."""
    empty = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in LIBRARY
        for function in functions(path)
        for node in ast.walk(function)
        if (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in SAYS_NOTHING)
        or (isinstance(node, ast.arg) and node.arg in SAYS_NOTHING)
    ]
    assert empty == []

"""The one rule of the house, held by reading the imports: who may import whom, and who stays light."""

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {
    "torch",
    "torchvision",
    "transformers",
    "timm",
    "accelerate",
    "fiftyone",
    "tensorboard",
    "onnx",
    "onnxscript",
    "onnxruntime",
}
NOT_IN_CORE = {"streamlit", "ui", "pages", "app"}
NO_ROOM = {"utils", "util", "helpers", "helper", "common", "constants", "misc"}


def module_name(path: Path) -> str:
    """The dotted name of a file; of an `__init__.py` that of its package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {
    module_name(path): path for folder in ("core", "ui", "pages") for path in sorted((ROOT / folder).rglob("*.py"))
} | {"app": ROOT / "app.py"}
CORE = [path for name, path in MODULES.items() if name.split(".")[0] == "core"]
FRONT = [path for name, path in MODULES.items() if name.split(".")[0] in ("ui", "pages", "app")]
PACKAGES = sorted({path.parent for path in MODULES.values()} - {ROOT})


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def imports(path: Path, at_load_only: bool = False) -> frozenset[str]:
    """The dotted names that a file imports; with `at_load_only`, without those inside functions and TYPE_CHECKING."""
    names = set()

    def visit(node):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            is_body = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            is_typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            if not (at_load_only and (is_body or is_typing)):
                visit(child)

    visit(ast.parse(path.read_text()))
    return frozenset(names)


def module_of(name: str) -> str | None:
    """The file of this project that a dotted name stands in: `core.boxes.iou` is in `core.boxes`."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def order(package: str) -> list[str]:
    """The order of the rooms as the package's docstring tells it to the reader."""
    text = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))
    return re.findall(r"\w+", re.search(r"in this order:(.*?)\.(\s|$)", text, re.DOTALL)[1])


def room_of(name: str, package: str) -> str | None:
    """The room of a package in which a module stands: the file or folder directly inside it."""
    inside = name.removeprefix(f"{package}.")
    return inside.split(".")[0] if inside != name else None


def imports_that_run_back(package: str) -> list[str]:
    """Each import of a room below the importer's own, in words."""
    rooms, back = order(package), []
    for name, path in MODULES.items():
        room = room_of(name, package)
        for used in sorted(filter(None, map(module_of, imports(path)))) if room else ():
            other = room_of(used, package)
            if other and rooms.index(other) > rooms.index(room):
                back.append(f"{name} imports {used}, and {other} stands below {room}")
    return back


def circle_in(folder: Path) -> list[str]:
    """The rooms of a folder that import each other in a circle; empty where there is none."""
    package = ".".join(folder.relative_to(ROOT).parts)
    graph: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        room = room_of(name, package)
        used = {room_of(module, package) for module in map(module_of, imports(path)) if module} - {None, room}
        if room:
            graph.setdefault(room, set()).update(used)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@cache
def loads(name: str) -> frozenset[str]:
    """The heavy packages that importing a module of this project loads, through whatever it imports."""
    queue, seen, heavy = [name], set(), set()
    while queue:
        module = queue.pop()
        if module in seen:
            continue
        seen.add(module)
        if "." in module:
            queue.append(module.rpartition(".")[0])  # its package's __init__ is run as well
        if module not in MODULES:  # a folder without __init__
            continue
        for imported in imports(MODULES[module], at_load_only=True):
            heavy |= {imported.split(".")[0]} & HEAVY
            queue += filter(None, [module_of(imported)])
    return frozenset(heavy)


def test_every_room_has_its_place_in_the_order():
    rooms = {room_of(name, "core") for name in MODULES} - {None}
    assert sorted(order("core")) == sorted(rooms)


def test_a_room_imports_only_rooms_above_it():
    assert imports_that_run_back("core") == []


def test_no_rooms_import_each_other_in_a_circle():
    circles = {relative(folder): circle_in(folder) for folder in PACKAGES}
    assert len(circles) > 40 and {folder: circle for folder, circle in circles.items() if circle} == {}


def packages_in(path: Path, packages: set[str]) -> set[str]:
    """Which of these packages a file imports, at load or later."""
    return {name.split(".")[0] for name in imports(path)} & packages


def test_the_library_knows_nothing_of_its_pages():
    wrong = {relative(path): packages_in(path, NOT_IN_CORE) for path in CORE}
    assert len(wrong) > 150 and {path: names for path, names in wrong.items() if names} == {}


def test_a_page_loads_nothing_heavy():
    heavy = {relative(path): loads(module_name(path)) for path in FRONT}
    assert len(heavy) > 60 and {path: names for path, names in heavy.items() if names} == {}


def test_what_pages_share_knows_nothing_of_the_pages():
    shared = [path for path in FRONT if path.is_relative_to(ROOT / "ui")]
    assert shared and [relative(path) for path in shared if packages_in(path, {"pages"})] == []


def test_there_is_no_drawer_for_odds_and_ends():
    assert not {path.stem for path in MODULES.values()} & NO_ROOM
    assert not {folder.name for folder in PACKAGES} & NO_ROOM


def test_imports_are_read_as_they_are_written(tmp_path):
    path = tmp_path / "example.py"
    path.write_text(
        "import os, torch.nn\nfrom core import labels\nfrom core.boxes import iou\n"
        "if TYPE_CHECKING:\n    import timm\ndef f():\n    import fiftyone\nclass C:\n    import accelerate\n"
    )
    top = {"os", "torch.nn", "core.labels", "core.boxes.iou", "accelerate"}
    assert imports(path, at_load_only=True) == top
    assert imports(path) == top | {"timm", "fiftyone"}


@pytest.fixture
def house(tmp_path, monkeypatch):
    """Builds a small house of other files: `house({"core/a.py": "import torch", …})`."""

    def build(files: dict[str, str]) -> None:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
        monkeypatch.setattr(f"{__name__}.MODULES", {module_name(p): p for p in sorted(tmp_path.rglob("*.py"))})
        loads.cache_clear()

    yield build
    loads.cache_clear()


def test_an_import_that_runs_back_is_found_however_deep_it_stands(house):
    house({
        "core/__init__.py": '"""In this order: in this order: above, below."""',
        "core/above/deep/er.py": "def f():\n    from core.below.there import x",
        "core/below/there.py": "from core.above.deep.er import f",
    })  # fmt: skip
    assert imports_that_run_back("core") == [
        "core.above.deep.er imports core.below.there, and below stands below above"
    ]


def test_a_circle_is_found_between_files_and_between_folders(house):
    house({"core/p/a.py": "import core.p.b", "core/p/b.py": "import core.p.q.c", "core/p/q/c.py": "import core.p.a"})
    assert sorted(set(circle_in(ROOT / "core/p"))) == ["a", "b", "q"]
    assert circle_in(ROOT / "core/p/q") == []


def test_what_a_file_loads_is_followed_through_other_files_and_their_packages(house):
    house({
        "core/light.py": "def f():\n    import torch",
        "core/q/__init__.py": "import core.far",
        "core/q/light.py": "import os",
        "core/far.py": "from torch import nn",
        "ui/one.py": "from core.q.light import x",
        "ui/two.py": "import core.light",
    })  # fmt: skip
    assert loads("ui.one") == {"torch"} and not loads("ui.two")

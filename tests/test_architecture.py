"""The one rule of the house, held by reading the imports: who may import whom, and who stays light."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "torchvision", "transformers", "timm", "accelerate", "fiftyone", "tensorboard"}
HEAVY_ROOMS = {  # these compute with torch; every other room is imported by a page
    "data", "padding", "layers", "model", "losses", "detect", "ranks", "device", "step", "checkpoint", "preflight",
    "profiler", "train", "why", "loaded", "predict", "answers",
}  # fmt: skip
NOT_IN_CORE = {"streamlit", "ui", "pages", "app"}
NO_ROOM = {"utils", "util", "helpers", "helper", "common", "constants", "misc"}


def rooms(package: str) -> list[str]:
    """The files of a package, and its packages, by name."""
    found = [p for p in (ROOT / package).iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()]
    return sorted(p.stem for p in found if p.stem != "__init__")


PACKAGES = ("core", "core/street")
ROOMS = [(package, room) for package in PACKAGES for room in rooms(package)]
FILES = sorted((ROOT / "core").rglob("*.py"))
FRONT = sorted(path for folder in ("ui", "pages") for path in (ROOT / folder).glob("*.py")) + [ROOT / "app.py"]


def order(package: str) -> list[str]:
    """The order of the rooms as the package's docstring tells it to the reader."""
    text = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))
    return re.findall(r"\w+", re.search(r"in this order:(.*?)\.(\s|$)", text, re.DOTALL)[1])


def files(package: str, room: str) -> list[Path]:
    """The room's one file, or all files of a room that is a package."""
    path = ROOT / package / f"{room}.py"
    return [path] if path.exists() else sorted((ROOT / package / room).rglob("*.py"))


def imports(path: Path, at_load_only: bool = False) -> set[str]:
    """The dotted names that a file imports; with `at_load_only`, without those inside functions and TYPE_CHECKING."""
    found = set()

    def visit(node):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            is_body = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            is_typing = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
            if not (at_load_only and (is_body or is_typing)):
                visit(child)

    visit(ast.parse(path.read_text()))
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_every_room_has_its_place_in_the_order(package):
    assert sorted(order(package)) == rooms(package)


@pytest.mark.parametrize(("package", "room"), ROOMS)
def test_a_room_imports_only_rooms_above_it(package, room):
    prefix, all_rooms = package.replace("/", ".") + ".", order(package)
    above = all_rooms[: all_rooms.index(room)]
    names = {name for path in files(package, room) for name in imports(path) if name.startswith(prefix)}
    used = {name.removeprefix(prefix).split(".")[0] for name in names} & set(all_rooms)
    assert used - {room} <= set(above), f"{package}/{room} imports {sorted(used - set(above))}, which stand below it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_knows_nothing_of_its_pages(path):
    assert not {name.split(".")[0] for name in imports(path)} & NOT_IN_CORE


@pytest.mark.parametrize("path", [p for p in FILES if p.stem not in HEAVY_ROOMS], ids=lambda p: p.stem)
def test_a_light_room_loads_nothing_heavy(path):
    loaded = imports(path, at_load_only=True)
    assert not {name.split(".")[0] for name in loaded} & HEAVY
    assert not {name for name in loaded if name.startswith("core.") and name.split(".")[1] in HEAVY_ROOMS}


@pytest.mark.parametrize("path", FRONT, ids=lambda p: p.name)
def test_a_page_loads_nothing_heavy(path):
    loaded = imports(path, at_load_only=True)
    assert not {name.split(".")[0] for name in loaded} & HEAVY
    assert not {name for name in loaded if name.startswith("core.") and name.split(".")[1] in HEAVY_ROOMS}


def test_what_pages_share_knows_nothing_of_the_pages():
    for path in (ROOT / "ui").glob("*.py"):
        assert not {name for name in imports(path) if name.split(".")[0] == "pages"}, path.name


def test_there_is_no_drawer_for_odds_and_ends():
    own = [p for folder in ("core", "ui", "pages") for p in (ROOT / folder).rglob("*.py")]
    assert not {path.stem for path in own} & NO_ROOM


def test_imports_are_read_as_they_are_written(tmp_path):
    path = tmp_path / "example.py"
    path.write_text(
        "import os, torch.nn\nfrom core import runs\nfrom core.boxes import iou\n"
        "if TYPE_CHECKING:\n    import timm\ndef f():\n    import fiftyone\nclass C:\n    import accelerate\n"
    )
    top = {"os", "torch.nn", "core.runs", "core.boxes.iou", "accelerate"}
    assert imports(path, at_load_only=True) == top
    assert imports(path) == top | {"timm", "fiftyone"}

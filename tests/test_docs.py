"""What the documents say of the code: the map of the house, the places that they name, where links lead."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from bench import families

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#[^)]*)?\)")
PLACE = re.compile(r"\[(?P<file>[\w/.]+)\]\((?P<link>[^)]+)\):\s(?P<names>`\w+`(?:, `\w+`)*)")


def load_map_maker():
    spec = importlib.util.spec_from_file_location("make_map", ROOT / "docs/make_map.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def definitions(path: Path) -> set[str]:
    """The names that a Python or JavaScript file defines, those inside classes as well."""
    text = path.read_text()
    if path.suffix == ".js":
        return set(re.findall(r"(?:function|class|const|let)\s+(\w+)", text))
    tree = ast.parse(text)
    names = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    targets = [t for node in ast.walk(tree) if isinstance(node, ast.Assign) for t in node.targets]
    targets += [node.target for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
    targets += [one for target in targets if isinstance(target, ast.Tuple) for one in target.elts]
    return names | {target.id for target in targets if isinstance(target, ast.Name)}


def test_the_map_is_that_of_the_code():
    text = (ROOT / "docs/architecture.md").read_text()
    assert load_map_maker().house_map().strip() in text, "run python docs/make_map.py"


def test_links_lead_somewhere():
    links = [(path, link) for path in PAGES for link in LINK.findall(path.read_text()) if link and "://" not in link]
    assert len(links) > 100
    assert [f"{path.name}: {link}" for path, link in links if not (path.parent / link).exists()] == []


def test_the_table_of_models_is_that_of_the_list():
    text = families.PAGE.read_text()
    assert families.table(families.measured_cells(text)) in text, "run python -m bench.families --table"


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_the_places_that_are_named_are_there(page):
    """A place is written as [file](link): `name`, `another`."""
    places = list(PLACE.finditer((ROOT / page).read_text()))
    assert len(places) > 5
    for place in places:
        path = ((ROOT / page).parent / place["link"]).resolve()
        for name in re.findall(r"[\w.]+", place["names"]):
            assert name.split(".")[-1] in definitions(path), f"{place['file']} has no {name}"

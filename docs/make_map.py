"""The map of the house in architecture.md, made from the code: `python docs/make_map.py` writes it anew.

Every package and file of `core/`, `ui/` and `pages/`, in the order in which the packages may import each other, with
the first sentence of its docstring. A test holds that the map in the file is the one of the code.
"""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/architecture.md"
BEGIN, END = "<!-- map: begin -->", "<!-- map: end -->"


def first_sentence(path: Path) -> str:
    """Return the first sentence of a file's docstring, without its full stop."""
    if path.suffix in (".js", ".css"):
        head = path.read_text(encoding="utf-8").lstrip()
        comment = re.match(r"(?://[^\n]*\n)+|/\*.*?\*/", head, re.DOTALL)
        text = re.sub(r"^\s*(?:///?|/\*+|\*/|\*)|\*/\s*$", "", comment[0] if comment else "", flags=re.MULTILINE)
    else:
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    sentence = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<!\bal)\.(?=\s+[^a-z]|$)", sentence)[0].rstrip(":")


def core_order() -> list[str]:
    """Return the packages and files of `core/` in the order in which they may import each other."""
    text = ast.get_docstring(ast.parse((ROOT / "core/__init__.py").read_text(encoding="utf-8"))) or ""
    return re.findall(r"\w+", re.search(r"in this order:(.*?)\.(\s|$)", text, re.DOTALL)[1])


def files(folder: Path) -> list[Path]:
    """Return the files of a folder that have something to say, by name, Python first."""
    paths = [path for path in folder.iterdir() if path.suffix in (".py", ".js") and path.name != "__init__.py"]
    return sorted(paths, key=lambda path: (path.suffix != ".py", path.name))


def folders(top: Path) -> list[Path]:
    """Return a folder and those inside it that hold files, those of `core/` in its order."""
    inside = [path for path in top.iterdir() if path.is_dir() and files(path)]
    order = core_order() if top == ROOT / "core" else []
    inside.sort(key=lambda path: (order.index(path.name) if path.name in order else 0, path.name))
    return [top, *(path for folder in inside for path in folders(folder))]


def house_map() -> str:
    """Return the map as Markdown."""
    lines = []
    for top in ("core", "ui", "pages"):
        for folder in folders(ROOT / top):
            name = folder.relative_to(ROOT).as_posix()
            about = first_sentence(folder / "__init__.py") if (folder / "__init__.py").exists() else ""
            lines += [f"### {name}/", "", *([f"{about}.", ""] if about else [])]
            for path in files(folder):
                lines.append(f"- [{path.name}](../{path.relative_to(ROOT).as_posix()}): {first_sentence(path)}")
            lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write the map into architecture.md, between its two marks."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n\n{house_map()}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()

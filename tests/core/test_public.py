"""What `core` promises to scripts: the names, where they are, that they stay light and are explained."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import core

ROOT = Path(core.__file__).parents[1]
NAMES = [
    "CocoSplit", "ConfigError", "DataError", "Evaluated", "LabError", "MODEL_FORMATS", "ModelCache", "ModelError",
    "ModelOptions", "PRESETS", "PROJECT", "RunError", "RunStore", "StepDone", "TrainConfig", "coco_figures",
    "draw_analysis", "draw_dataset", "explain", "follow", "image_rows", "impact", "new_run", "read_split", "read_table",
    "saved_model", "train", "worst_pictures", "write_model",
]  # fmt: skip


def test_these_names_are_promised():
    """A name that leaves this list breaks somebody's script: say so in CHANGELOG.md."""
    assert sorted(core.__all__) == NAMES
    assert set(NAMES) <= set(dir(core))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_there_and_says_what_it_is(name):
    value = getattr(core, name)
    assert isinstance(value, dict | Path) or value.__doc__
    if name in core.PUBLIC and hasattr(value, "__module__") and not isinstance(value, dict):
        assert value.__module__ == core.PUBLIC[name]


def test_editors_know_the_same_names():
    tree = ast.parse(Path(core.__file__).read_text(encoding="utf-8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n.test))
    typed = {alias.asname: node.module for node in block.body for alias in node.names}
    assert typed == core.PUBLIC


def test_an_unknown_name_is_none():
    with pytest.raises(AttributeError, match="no attribute 'training_charts'"):
        core.training_charts  # noqa: B018


def test_importing_core_and_its_settings_loads_no_torch():
    code = "import core, sys; core.TrainConfig(); core.RunStore; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_the_page_explains_each_name():
    rows = re.findall(r"^\| (`.*?) \|(.*)\|$", (ROOT / "docs/python.md").read_text(encoding="utf-8"), re.MULTILINE)
    explained = {name for names, text in rows for name in re.findall(r"`(\w+)`", names)}
    explained |= {name for names, text in rows if "LabError" in names for name in re.findall(r"`(\w+Error)`", text)}
    assert explained == set(NAMES)

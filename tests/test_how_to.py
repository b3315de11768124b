"""docs/how-to/: every command of the command line in it runs, page by page, on drawn scenes in place of pictures.

Each page is followed from top to bottom in a folder of its own, which has a data set, photographs, another detector's
results and an evaluated run. What takes minutes is shortened by options at the end (`SHORTER`); what needs a network,
or machines that are not here, is only parsed (`NOT_HERE`). The commands of all other documents are parsed.
"""

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.cli.main import main, make_parser
from core.datasets.demo import draw_dataset
from core.datasets.split import read_split
from core.runs.corrections.mend import Mender
from core.runs.store import RunStore

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs/how-to").glob("*.md"))
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "checkpoints").glob("*/README.md")])
BLOCK = re.compile(r"^( *)```\w*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TINY = (
    "--shortest-edge",
    "72",
    "--longest-edge",
    "96",
    "--workers",
    "0",
    "--threads",
    "1",
    "--epochs",
    "1",
    "--anyway",
)
SHORTER = {
    "train": (*TINY, "--minutes", "0"),
    "demo": ("--train", "8", "--val", "4"),
    "export": ("--pictures", "1"),
}
NOT_HERE = re.compile(r"download |facebook/detr|srun|--processes|--as onnx|folds|learning-curve")
# tests/core/cli/ and tests/core/datasets/coco2017/ run the last four, and the download from a server of their own


@dataclass(frozen=True)
class Line:
    """A command in a document."""

    page: Path
    text: str

    @property
    def words(self) -> list[str]:
        words = shlex.split(self.text.split("python -m core ", 1)[1], comments=True)
        return words[: words.index(">")] if ">" in words else words

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.text}"


def lines_of(page: Path) -> list[Line]:
    """The commands `python -m core …` of a page's blocks, lines that are continued joined."""
    found = []
    for _, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            found += [Line(page, line.strip())] if re.match(r" *(srun )?python -m core ", line) else []
    return found


ALL = [line for page in DOCUMENTS for line in lines_of(page)]


def test_there_are_commands_to_be_held():
    assert len(ALL) > 70 and sum(line.page in PAGES for line in ALL) > 30


@pytest.mark.parametrize("line", ALL, ids=str)
def test_every_command_of_the_documents_is_one(line):
    make_parser().parse_args(line.words)


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """A folder as its user has it, made once: data/mine, photos/, instances_val.json, results.json and val/."""
    root = tmp_path_factory.mktemp("how_to")
    for _ in draw_dataset(root / "data/mine", look="dusk", train=24, val=8, size=96):
        pass
    shutil.copytree(root / "data/mine", root / "data/street")
    shutil.copytree(root / "data/mine/val", root / "val")
    shutil.copytree(root / "data/mine/val", root / "photos")
    truth = json.loads((root / "data/mine/annotations/instances_val.json").read_text())
    (root / "instances_val.json").write_text(json.dumps(truth))
    results = [{k: a[k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.9} for a in truth["annotations"]]
    (root / "results.json").write_text(json.dumps(results))
    return root


@pytest.fixture(scope="module")
def trained(material):
    """The same with a run, trained and evaluated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETR_LAB_ROOT", str(material))
        patch.chdir(material)
        assert main(["train", "--data", "data/mine", "--model", str(ROOT / "checkpoints/starter"), *TINY]) == 0
    return material


@pytest.mark.ci
@pytest.mark.parametrize("page", [page for page in PAGES if lines_of(page)], ids=lambda page: page.stem)
def test_a_page_can_be_followed(page, trained, tmp_path, monkeypatch, capfd):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("DETR_LAB_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints").mkdir(exist_ok=True)
    for starter in ("starter", "starter-multi-scale"):
        (tmp_path / "checkpoints" / starter).symlink_to(ROOT / "checkpoints" / starter)
    for line in lines_of(page):
        if NOT_HERE.search(line.text):
            continue
        if "--corrected" in line.words:
            correct_labels(tmp_path)
        status = main([*line.words, *SHORTER.get(line.words[0], ())])
        err = capfd.readouterr().err
        assert status == 0, f"{line}\n{err}"


def correct_labels(root: Path) -> None:
    """What a user does in the app before a revision is saved: delete a label, of the run's data and of the folder."""
    store = RunStore(root)
    for data in {store.runs()[-1].config["data"], str(root / "data/mine")}:
        split = read_split(data, "val")
        first = split.annotations[0]
        Mender(store, split).delete(first["image_id"], first["id"])

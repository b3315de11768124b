"""--json of every command, on a run that is really trained: what is printed on stdout is JSON, and nothing else."""

import json
import shutil

import pytest

from core import PROJECT
from core.cli.main import COMMANDS, main
from core.config import TrainConfig
from core.datasets.demo import draw_dataset
from core.datasets.split import read_split
from core.runs.corrections.mend import Mender
from core.runs.store import RunStore
from tests.core.cli.running import TINY, run

ELSEWHERE = {  # wait for Ctrl-C, or for a network: their own tests hold them
    "download", "fiftyone", "tensorboard",
}  # fmt: skip
TINY = (*TINY[2:], "--threads", "1", "--anyway", "--model", str(PROJECT / "checkpoints/starter"))
EXPERIMENT = ("--queue", "--data", "{data}", *TINY)
COMMAND_LINES = {  # in this order; {queued} is a run that waits
    "demo": ("--out", "{root}/data/new", "--train", "1", "--val", "1"),
    "convert": ("{yolo}", "--out", "{root}/data/converted"),
    "check": ("{data}",),
    "revise": ("--data", "{data}"),
    "models": (),
    "preview": ("--data", "{data}", "--out", "{root}/p.png", "--model", "random"),
    "runs": (),
    "metrics": ("{run}",),
    "doctor": ("{run}",),
    "config": ("{run}",),
    "rename": ("{run}", "two"),
    "notes": ("{run}", "a\nb"),
    "tag": ("{run}", "paper"),
    "evaluate": ("{run}",),
    "analyze": ("{run}", "--images", "1"),
    "slices": ("{run}",),
    "table": ("{run}", "--out", "{root}/boxes.csv"),
    "export": ("{run}", "--as", "coco", "--out", "{root}/errors.zip"),
    "predict": ("best", "{data}/val", "--out", "{root}/predictions"),
    "import": ("--gt", "{data}/annotations/instances_val.json", "--dt", "{root}/results.json"),
    "track": ("{run}", "--status"),
    "stop": ("{queued}",),
    "resume": ("{queued}",),
    "train": ("--data", "{data}", *TINY),
    "sweep": ("lr=1e-5,2e-5", *EXPERIMENT),
    "folds": ("--folds", "2", *EXPERIMENT),
    "learning-curve": EXPERIMENT,
    "experiments": (),
    "experiment": ("last",),
    "delete": ("{run}",),
    "restore": ("{run}",),
    "bin": (),
}


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    """A folder with a data set in two layouts, results of another detector, a trained run and one that waits."""
    root = tmp_path_factory.mktemp("json")
    data = root / "data/mine"
    for _ in draw_dataset(data, train=24, val=8, size=96):
        pass
    split = read_split(data, "val")
    keys = ("image_id", "category_id", "bbox")
    results = [{key: one[key] for key in keys} | {"score": 0.9} for one in split.annotations]
    (root / "results.json").write_text(json.dumps(results))
    yolo = root / "yolo"
    for part in ("train", "val"):
        shutil.copytree(data / part, yolo / "images" / part)
        (yolo / "labels" / part).mkdir(parents=True)
        for picture in (yolo / "images" / part).iterdir():
            (yolo / "labels" / part / f"{picture.stem}.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (yolo / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [thing]\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DETR_LAB_ROOT", str(root))
        assert main(["train", "--data", str(data), *TINY]) == 0
    store = RunStore(root)
    (trained,) = store.runs()
    Mender(store, split).delete(split.annotations[0]["image_id"], split.annotations[0]["id"])
    queued = store.create(TrainConfig.from_dict(trained.config).to_dict(), "waits")
    return {"root": root, "data": data, "yolo": yolo, "run": trained.id, "queued": queued.id}


def test_no_command_is_left_out():
    assert {command.name for command in COMMANDS if command.json} == {*COMMAND_LINES, *ELSEWHERE}


@pytest.mark.ci
@pytest.mark.parametrize("name", COMMAND_LINES)
def test_stdout_is_json_alone(name, values, capsys, monkeypatch):
    monkeypatch.setenv("DETR_LAB_ROOT", str(values["root"]))
    arguments = [text.format(**values) for text in COMMAND_LINES[name]]
    status, out, err = run(capsys, name, *arguments, "--json")
    assert status == 0, err
    assert out and all(json.loads(line) is not None for line in out.splitlines())

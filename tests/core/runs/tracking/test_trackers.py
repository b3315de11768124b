"""W&B, MLflow, Trackio and ClearML as they are: a run is sent to each, and read back by its own reader.

They are no packages of the project: DETR_LAB_TRACKERS names a Python that has them and the project's (`.ci/run`).
"""

import json
import math
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from core.runs.store import RunStore
from tests.made_runs import make_run

PYTHON = os.environ.get("DETR_LAB_TRACKERS", "")
ROOT = Path(__file__).resolve().parents[4]
READERS = {
    "wandb": """
import glob, json, subprocess, sys
rows = []
for path in sorted(glob.glob(f"{folder}/wandb/wandb/offline-run-*/*.wandb")):
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", path]
    out = subprocess.run(command, capture_output=True, text=True)
    records = [json.loads(line) for line in out.stdout.splitlines()]
    rows += [r["history"]["item"] for r in records if r["type"] == "history"]
    summary = {k: v for r in records if r["type"] == "summary" for k, v in r["summary"]["update"].items()}
    (config,) = [r["run"]["config"]["update"] for r in records if r["type"] == "run"]
metrics = [(tag, row["step"], value) for row in rows for tag, value in row.items() if tag[:4] in ("trai", "val/")]
pictures = sum(row.get("pictures.count", 0) for row in rows)
print(json.dumps([metrics, config, summary, pictures]))
""",
    "mlflow": """
import json
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=f"sqlite:///{root}/runs/mlflow/mlflow.db")
(run,) = client.search_runs([client.get_experiment_by_name("detr-lab").experiment_id])
names = [name for name in run.data.metrics if name.startswith(("train/", "val/"))]
metrics = [(name, m.step, m.value) for name in names for m in client.get_metric_history(run.info.run_id, name)]
pictures = len(client.list_artifacts(run.info.run_id, "pictures/epoch_0002"))
print(json.dumps([metrics, run.data.params, {**run.data.metrics, **run.data.tags, "s": run.info.status}, pictures]))
""",
    "trackio": """
import json, os
os.environ["TRACKIO_DIR"] = f"{root}/runs/trackio"
from trackio.sqlite_storage import SQLiteStorage
(name,) = SQLiteStorage.get_runs("detr-lab")
logs = SQLiteStorage.get_logs("detr-lab", name)
metrics = [(tag, log["step"], value) for log in logs for tag, value in log.items() if tag[:4] in ("trai", "val/")]
pictures = sum(tag.startswith("pictures") for log in logs for tag in log)
print(json.dumps([metrics, SQLiteStorage.get_run_config("detr-lab", name), logs[-1], pictures], default=str))
""",
    "clearml": """
import glob, json
(session,) = glob.glob(f"{folder}/clearml/offline/*/")
task = json.load(open(session + "task.json"))
events = [event for line in open(session + "metrics.jsonl") for event in json.loads(line)]
assert {event["task"] for event in events} == {task["id"]}
tags = [(e["variant"] if e["variant"] == e["metric"] else e["metric"] + "/" + e["variant"], e) for e in events]
metrics = [(tag, e["iter"], e["value"]) for tag, e in tags if tag[:4] in ("trai", "val/")]
pictures = len(glob.glob(session + "data/**/*.jpeg", recursive=True))
settings, words = [{k: v["value"] for k, v in task["hyperparams"][name].items()} for name in ("General", "properties")]
figures = {e["variant"]: e["value"] for e in events if e["metric"] == "Summary"}
print(json.dumps([metrics, settings, {**words, **figures}, pictures]))
""",
}
# ends the process once the first metrics are there and before the cursor says so, in the middle of two files
KILLED = """
import os
from pathlib import Path
from core.cli.main import main
from core.runs.tracking.clearml import ClearML
flush = ClearML.flush
def flush_and_die(tracker):
    flush(tracker)
    session = next(Path(folder).glob("clearml/offline/*/"))
    with (session / "metrics.jsonl").open("a") as file:
        file.write('[{"timestamp": 1')
    os.truncate(session / "task.json", 50)
    os.kill(os.getpid(), 9)
ClearML.flush = flush_and_die
main(["track", run, "--to", "clearml"])
"""


@pytest.mark.ci
@pytest.mark.skipif(
    not PYTHON, reason="DETR_LAB_TRACKERS names no Python with wandb, mlflow-skinny, trackio and clearml"
)
@pytest.mark.parametrize("key", READERS)
def test_a_run_comes_there_whole_and_once(tmp_path, street, key):
    store = RunStore(tmp_path)
    store.data_dir.mkdir()
    shutil.copytree(street, store.data_dir / "street")
    run = make_run(store)
    store.record(run.id, 20, {"val/AP/50 % <b>": 0.5, "train/nan": float("nan")})  # the tag of a class
    store.update(run.id, ended=time.time())
    names = f"root, folder, run = {str(tmp_path)!r}, {str(store.tracking_folder(run.id))!r}, {run.id!r}"
    program = (
        f"from core.cli.main import main\n{names}\nassert main(['track', run, '--to', '{key}']) == 0\n{READERS[key]}"
    )
    if key == "clearml":
        assert started(f"{names}\n{KILLED}", tmp_path).returncode == -9
    done = started(program, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "3 evaluations are there" in done.stdout
    metrics, settings, end, pictures = json.loads(done.stdout.splitlines()[-1])
    recorded = [(tag, step, value) for _, tag, step, value in store.metrics_after(run.id)[0]]
    recorded = [row for row in recorded if key != "clearml" or not math.isnan(row[2])]  # which it would show as 0
    known = {tag.replace("50 % <b>", "50 _25 _3cb_3e") if key == "mlflow" else tag for tag, _, _ in recorded}
    assert {tag for tag, _, _ in metrics} == known and len(metrics) == len(recorded)
    values = {(tag, step): value for tag, step, value in recorded}
    assert all(values[tag, step] == value for tag, step, value in metrics if (tag, step) in values and "nan" not in tag)
    assert pictures == 4
    assert str(run.config["lr"]) in {str(value) for value in (settings["lr"], float(settings["lr"]))}
    assert end["best/AP"] == run.best_ap
    assert str(store.checkpoint(run.id, "last")) in json.dumps(end)
    store.close()


def started(program, root):
    command = [PYTHON, "-c", program]
    return subprocess.run(command, cwd=ROOT, env=environment(root), capture_output=True, text=True, check=False)


def environment(root):
    """No account, no server, and nothing in the home folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WANDB", "MLFLOW", "TRACKIO", "CLEARML"))
    }
    return {**kept, "DETR_LAB_ROOT": str(root), "HOME": str(root / "home"), "NETRC": str(root / "netrc")}

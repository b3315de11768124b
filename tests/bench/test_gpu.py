"""The bench for a GPU: what it makes of a trace, of rows and of time; on a CPU the same code, in small."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from bench.gpu import __main__ as command
from bench.gpu.demo_runs import agreement
from bench.gpu.loops import plain_loop
from bench.gpu.memory import little_memory, survive
from bench.gpu.record import Deadline, Record
from bench.gpu.speed import measure_loop, settings
from bench.gpu.table import BEGIN, END, _families, markdown, write_docs
from bench.gpu.trace import RANGE, summarize
from bench.gpu.workbench import MIXED, ON_CPU, ON_GPU, ONE_SIZE, Setting, Workbench, detr_r50
from core import PROJECT
from core.labels import LabelMap

SPEED = {"loop": "ours", "precision": "bf16", "batch": 4, "sizes": MIXED}


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(replace(ON_CPU, crowded=8), tmp_path_factory.mktemp("bench") / "photographs")


def later(seconds=60.0):
    return Deadline(time.monotonic() + seconds)


def event(name, cat, ts, dur=1.0):
    return {"ph": "X", "name": name, "cat": cat, "ts": ts, "dur": dur}


def test_a_trace_gives_the_time_in_which_the_gpu_worked_and_the_waits_of_the_steps():
    trace = {"traceEvents": [
        {"ph": "M", "name": "process_name"},
        event(RANGE, "user_annotation", 100.0, 50.0),
        event(RANGE, "gpu_user_annotation", 90.0, 5.0),
        event("gemm", "kernel", 110.0, 10.0),
        event("gemm", "kernel", 115.0, 10.0),  # on another stream: both work until 125
        event("relu", "kernel", 112.0, 2.0),
        event("Memcpy DtoH (Device -> Pageable)", "gpu_memcpy", 130.0, 3.0),
        event("Memcpy HtoD (Pinned -> Device)", "gpu_memcpy", 140.0, 2.0),
        event("cudaStreamSynchronize", "cuda_runtime", 131.0),
        event("cudaEventSynchronize", "cuda_runtime", 141.0),
        event("cudaMemcpyAsync", "cuda_runtime", 130.0),
        event("cudaDeviceSynchronize", "cuda_runtime", 151.0),  # the profiler's, after the steps
    ]}  # fmt: skip
    summary = summarize(trace)
    assert summary.busy_seconds == pytest.approx(20e-6)
    assert (summary.synchronizations, summary.copies) == (2, 1)


def test_every_row_is_in_the_file_as_soon_as_it_is_there(tmp_path):
    record = Record(tmp_path / "out/gpu.json", {"machine": {}})

    def fail():
        raise RuntimeError("No | such luck.\nAnd more.")

    assert record.attempt("speed", SPEED, lambda: {"images_per_second": 2.0}, later())["images_per_second"] == 2
    assert record.attempt("speed", SPEED, fail, later())["failed"] == "RuntimeError: No | such luck."
    assert "not_measured" in record.attempt("speed", SPEED, fail, later(-1))
    assert json.loads((tmp_path / "out/gpu.json").read_text())["parts"]["speed"] == record.content["parts"]["speed"]


def test_time_is_shared_by_what_is_left():
    assert later(60).share(0.25).left == pytest.approx(15, abs=1)
    assert later(-1).share(0.5).is_over


def test_the_most_important_comes_first_and_nothing_is_left_out():
    rows = settings(type("Bench", (), {"scale": ON_GPU}))
    assert rows[:3] == [Setting("bf16", 4), Setting("tf32", 4), Setting("fp32", 4)]
    assert {(s.precision, s.batch, s.sizes) for s in rows} == {
        (p, b, sizes) for p in ("fp32", "tf32", "bf16") for b in (4, 8, 16) for sizes in (MIXED, ONE_SIZE)
    }


def test_the_table_shows_ratios_and_why_a_figure_is_missing(tmp_path):
    content = {
        "date": "2026-01-01",
        "machine": {"card": "NVIDIA X1", "memory_gb": 80, "driver": "600.1", "cores": 16, "torch": "2", "cuda": "13",
                    "revision": "abc"},
        "settings": {"device": "cuda", "shortest_edge": 800, "longest_edge": 1333, "images": 1024, "readers": 12},
        "parts": {
            "speed": [
                {**SPEED, "images_per_second": 90.0, "waited": 0.02, "readers": 12, "steps": 20, "peak_bytes": 8e9},
                {**SPEED, "loop": "limit", "images_per_second": 100.0, "waited": 0.0, "steps": 20, "peak_bytes": 8e9},
                {**SPEED, "loop": "plain", "images_per_second": 45.0, "waited": 0.1, "steps": 20, "peak_bytes": 9e9},
                {**SPEED, "batch": 16, "failed": "CUDA | out of memory"},
                {**SPEED, "batch": 16, "loop": "limit", "not_measured": "no time was left"},
            ],
        },
        "failures": ["demo: the disk is full"],
    }  # fmt: skip
    text = markdown(content)
    assert text.endswith("\n\nFailed: demo: the disk is full")
    assert "NVIDIA X1" in text and "driver 600.1" in text and "in small" not in text
    lines = text.splitlines()
    assert "| bf16 | 4 | mixed | 90.0 | 45.0 | 100.0 | 2.00 | 0.90 | 2% / 12 | 8.0 / 9.0 |" in lines
    (missing,) = [line for line in lines if line.startswith("| bf16 | 16 |")]
    assert "failed: CUDA / out of memory" in missing and "not measured" in missing
    assert len({line.count("|") for line in lines if line.startswith("|")}) == 1
    docs = tmp_path / "measurements.md"
    docs.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_docs(text, docs)
    write_docs(text, docs)
    assert docs.read_text() == f"before\n{BEGIN}\n{text}\n{END}\nafter\n"
    docs.write_text("nothing")
    with pytest.raises(ValueError, match="no place"):
        write_docs(text, docs)


def test_the_table_marks_a_layout_whose_first_losses_differ():
    half = {"model": "Roboflow/rf-detr-nano", "precision": "bf16", "batch": 4, "images_per_second": 30.0,
            "peak_bytes": 3e9, "first_loss": 20.5}  # fmt: skip
    full = {**half, "precision": "fp32", "images_per_second": 20.0, "peak_bytes": 6e9, "first_loss": 20.0}
    broken = [{"model": "hustvl/yolos-tiny", "precision": p, "failed": "no | luck"} for p in ("bf16", "fp32")]
    lines = _families([half, full, *broken]).splitlines()
    assert lines[-2] == "| RF-DETR | rf-detr-nano | 384 × 384 | 30.0 | 20.0 | 3.0 / 6.0 | 20.500 / 20.000 |"
    assert lines[-1].endswith(" | failed: no / luck | failed: no / luck | – / – | – / – |")
    assert "**22.500 / 20.000**" in _families([{**half, "first_loss": 22.5}, full])
    assert _families([]) == ""


def test_the_docs_have_a_place_for_the_table(tmp_path):
    docs = tmp_path / "measurements.md"
    docs.write_text((PROJECT / "docs/measurements.md").read_text())
    write_docs("the table", docs)
    assert "the table" in docs.read_text()


@pytest.mark.parametrize("fp32, agree", [((0.57, 0.58, 0.59), True), ((0.47, 0.48, 0.49), False)])
def test_precisions_agree_if_they_differ_by_no_more_than_seeds_do(fp32, agree):
    """Runs that were cut off are compared after the epochs that all have made."""
    rows = [{"precision": "bf16", "AP": [0.3, ap, 0.9]} for ap in (0.575, 0.58, 0.6)]
    rows += [{"precision": "fp32", "AP": [0.3, ap]} for ap in fp32]
    compared = agreement([*rows, {"precision": "fp32", "not_measured": "no time was left"}])
    assert compared["epochs"] == 1 and compared["agree"] is agree
    assert agreement(rows[:4]) is None


def test_without_a_gpu_it_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="There is no NVIDIA GPU"):
        command.main(["--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_the_model_is_the_released_one_without_its_weights():
    label_map = LabelMap.from_categories([{"id": 1, "name": "person"}, {"id": 3, "name": "car"}], None, "The data set")
    with torch.random.fork_rng(devices=[]):
        model = detr_r50(label_map, 0.0)
    norms = {type(m).__name__ for n, m in model.model.backbone.named_modules() if n.split(".")[-1].startswith("bn")}
    assert norms == {"DetrFrozenBatchNorm2d"}
    assert 41e6 < sum(p.numel() for p in model.parameters()) < 42e6 and model.config.auxiliary_loss
    assert model.class_labels_classifier.out_features == 3


def test_a_batch_that_does_not_fit_goes_through_in_parts_with_the_same_losses(bench):
    row = survive(bench, 8)
    assert row["survived"] and row["images"] == 8 and row["images_per_pass"] == 2
    assert row["loss"] > 0 and "cut into parts of 2" in row["remark"]


def test_memory_is_little_for_the_parts_alone(monkeypatch):
    fractions = []
    card = type("Card", (), {"total_memory": 1000})
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", lambda share, device: fractions.append(share))
    with pytest.raises(RuntimeError, match="no"), little_memory(torch.device("cuda"), None, 50):
        raise RuntimeError("no")
    assert fractions == [0.15, 1.0]


def test_the_plain_loop_learns_what_ours_does_and_no_more(bench):
    learning = [p.shape for p in bench.plain_model().parameters() if p.requires_grad]
    ours = bench.stepper(Setting("fp32", 2)).parameters
    assert sorted(learning) == sorted(p.shape for p in ours)
    row = measure_loop(bench, plain_loop(bench, Setting("bf16", 2)), 0.0, later())
    assert row["images_per_second"] > 0 and row["steps"] == 1


@pytest.mark.ci
def test_every_part_runs_in_small_on_a_cpu(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "bench.gpu", "--cpu", "--minutes", "20", "--out", str(tmp_path)],
        cwd=PROJECT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    parts = json.loads((tmp_path / "gpu.json").read_text())["parts"]
    assert list(parts) == list(command.PARTS)
    rows = [(part, row) for part, some in parts.items() for row in some]
    assert [one for one in rows if "failed" in one[1] or "not_measured" in one[1]] == []
    assert {row["loop"] for row in parts["speed"]} == {"ours", "limit", "plain"} and len(parts["speed"]) == 15
    assert all(len(row["AP"]) == 2 and row["seconds"] > 0 for row in parts["demo"])
    assert (tmp_path / "gpu.md").read_text().strip() in done.stdout

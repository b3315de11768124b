"""What a step waits for a GPU for: the costs of matching, and its figures; transformers' own code asks for more."""

import traceback

import pytest
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from core.config import TrainConfig
from core.datasets.split import read_split
from core.detr.input.batch import Batch
from core.detr.input.dataset import DetectionDataset
from core.detr.input.loader import step_loader
from core.detr.small import small_detr
from core.training import step as module
from core.training.distributed import ProcessGroup
from core.training.step import Stepper

ENCODER_LAYERS = 2  # of the small DETR


def stepper(label_map, device: str, **settings) -> Stepper:
    config = TrainConfig(model="random", lr=1e-3, device=device, precision="fp32", **settings)
    model = small_detr(label_map).to(device).to(memory_format=torch.channels_last).train()
    return Stepper(model, config, 10, torch.device(device), ProcessGroup())


@pytest.fixture(params=[(96, 128), (72, 96)], ids=["not padded", "padded"])
def material(street, request):
    split = read_split(street, "train")
    data = DetectionDataset(split, split.label_map(), *request.param)
    return data.label_map, list(step_loader(data, 4, 1, 0, pin_memory=torch.cuda.is_available()))


def asked_by_transformers(batches: list[Batch]) -> int:
    """Each layer of its encoder asks in training whether its states are finite; both attentions for padding."""
    return sum(ENCODER_LAYERS + 2 * batch["padded"] for batch in batches)


class Asked(TorchDispatchMode):
    """Notes who asks for a number of a tensor, which a GPU would have to have computed."""

    def __init__(self) -> None:
        super().__init__()
        self.files: list[str] = []

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        if operation is torch.ops.aten._local_scalar_dense.default:
            frames = [frame.filename for frame in traceback.extract_stack()]
            self.files.append([name for name in frames if "/torch/" not in name and name != __file__][-1])
        return operation(*arguments, **(options or {}))


@pytest.mark.parametrize("settings", [{}, {"ema": 0.9}, {"accumulate": 2}, {"clip": 0.0}])
def test_nothing_but_transformers_own_code_asks_for_a_number_in_the_midst_of_a_step(material, settings):
    label_map, steps = material
    run = stepper(label_map, "cpu", **settings)
    run.step(0, steps[0])
    batches: list[Batch] = [batch for step in steps[: settings.get("accumulate", 1)] for batch in step]
    with Asked() as asked:
        run.step(1, batches)
    assert all("/transformers/" in name for name in asked.files), asked.files
    assert len(asked.files) == asked_by_transformers(batches)


def test_the_count_would_notice_a_question(material, monkeypatch):
    """Else the test above would hold nothing."""
    label_map, steps = material
    run, real = stepper(label_map, "cpu"), module.total
    monkeypatch.setattr(module, "total", lambda *arguments: real(*arguments) * bool(real(*arguments) > 0))
    with Asked() as asked:
        run.step(0, steps[0])
    assert any(name.endswith("core/training/step.py") for name in asked.files)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_gpu_is_waited_for_once_for_costs_and_once_for_figures(material):
    from bench.gpu.trace import SYNCHRONIZING

    label_map, steps = material
    run = stepper(label_map, "cuda", ema=0.9)
    for number in range(2):
        run.step(number, steps[number])
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as recorded:
        run.step(2, steps[2])
    waits = [event for event in recorded.events() if event.name in SYNCHRONIZING]
    assert len(waits) <= 2 + asked_by_transformers(steps[2]) + 1  # and the profiler's own at its end

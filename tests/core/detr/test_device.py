"""The device a training computes on."""

import pytest
import torch

from core import ConfigError
from core.config import TrainConfig
from core.detr import device as device_module
from core.detr.device import (
    PRECISIONS,
    available_device,
    choose_device,
    choose_precision,
    float32_products,
    gpu_metrics,
    seeded,
)  # fmt: skip


def test_auto_is_always_there():
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match="cuda is not available"):
        choose_device("cuda")


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ConfigError, match="has 2 GPUs"):
        choose_device("cuda", 2)


def test_a_cpu_has_no_gpu_figures():
    assert gpu_metrics(torch.device("cpu"), ask_driver=True) == {}


def test_the_precisions_are_those_of_a_trainings_settings():
    assert TrainConfig.__dataclass_fields__["precision"].metadata["choices"] == ("auto", *PRECISIONS)


@pytest.mark.parametrize(
    ("device", "has_bf16", "expected"),
    [("cpu", True, "fp32"), ("mps", True, "fp32"), ("cuda", True, "bf16"), ("cuda", False, "tf32")],
)
def test_auto_is_the_fastest_that_a_device_computes_with(monkeypatch, device, has_bf16, expected):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)
    assert choose_precision("auto", torch.device(device)) == expected
    assert choose_precision("fp16", torch.device(device)) == "fp16"


@pytest.mark.parametrize(("precision", "products"), [("fp32", "ieee"), ("tf32", "tf32"), ("bf16", "tf32")])
def test_float32_is_multiplied_as_asked_for_and_afterwards_as_before(precision, products):
    backends = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = [backend.fp32_precision for backend in backends]
    with float32_products(precision):
        assert [backend.fp32_precision for backend in backends] == [products, products]
    assert [backend.fp32_precision for backend in backends] == before


@pytest.fixture
def apple(monkeypatch):
    """A machine that says it has an Apple GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    device_module._apple_gpu_trains.cache_clear()
    yield
    device_module._apple_gpu_trains.cache_clear()


def test_an_apple_gpu_on_which_a_step_can_be_made_is_taken(apple, monkeypatch):
    tried = []
    monkeypatch.setattr(device_module, "_step", tried.append)
    assert [available_device("auto"), available_device("auto"), available_device("mps")] == ["mps"] * 3
    assert tried == [torch.device("mps")]  # once


def test_the_cpu_is_taken_for_an_apple_gpu_that_cannot_train_and_a_sentence_says_so(apple, logged, monkeypatch):
    def lacks(device):
        raise NotImplementedError("The operator 'aten::grid_sampler_2d_backward' is not implemented.\nSet …")

    monkeypatch.setattr(device_module, "_step", lacks)
    assert available_device("auto") == available_device("auto") == "cpu"
    [message] = logged
    reason = "The operator 'aten::grid_sampler_2d_backward' is not implemented."
    assert message == f"The Apple GPU cannot train ({reason}): the CPU is used."
    assert available_device("mps") == "mps"  # who asks for it gets it


def test_what_an_apple_gpu_is_tried_with_is_a_step_and_takes_no_random_numbers():
    before = torch.get_rng_state()
    device_module._step(torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_random_numbers_of_an_apple_gpu_follow_and_go_on_as_before(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: "state")
    monkeypatch.setattr(torch.mps, "manual_seed", lambda seed: calls.append(("seed", seed)))
    monkeypatch.setattr(torch.mps, "set_rng_state", lambda state: calls.append(("back", state)))
    for numbers in ((1, 2), (1, 2), (1, 3)):
        with seeded(*numbers, device=torch.device("mps")):
            calls.append("within")
    seeds = [call[1] for call in calls[::3]]
    assert seeds[0] == seeds[1] != seeds[2] and calls[1:3] == ["within", ("back", "state")]

"""The device a training computes on."""

import pytest
import torch

from core import ConfigError
from core.config import TrainConfig
from core.detr.device import PRECISIONS, choose_device, choose_precision, float32_products, gpu_metrics


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

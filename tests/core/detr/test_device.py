"""The device a training computes on."""

import pytest
import torch

from core import ConfigError
from core.detr.device import choose_device, gpu_metrics


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

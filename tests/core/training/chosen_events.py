"""What tests look at in the events of a training."""

from core.training.events import Evaluated, StepDone


def losses(progress) -> dict[int, dict]:
    """Step to its metrics, but the speed and what it waited for."""
    return {
        p.step: {k: v for k, v in p.metrics.items() if k not in ("train/images_per_second", "train/wait")}
        for p in progress
        if isinstance(p, StepDone)
    }


def evaluations(progress) -> list[Evaluated]:
    return [p for p in progress if isinstance(p, Evaluated)]

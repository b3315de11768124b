"""What one model made of the same images with different inputs: the evaluations that *What if* sets side by side.

In: the run store, and an evaluation's settings. Out: a `Tried` for each run that evaluated the same model on the same
images, the newest of each input.
"""

from __future__ import annotations

from core import ConfigError
from core.charts.compare.inputs import Tried
from core.inference.evaluation.config import EvaluationConfig
from core.runs.schema import Run
from core.runs.store import RunStore

SHARES = (0.6, 0.8, 4 / 3)  # of the size that a model was trained with: of 800, 480, 640 and 1066
AS_TRAINED = "as it was trained"
USUAL_SIZE = 800  # pixels, where it is not known


def suggested_inputs(size: int | None = None) -> list[str]:
    """Return inputs worth trying, as `read_input` takes them, for a model that was trained with this size.

    >>> suggested_inputs(800)
    ['0', '480', '640', '1066', '2x2', '3x3']
    """
    return ["0", *(str(int((size or USUAL_SIZE) * share)) for share in SHARES), "2x2", "3x3"]


def tried_inputs(store: RunStore, config: EvaluationConfig) -> dict[str, tuple[Run, Tried]]:
    """Return by its words each input with which the same model was evaluated on the same images."""
    tried: dict[str, tuple[Run, Tried]] = {}
    for run, other in evaluation_runs(store):
        words = other.input_words or AS_TRAINED
        if words not in tried and other.same_images(config) and (evaluations := store.evaluations(run.id)):
            rate = run.images_per_second
            tried[words] = run, Tried(words, evaluations[0].figures, 1000 / rate if rate else None)
    return tried


def evaluation_runs(store: RunStore) -> list[tuple[Run, EvaluationConfig]]:
    """Return every evaluation of its own with its settings, the newest first."""
    runs = []
    for run in store.runs():
        if run.is_evaluation and not run.is_damaged:
            try:
                runs.append((run, EvaluationConfig.from_dict(run.config["evaluation"])))
            except ConfigError:  # of another version
                continue
    return runs

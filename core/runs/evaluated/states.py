"""The decoder states of an evaluated model, or why there are none, in a sentence that also says what to do."""

from __future__ import annotations

from core import RunError
from core.evaluation.alike.states import KeptStates, read_states
from core.runs.evaluated.images import onnx_file_of
from core.runs.schema import Evaluation, Run


def states_of(run: Run, evaluation: Evaluation) -> KeptStates:
    """Read the states that are kept beside an evaluation's detection table; raises RunError that says why not."""
    states = read_states(evaluation.table) if evaluation.table else None
    if states is None or not len(states):
        raise RunError(f"Which boxes are alike is not known: {_why_none(run, states is not None)}")
    return states


def _why_none(run: Run, is_empty: bool) -> str:
    if is_empty:
        return "the model found nothing that a state is kept of."
    if onnx_file_of(run) is not None:
        return (
            "an ONNX file gives boxes alone, and not the decoder's states; evaluate the checkpoint that it was made of."
        )
    if run.is_imported and not run.is_evaluation:
        return (
            "these are another tool's results, which have no decoder states; evaluate the model itself, if it is here."
        )
    if run.is_evaluation and run.config["evaluation"].get("tiles", 1) > 1:
        return "of tiles no states are kept, because their boxes are merged; evaluate the model on whole images."
    return "no decoder states were kept when this model was evaluated; evaluate it again: Results, Evaluate a model."

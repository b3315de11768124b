"""What the tests of watched images share: a run as a training records it, without training."""

from core.boxes import Detections
from core.config import TrainConfig
from core.datasets.split import read_split
from core.evaluation.coco_eval import evaluate
from core.runs.recorder import Recorder
from core.runs.schema import Status
from core.training.events import Evaluated, StepDone
from tests.made_runs import half_right

STEPS = 10  # an epoch
AP_LATER = 3  # epochs from which no box is shifted any more


def found_at(split, label_map, epoch: int) -> Detections:
    """What the model after that epoch finds: every other object, each epoch less to its right."""
    return half_right(split, label_map, shift=max(0, 2 * (AP_LATER - epoch)))


def record_run(store, data, epochs: int = 3, done: int | None = None):
    """A finished run of `epochs` epochs, or that many of them; val/loss_ce is 5 less the epoch, train/loss the step."""
    run = store.create(TrainConfig(data=str(data), epochs=epochs).to_dict())
    record_epochs(store, run.id, range((epochs if done is None else done) + 1), epochs)
    store.update(run.id, status=Status.FINISHED)
    return store.get(run.id)


def record_epochs(
    store, run_id: str, which, epochs: int, find=found_at, states_of=lambda found: None, with_pictures=False
) -> None:
    """The steps of these epochs and their evaluations, by the recorder; `find` gives what was found as `found_at`.

    states_of: gives the decoder states of what was found.
    with_pictures: the recorder is told where they lie.
    """
    split = read_split(store.get(run_id).config["data"], "val")
    label_map = split.label_map()
    common = {"epochs": epochs, "steps": STEPS * epochs}
    with Recorder(store, run_id) as recorder:
        for epoch in which:
            for step in range(STEPS * (epoch - 1) + 1, STEPS * epoch + 1) if epoch else ():
                recorder.write(StepDone(**common, epoch=epoch - 1, step=step, metrics={"train/loss": step}))
            found = find(split, label_map, epoch=epoch)
            figures = evaluate(split.to_dict(), found, label_map)
            recorder.write(
                Evaluated(
                    **common, epoch=epoch, step=STEPS * epoch, label_map=label_map,
                    metrics={"val/AP": figures.AP, "val/loss_ce": 5.0 - epoch}, figures=figures,
                    detections=found, ground_truth=split.to_dict(), is_best=0 < epoch <= AP_LATER,
                    states=states_of(found), picture_path=split.path_of if with_pictures else None,
                )
            )  # fmt: skip

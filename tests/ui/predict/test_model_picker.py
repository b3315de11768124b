"""Which models Predict offers."""

from core.config import STARTERS
from core.detr.pretrained import OFFERED
from core.inference.evaluation.config import EvaluationConfig
from core.inference.model_cache import ModelCache
from core.runs.evaluated.imports import import_results
from tests.core.coco_cases import gt_of, result
from tests.core.inference.evaluation.evaluations import evaluated_run
from tests.core.inference.onnx.tiny import tiny_onnx
from tests.own_folders import write_json
from ui.predict.model_picker import model_choices


def keep(store, run, name):
    folder = store.checkpoint(run.id, name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(b"weights")


def labels(store):
    return [choice.label for choice in model_choices(store).values()]


def test_without_a_run_the_starter_is_the_first_and_published_ones_follow(store):
    assert labels(store)[:2] == [*STARTERS.values()]
    assert set(OFFERED) <= set(labels(store))
    assert "random" not in model_choices(store)


def test_the_models_of_a_run_are_offered_once_each(store, run_maker):
    run = run_maker()
    for name in ("best", "last"):
        keep(store, run, name)
    found = model_choices(store)  # its best epoch is its last
    assert [key for key in found if key.startswith(run.id)] == [f"{run.id}/best", f"{run.id}/untouched"]
    store.update(run.id, epoch=3)
    assert [label.split()[0] for label in labels(store)[:3]] == ["Best", "Last", "Baseline"]
    assert all(found[key].run_id == run.id for key in found if key.startswith(run.id))


def test_a_run_without_a_checkpoint_or_that_was_imported_has_none(store, run_maker, tmp_path):
    run_maker(evaluated=False)
    write_json(tmp_path / "gt.json", gt_of((1, 1, (0, 0, 9, 9))))
    write_json(tmp_path / "dt.json", [result(1, 1, (0, 0, 9, 9))])
    import_results(store, tmp_path / "gt.json", tmp_path / "dt.json")
    assert labels(store)[0] == "Starter model (built in)"


def test_an_evaluated_onnx_file_can_be_asked_while_it_is_there(store, tmp_path):
    file = str(tiny_onnx(tmp_path / "model"))
    run = evaluated_run(store, EvaluationConfig((file,), str(tmp_path / "data/street")), "From elsewhere")
    (choice,) = [choice for choice in model_choices(store).values() if choice.run_id == run.id]
    assert choice.label.startswith("ONNX file of From elsewhere")
    loaded = ModelCache(store).get(choice.run_id, choice.model)
    assert loaded.model.description.names == loaded.label_map.names
    (tmp_path / "model/model.onnx").unlink()
    assert run.id not in {choice.run_id for choice in model_choices(store).values()}


def test_new_weights_are_another_model(store, run_maker):
    run = run_maker()
    keep(store, run, "best")
    before = model_choices(store)[f"{run.id}/best"]
    (store.checkpoint(run.id, "best") / "model.safetensors").write_bytes(b"other weights")
    after = model_choices(store)[f"{run.id}/best"]
    assert before.key != after.key and before.label == after.label

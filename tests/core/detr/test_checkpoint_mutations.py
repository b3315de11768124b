"""A checkpoint's folder that was changed, anywhere: it opens, or is one sentence, within seconds and little memory.

`python -m tests.core.detr.checkpoint_mutations 10000` tries many more.
"""

import json
import os
import shutil
from collections import Counter

import pytest
import torch

from core import LabError, ModelError
from core.detr.model import load_model
from core.detr.model_folder import read_config, read_label_map
from core.detr.pretrained import find_model, known_classes
from core.detr.processor import read_picture_settings
from core.inference.model_cache import load_published
from tests.core.detr.checkpoint_mutations import KINDS, failures, mutations, read_everything, resume, whole
from tests.core.detr.released import TEN
from tests.suite import IN_CI


def changed(tmp_path, kind="detr", **fields):
    """A checkpoint's folder with other fields in its config.json."""
    folder = shutil.copytree(whole(kind), tmp_path / "changed")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **fields}))
    return folder


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_changed_opens(kind):
    assert read_everything(whole(kind)) == [] == read_everything(whole(kind), "trainer.pt")


def test_whatever_is_changed_opens_or_is_one_sentence():
    outcomes, count = Counter(), 80 if IN_CI else 20
    assert failures(mutations(seed=7, count=count), outcomes) == []
    refused = sum(times for outcome, times in outcomes.items() if outcome.endswith("refused"))
    assert outcomes.total() == count and count / 2 < refused < count


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"decoder_layers": 200_000}, "config.json: decoder_layers, expected `int` <= 64"),
        ({"decoder_layers": 64}, "describes .* weights, but model.safetensors holds"),
        ({"d_model": 16_384}, "describes .* weights, but model.safetensors holds"),
        ({"decoder_layers": 2}, "model.safetensors holds, unlike config.json, .* and 25 others"),
        ({"num_queries": 11}, "has other sizes than config.json for model.query_position_embeddings.weight"),
        ({"encoder_attention_heads": 3}, "cannot be read"),
        ({"activation_function": "x" * 10_000}, "activation_function"),
        ({"position_embedding_type": "spiral"}, "position_embedding_type, invalid enum value 'spiral'"),
        ({"id2label": {"0": "a", "2": "b"}}, "id2label does not name the rows 0 to 1"),
        ({"id2label": {"0": "\x1b[31m"}}, "cannot be read"),
        ({"dropout": "NaN"}, "dropout, expected `float`"),
        ({"backbone_config": {"model_type": "resnet", "depths": [64] * 9}}, "depths"),
        ({"backbone_config": {"model_type": "timm_backbone", "backbone": "no_such_model"}}, "no_such_model"),
    ],
)
def test_a_config_that_does_not_go_with_its_weights_is_one_sentence(fields, reason, tmp_path):
    folder = changed(tmp_path, **fields)
    with pytest.raises(ModelError, match=reason) as error:
        load_model(str(folder), TEN)
    assert "copy its folder again" not in str(error.value) and len(str(error.value)) <= 300  # it would be the same


def test_the_settings_of_deformable_detr_have_limits_too(tmp_path):
    for number, fields in enumerate(({"num_feature_levels": 100}, {"encoder_n_points": 10**9}, {"two_stage": True})):
        with pytest.raises(ModelError, match="cannot be read"):
            load_model(str(changed(tmp_path / str(number), "deformable_detr", **fields)), TEN)


def test_weights_that_are_random_or_of_another_type_are_refused(tmp_path):
    folder = changed(tmp_path)
    (folder / "label_map.json").write_text(json.dumps({"names": ["person", "unicorn"], "category_ids": [1, 2]}))
    with pytest.raises(ModelError, match=r"label_map\.json names unicorn, which the model does not know"):
        load_published(str(folder))
    path = folder / "model.safetensors"
    length = int.from_bytes(path.read_bytes()[:8], "little")
    header = path.read_bytes()[8 : 8 + length]
    path.write_bytes(path.read_bytes()[:8] + header.replace(b'"F32"', b'"I32"', 1) + path.read_bytes()[8 + length :])
    with pytest.raises(ModelError, match="holds no floating-point numbers"):
        load_model(str(folder), TEN)


def test_only_regular_files_of_a_bounded_size_are_opened(tmp_path):
    for number, name in enumerate(("config.json", "label_map.json", "model.safetensors", "trainer.pt")):
        folder = changed(tmp_path / str(number))
        (folder / name).unlink()
        os.mkfifo(folder / name)
        read = resume if name == "trainer.pt" else lambda folder: load_published(str(folder))
        with pytest.raises(ModelError, match="cannot be read"):
            read(folder)
    folder = changed(tmp_path / "large")
    for name in ("config.json", "label_map.json", "preprocessor_config.json"):
        with (folder / name).open("wb") as file:
            file.truncate(5_000_000)
    os.truncate(folder / "model.safetensors", 3_000_000_000)
    for read in (read_config, read_label_map, read_picture_settings):
        with pytest.raises(ModelError, match="5,000,000 bytes, more than the 4,000,000"):
            read(folder)
    shutil.copy(whole("detr") / "config.json", folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="3,000,000,000 bytes, more than"):
        load_model(str(folder), TEN)


NO_HEIGHT = {"longest_edge": None, "max_height": 0, "max_width": 9, "height": 9}


@pytest.mark.parametrize(
    "edges", [{"shortest_edge": 0}, {"longest_edge": 10**9}, {"shortest_edge": 800}, NO_HEIGHT, "large"]
)
def test_edges_that_cannot_be_are_refused_and_others_forms_are_understood(edges, tmp_path):
    folder = changed(tmp_path)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"longest_edge": 256, **edges}
                                                                 if isinstance(edges, dict) else edges}))  # fmt: skip
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        load_published(str(folder))
    for size, expected in (({"size": 200, "max_size": 300}, (200, 300)), ({}, (800, 1333))):
        (folder / "preprocessor_config.json").write_text(json.dumps(size))
        loaded = load_published(str(folder))
        assert (loaded.shortest_edge, loaded.longest_edge) == expected


@pytest.mark.parametrize("spec", ["a" * 5000, "a\0b", "\ud800", "x/" * 3000, "../" * 90, "a\nb/\x1b[31mc"])
def test_a_name_that_nothing_can_have_is_one_sentence(spec, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for read in (find_model, known_classes, lambda spec: load_model(spec, TEN)):
        sentence = refusal(read, spec)
        assert len(sentence) <= 300 and sentence.isprintable()


def refusal(read, spec):
    try:
        read(spec)
    except LabError as error:
        return str(error)
    return ""


def state_of(folder):
    return torch.load(folder / "trainer.pt", weights_only=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.update(epoch=2), lambda state: state.update(step=7), lambda state: state.update(step=-1),
        lambda state: state.update(best_ap=float("nan")), lambda state: state.update(evaluated=2),
        lambda state: state.update(epoch=True), lambda state: state.pop("since_best"),
        lambda state: state.update(weights=None), lambda state: state["weights"].popitem(),
        lambda state: state["optimizer"]["param_groups"].pop(),
        lambda state: state["optimizer"]["state"][0].update(exp_avg=torch.zeros(1)),
        lambda state: state["optimizer"]["state"][0].update(exp_avg=torch.zeros(1).expand(10**12)),
        lambda state: state["optimizer"]["state"][0].update(step=torch.tensor(1e9)),
        lambda state: state["scaler"].update(scale=0.0), lambda state: state["scaler"].clear(),
    ],
)  # fmt: skip
def test_a_state_of_another_training_is_one_sentence(change, tmp_path):
    folder = changed(tmp_path)
    state = state_of(folder)
    change(state)
    torch.save(state, folder / "trainer.pt")
    with pytest.raises(ModelError, match=r"so it cannot be resumed: train again, starting from it\.$"):
        resume(folder)


def test_settings_in_a_state_are_not_taken(tmp_path, monkeypatch):
    """The run's are: a state that says others would make another training."""
    groups, folder = [], changed(tmp_path)
    monkeypatch.setattr(
        "tests.core.detr.checkpoint_mutations.update", lambda stepper: groups.append(stepper.optimizer.param_groups)
    )
    resume(folder)
    state = state_of(folder)
    for group in state["optimizer"]["param_groups"]:
        group.update(betas=(0.0, 0.0), weight_decay=99.0, maximize=True, eps=1.0)
    torch.save(state, folder / "trainer.pt")
    resume(folder)
    before, after = ([{k: v for k, v in group.items() if k != "params"} for group in one] for one in groups)
    assert before == after and before[0]["betas"] == (0.9, 0.999)


@pytest.mark.few(1)
@pytest.mark.parametrize(("kind", "published"), [("detr", 1), ("conditional_detr", 2), ("deformable_detr", 2)])
def test_a_run_goes_on_with_the_class_weight_that_it_began_with(kind, published, tmp_path, monkeypatch):
    """Versions that took 1 for every family did not save it."""
    folder, weights = changed(tmp_path, kind), []
    monkeypatch.setattr(
        "tests.core.detr.checkpoint_mutations.update", lambda stepper: weights.append(stepper.loss_config.class_weight)
    )
    resume(folder)
    state = state_of(folder)
    assert state.pop("class_weight") == published
    torch.save(state, folder / "trainer.pt")
    resume(folder)
    assert weights == [published, 1]

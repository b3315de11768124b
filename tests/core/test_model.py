"""DETR itself: head surgery, parameter groups, detections, and what cannot be loaded."""

import json

import numpy as np
import pytest
import torch
from transformers import DetrForObjectDetection, DetrImageProcessorPil
from transformers.models.detr.modeling_detr import DetrObjectDetectionOutput

from core import ModelError
from core.boxes import Detections
from core.coco import read_split
from core.config import TrainConfig
from core.data import Collator, DetectionDataset, loader
from core.labels import COCO_TEN, LabelMap
from core.model import detect, forward, load_model, parameter_groups, read_label_map, save_model, small_detr

CPU = torch.device("cpu")
TEN = LabelMap(tuple(COCO_TEN), tuple(COCO_TEN.values()))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A small DETR that was released with 91 labels, as facebook/detr-resnet-50 is: index = COCO category id."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "released"
    names = {i: "N/A" for i in range(91)} | {i: name for name, i in COCO_TEN.items()}
    many = LabelMap(tuple(f"{name} {i}" if name == "N/A" else name for i, name in names.items()), tuple(range(91)))
    save_model(small_detr(many), many, folder)
    return folder


@pytest.fixture
def batch(street):
    split = read_split(street, "val")
    return next(iter(loader(DetectionDataset(split, TEN, 72, 96), 4)))


def test_known_classes_are_copied_by_name_and_unknown_ones_begin_fresh(saved):
    labels = LabelMap(("dog", "scooter", "person"), (18, 200, 1))
    released = DetrForObjectDetection.from_pretrained(saved)
    model, head = load_model(str(saved), labels)
    assert (head.copied, head.fresh) == (("dog", "person"), ("scooter",))
    old, new = released.class_labels_classifier, model.class_labels_classifier
    assert new.weight.shape == (4, 128)
    for row, source in ((0, 18), (2, 1), (3, 91)):  # the last: "no object"
        assert torch.equal(new.weight[row], old.weight[source]) and new.bias[row] == old.bias[source]
    assert model.config.num_labels == 3 and model.config.id2label[1] == "scooter"
    assert model.config.auxiliary_loss


def test_copied_classes_keep_the_order_of_their_logits_for_every_query(saved, batch):
    released = DetrForObjectDetection.from_pretrained(saved).eval()
    model, _ = load_model(str(saved), TEN)
    with torch.no_grad():
        inputs = {key: batch[key] for key in ("pixel_values", "pixel_mask")}
        before, after = released(**inputs).logits, model.eval()(**inputs).logits
    columns = [COCO_TEN[name] for name in TEN.names] + [91]
    torch.testing.assert_close(after, before[..., columns])


def test_every_parameter_is_in_exactly_one_group():
    model = small_detr(TEN)
    groups = parameter_groups(model, TrainConfig(lr=1.0, lr_backbone=0.5, lr_head=0.25))
    ours = [id(p) for group in groups for p in group["params"]]
    assert sorted(ours) == sorted(id(p) for p in model.parameters())
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        expected = 0.5 if "backbone" in name else 0.25 if "classifier" in name or "predictor" in name else 1.0
        assert rate[id(parameter)] == expected, name
        assert (decay[id(parameter)] == 0) == (name.endswith("bias") or "norm" in name), name


def test_a_rate_of_zero_freezes_its_part():
    model = small_detr(TEN)
    groups = parameter_groups(model, TrainConfig(lr_backbone=0.0))
    assert {group["name"] for group in groups} == {"transformer", "head"}
    assert not any(p.requires_grad for n, p in model.named_parameters() if "backbone" in n)


def test_detections_are_those_of_transformers_own_post_processing(batch):
    torch.manual_seed(1)
    logits, boxes = torch.randn(4, 30, 11), torch.rand(4, 30, 4)

    class Fixed(torch.nn.Module):
        def forward(self, **_):
            zero = torch.tensor(0.0)
            losses = {"loss_ce": zero, "loss_bbox": zero, "loss_giou": zero}
            return DetrObjectDetectionOutput(loss=zero, loss_dict=losses, logits=logits, pred_boxes=boxes)

    found, _ = next(detect(Fixed(), [batch], CPU))
    sizes = [(height, width) for width, height in batch["size"]]
    output = DetrObjectDetectionOutput(logits=logits, pred_boxes=boxes)
    theirs = DetrImageProcessorPil().post_process_object_detection(output, threshold=-1.0, target_sizes=sizes)
    for image_id, expected in zip(batch["image_id"], theirs, strict=True):
        ours = found[found.image_id == image_id]
        np.testing.assert_allclose(ours.score, expected["scores"], atol=1e-6)
        np.testing.assert_array_equal(ours.label, expected["labels"])
        np.testing.assert_allclose(ours.boxes, expected["boxes"], atol=1e-3)


def test_a_batch_without_any_object_has_finite_losses(batch):
    for labels in batch["labels"]:
        labels["class_labels"], labels["boxes"] = labels["class_labels"][:0], labels["boxes"][:0]
    _, losses = forward(small_detr(TEN), batch, CPU)
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["loss_bbox"] == 0


def test_no_batches_give_no_detections():
    assert len(Detections.concat(found for found, _ in detect(small_detr(TEN), [], CPU))) == 0


def test_detecting_leaves_the_model_in_training(batch):
    model = small_detr(TEN).train()
    list(detect(model, [batch], CPU))
    assert model.training


def test_one_class_is_enough(street):
    split = read_split(street, "val")
    one = split.label_map(["person"])
    data = DetectionDataset(split, one, 72, 96)
    found, losses = next(detect(small_detr(one), [Collator()([data[0]])], CPU))
    assert set(found.label.tolist()) == {0} and np.isfinite(losses["loss"])


def test_a_saved_model_says_its_label_map(saved):
    assert read_label_map(saved).to_labels([18]).tolist() == [18]
    with pytest.raises(ModelError, match="holds no label_map.json"):
        read_label_map(saved.parent)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ModelError, match="no model in the folder"):
        load_model(str(tmp_path), TEN)


def test_a_damaged_model_is_named(saved, tmp_path):
    (tmp_path / "config.json").write_text((saved / "config.json").read_text())
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(str(tmp_path), TEN)
    (tmp_path / "model.safetensors").write_bytes((saved / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(str(tmp_path), TEN)


def test_another_kind_of_model_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelError, match="is a bert model, but only DETR"):
        load_model(str(tmp_path), TEN)


def test_pickled_weights_are_never_loaded(saved, tmp_path):
    (tmp_path / "config.json").write_text((saved / "config.json").read_text())
    torch.save(small_detr(TEN).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(str(tmp_path), TEN)


def test_without_a_network_the_sentence_names_where_a_copy_is_looked_for(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="checkpoints/facebook/detr-resnet-50x"):
        load_model("facebook/detr-resnet-50x", TEN)


def test_a_downloaded_copy_is_found_by_the_hubs_name(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "checkpoints" / "facebook").mkdir(parents=True)
    (tmp_path / "checkpoints" / "facebook" / "detr").symlink_to(saved)
    model, head = load_model("facebook/detr", TEN)
    assert head.fresh == ()

"""core/detr/pretrained.py: where a model is found, and which of the chosen classes it knows by name."""

import json
import subprocess
import sys

import pytest

from core import PROJECT, ModelError
from core.detr.pretrained import COCO_CLASSES, KNOWN_MODELS, class_rows, copied_and_fresh, find_model, known_classes


@pytest.fixture
def base(tmp_path, monkeypatch):
    """An empty folder to look from, and an empty cache of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


def checkpoint(folder, names):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "detr", "id2label": names}))
    return folder


def cached(base, name, names):
    """A model in the hub's cache as a download leaves it."""
    folder = base / "cache" / ("models--" + name.replace("/", "--"))
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text("0123abcd")
    return checkpoint(folder / "snapshots/0123abcd", names)


def test_an_empty_or_missing_folder_gives_one_sentence(base):
    (base / "empty").mkdir()
    for spec in ("empty", "/nowhere/at/all", "./model", "~/model", "a/b/c", "checkpoints/gone"):
        with pytest.raises(ModelError, match="There is no model in the folder"):
            find_model(spec, base)
        with pytest.raises(ModelError, match="There is no model in the folder"):
            known_classes(spec, base)


def test_a_folder_goes_before_a_downloaded_copy_and_that_before_the_hub(base):
    assert find_model("facebook/detr-resnet-50", base) == "facebook/detr-resnet-50"
    copy = checkpoint(base / "checkpoints/facebook/detr-resnet-50", {})
    assert find_model("facebook/detr-resnet-50", base) == str(copy)
    folder = checkpoint(base / "facebook/detr-resnet-50", {})
    assert find_model("facebook/detr-resnet-50", base) == str(folder)


def test_a_model_knows_its_classes_without_the_placeholders(base):
    names = {"0": "N/A", "2": "bicycle", "1": "person", "3": "LABEL_3", "4": "", "5": "n/a", "6": "label maker"}
    folder = checkpoint(base / "model", names)
    assert known_classes(str(folder)) == ("person", "bicycle", "label maker")
    assert known_classes("model", base) == ("person", "bicycle", "label maker")


def test_a_name_that_stands_twice_counts_once(base):
    assert class_rows({0: "N/A", 7: "car", 3: "car", 9: "dog"}) == {"car": 3, "dog": 9}


def test_what_is_not_downloaded_yet_is_unknown(base):
    for spec in (*KNOWN_MODELS, "someone/else", "no name at all", "-x-"):
        assert known_classes(spec, base) is None


def test_what_was_downloaded_is_read_from_the_cache(base):
    cached(base, "someone/detr", {"0": "N/A", "1": "scooter"})
    assert known_classes("someone/detr", base) == ("scooter",)


def test_an_untrained_model_knows_nothing(base):
    assert known_classes("random", base) == ()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"id2label": ["a"]}', '{"id2label": {"x": "a"}}'])
def test_a_damaged_config_gives_one_sentence(base, text):
    (checkpoint(base / "model", {}) / "config.json").write_text(text)
    with pytest.raises(ModelError, match="copy its folder again"):
        known_classes("model", base)


def test_a_config_that_names_no_class_knows_none(base):
    (checkpoint(base / "model", {}) / "config.json").write_text('{"model_type": "detr"}')
    assert known_classes("model", base) == ()


def test_the_starter_model_knows_the_ten_classes():
    assert len(known_classes("checkpoints/starter", PROJECT)) == 10


def test_chosen_classes_are_copied_by_name_or_start_fresh():
    assert copied_and_fresh(["car", "Scooter", "dog"], ["dog", "car", "scooter"]) == (("car", "dog"), ("Scooter",))
    assert copied_and_fresh([], ["dog"]) == ((), ())
    assert len(set(COCO_CLASSES)) == 80


def test_asking_loads_neither_torch_nor_transformers(base):
    code = (
        "import sys\nfrom core.detr.pretrained import known_classes\n"
        "known_classes('facebook/detr-resnet-50'), known_classes('checkpoints/starter')\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', 'timm'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


def test_a_model_of_another_kind_is_refused_before_the_training(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="is a bert model, but only these kinds can be used"):
        known_classes(str(tmp_path))

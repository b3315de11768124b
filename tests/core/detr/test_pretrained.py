"""core/detr/pretrained.py: where a model is found, and which of the chosen classes it knows by name."""

import json
import subprocess
import sys

import pytest

from core import PROJECT, ModelError
from core.detr.pretrained import (
    COCO_CLASSES,
    OFFERED,
    OTHER_NAMES,
    class_rows,
    copied_and_fresh,
    download_words,
    family_of,
    find_model,
    known_classes,
    models_here,
)


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


@pytest.mark.parametrize(
    "spec",
    ["empty", "/nowhere/at/all", "./model", "~/model", "a/b/c", "checkpoints/gone", "runs/best", "model", "best.pt",
     "C:\\models\\mine", "runs\\best", "no name at all", "-x-", "owner/", "/", "..", "owner/na me", "file.txt/x"],
)  # fmt: skip
def test_a_path_without_a_model_is_never_taken_for_a_name_on_the_hub(base, spec):
    for folder in ("empty", "runs", "checkpoints"):
        (base / folder).mkdir()
    (base / "file.txt").write_text("")
    for read in (find_model, known_classes):
        with pytest.raises(ModelError, match="There is no model in the folder") as error:
            read(spec, base)
        assert "hub did not" not in str(error.value)


def test_the_home_folder_is_found_by_its_sign(base, monkeypatch):
    monkeypatch.setenv("HOME", str(base))
    checkpoint(base / "models/mine", {"0": "scooter"})
    assert known_classes("~/models/mine", base / "elsewhere") == ("scooter",)


def test_a_name_of_the_hub_whose_owner_is_a_folder_here_is_taken_from_the_cache_only(base):
    (base / "someone").mkdir()
    (base / "facebook").mkdir()
    with pytest.raises(ModelError, match="no such folder"):
        find_model("someone/detr", base)
    cached(base, "someone/detr", {"0": "scooter"})
    assert find_model("someone/detr", base) == "someone/detr"
    assert find_model("facebook/detr-resnet-50", base) == "facebook/detr-resnet-50"


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
    for spec in (*OFFERED, "someone/else"):
        assert known_classes(spec, base) is None


def test_what_was_downloaded_is_read_from_the_cache(base):
    cached(base, "someone/detr", {"0": "N/A", "1": "scooter"})
    assert known_classes("someone/detr", base) == ("scooter",)


def test_cocos_classes_under_older_names_are_cocos(base):
    older = {COCO_CLASSES.index(name): other for other, name in OTHER_NAMES.items()}
    names = dict(enumerate(COCO_CLASSES)) | older
    assert class_rows(names) == dict(zip(COCO_CLASSES, range(80), strict=True))
    assert class_rows(dict(reversed(names.items()))) == class_rows(names)
    # of a model that knows other things, or fewer, a sofa is a sofa
    assert "sofa" in class_rows(names | {79: "hair brush"}) and "sofa" in class_rows({0: "sofa", 1: "person"})


def test_models_in_checkpoints_are_found_by_their_config(base):
    assert models_here(base) == []
    for folder in ("mine", "someone/detr", ".mine-1.partial", "a/b/c"):
        checkpoint(base / "checkpoints" / folder, {})
    (base / "checkpoints/empty").mkdir()
    (base / "checkpoints/file").write_text("")
    assert models_here(base) == ["checkpoints/mine", "checkpoints/someone/detr"]


def test_a_familys_name_is_read_where_the_model_lies(base):
    checkpoint(base / "checkpoints/mine", {})
    cached(base, "someone/detr", {"0": "car"})
    assert [family_of(spec, base) for spec in ("checkpoints/mine", "someone/detr", "someone/else")] == [
        "detr",
        "detr",
        None,
    ]


def test_what_is_downloaded_and_where_to_is_said(base, monkeypatch):
    monkeypatch.setenv("HOME", str(base))
    words = download_words("facebook/detr-resnet-50")
    assert "(166 MB)" in words and "to ~/cache;" in words
    assert "downloaded when" in download_words("someone/else")
    monkeypatch.setenv("HOME", str(base / "other"))
    assert f"to {base}/cache;" in download_words("someone/else")


def test_an_untrained_model_knows_nothing(base):
    assert known_classes("random", base) == ()


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("", "is empty: copy it again"), ("{", "correct it there, or copy it again"),
        ("[]", r"take config\.json as it was saved"),
        ('{"id2label": ["a"]}', r"take config\.json as it was saved"),
        ('{"model_type": "detr", "id2label": {"x": "a"}}', "name every row of the class output there, from 0 on"),
        ('{"model_type": "detr", "id2label": {"1": "a", "2": "b"}}', "name every row of the class output there"),
        ("<!DOCTYPE html><html>", "is a web page, not the file: download it again"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "only a pointer of Git LFS .* git lfs pull"),
    ],
)  # fmt: skip
def test_a_damaged_config_gives_one_sentence(base, text, advice):
    (checkpoint(base / "model", {}) / "config.json").write_text(text)
    with pytest.raises(ModelError, match=advice):
        known_classes("model", base)


GAPS = {12: "street sign", 26: "hat", 29: "shoe", 30: "eye glasses", 45: "plate", 66: "mirror", 68: "window",
        69: "desk", 71: "door", 83: "blender"}  # fmt: skip


@pytest.mark.parametrize("gaps", [GAPS, dict.fromkeys(GAPS, "N/A"), {row: f"LABEL_{row}" for row in GAPS}])
@pytest.mark.parametrize("zero", ["N/A", "background", "LABEL_0"])
def test_of_cocos_91_rows_the_ten_that_no_picture_trained_are_no_knowledge(gaps, zero):
    ids = [row for row in range(1, 91) if row not in GAPS]
    rows = class_rows({0: zero, **gaps, **dict(zip(ids, COCO_CLASSES, strict=True))})
    assert list(rows) == list(COCO_CLASSES) and list(rows.values()) == ids
    assert copied_and_fresh(["hat", "person"], rows) == (("person",), ("hat",))


def test_a_model_of_other_classes_keeps_a_hat():
    assert class_rows({0: "person", 1: "hat", 2: "door"}) == {"person": 0, "hat": 1, "door": 2}


@pytest.mark.parametrize(
    "name", ["N/A", "n/a", "NA", "", " ", "LABEL_7", "label_0", "background", "_background_", "__background__",
             "no-object", "no object", "None", "unused", "unused_3"]
)  # fmt: skip
def test_a_name_that_means_no_class_is_no_knowledge(name):
    assert class_rows({0: name, 1: "car"}) == {"car": 1}


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

"""Files that would take more time or memory than any label file should: each is refused in one sentence."""

import time
import tracemalloc

import pytest

from core import DataError
from core.datasets.convert.to_coco import convert
from tests.core.datasets.convert.folders import YAML, refused, text, voc, xml, yolo


def test_yaml_in_which_few_bytes_mean_gigabytes_is_refused(tmp_path):
    levels = ["a0: &a0 {x0: 1, y0: 2}"]
    for i in range(1, 12):
        merged = ", ".join([f"*a{i - 1}"] * 9)
        levels.append(f"a{i}: &a{i}\n  <<: [{merged}]")
    lists = ["b0: &b0 [x, y]"] + [f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]" for i in range(1, 12)]
    for number, bomb in enumerate((levels, lists)):
        folder = yolo(tmp_path / f"{number}", yaml=YAML + "\n".join(bomb) + "\n")
        begun = time.process_time()
        refused(folder, r"data\.yaml is not a YOLO description in YAML")
        assert time.process_time() - begun < 20


def test_a_description_or_a_line_that_is_far_too_long_is_refused(tmp_path):
    folder = yolo(tmp_path / "yaml", yaml=YAML + "#" * 300_000)
    refused(folder, r"data\.yaml is not a YOLO description in YAML .more than 0\.25 MB, too much for such a file")
    folder = yolo(tmp_path / "line", label="0" + " 0.5" * 300_000 + "\n")
    refused(
        folder,
        r"None of the labels in .* can be used: labels/train/train.txt, line 1: is far too long .*, and 1 more\.$",
    )


def test_a_folder_of_nothing_but_damage_is_not_read_to_its_end(tmp_path):
    folder = yolo(tmp_path / "mine", "x\n" * 90_000)
    text(folder / "labels/train/train.txt", "x\n" * 3_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(
            DataError, match=r"train\.txt: 3,000,000 lines, more than the 100,000 that are read, and 90,000 more"
        ):
            list(convert(folder, tmp_path / "out"))
        assert tracemalloc.get_traced_memory()[1] < 400_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("inside", ["<a>" * 500_000, "<object>" * 200_000, "&lol;" * 10])
def test_xml_that_is_nested_without_end_or_enormous_is_refused(tmp_path, inside):
    folder = voc(tmp_path / "mine", label=xml(more=inside))
    refused(folder, r"a\.xml: not valid XML|a\.xml: a DOCTYPE|a\.xml, object 1")
    deep = "<a>" * 300_000 + "</a>" * 300_000
    folder = voc(tmp_path / "deep", label=xml().replace("<size>", deep + "<size>"))
    assert list(convert(folder, tmp_path / "out"))[-1] == (1, 1)

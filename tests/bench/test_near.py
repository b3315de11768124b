"""The bench of near duplicates makes copies that are no longer the same file, and empty pictures that differ."""

import io

import pytest
from PIL import Image

from bench.near import WAYS, copy, draw_empty, groups_of, measure
from tests.core.datasets.check_cases import scene


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photograph.png"
    scene(0, (160, 120)).save(path)
    return path


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_is_another_file_that_is_found(photograph, way):
    made = photograph.with_name("copy.jpg")
    made.write_bytes(copy(photograph, way))
    with Image.open(io.BytesIO(made.read_bytes())) as image:
        assert ("half" in way or "cut" in way or "all" in way) == (image.size != (160, 120))
    assert groups_of([photograph, made]) == [[photograph, made]]


def test_what_is_found_is_printed_and_empty_pictures_are_no_duplicates(tmp_path, capsys):
    draw_empty(tmp_path, 6)
    paths = sorted(tmp_path.iterdir())
    assert len({path.read_bytes() for path in paths}) == 6
    measure("empty", paths)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("empty: 6 pictures, ") and lines[0].rstrip().endswith("without copies 0 groups")
    assert len(lines) == 1 + len(WAYS)

"""bench/families.py: the table of models keeps what was measured, and pictures have the size of each model."""

import pytest

from bench import families
from bench.families import measured_cells, picture_of, table
from core.detr.pretrained import OFFERED
from core.detr.sources.released import RELEASED


def test_what_was_measured_stays_when_the_table_is_written_anew():
    names = list(OFFERED)
    cells = {names[0]: ("1,234", "567 MB"), names[-1]: ("9", "80 MB")}
    page = f"text | with | bars\n\n{table(cells)}\n| other | table |\n|---|---|\n| a | b |\n"
    assert measured_cells(page) == cells and measured_cells(table({})) == {}
    assert table(measured_cells(page)) == table(cells)


def test_a_model_has_a_line_with_its_facts():
    line = next(row for row in table({}).splitlines() if "facebook/detr-resnet-50]" in row)
    assert line.split(" | ")[2:] == ["41.5 M", "Apache-2.0", "42.0", "800 to 1333", "–", "– |"]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("PekingU/rtdetr_v2_r18vd", (640, 640)), ("facebook/detr-resnet-50", (800, 1067)),
        ("microsoft/table-transformer-detection", (600, 800)), ("hustvl/yolos-tiny", (512, 683)),
    ],
)  # fmt: skip
def test_it_is_asked_about_a_picture_of_its_size(name, size):
    assert picture_of(RELEASED[name]) == size


def test_a_name_that_is_not_known_is_refused(capsys):
    assert families.main(["nobody/nothing"]) == 2
    assert "no model 'nobody/nothing'" in capsys.readouterr().err


@pytest.mark.ci  # two seconds of a core for a model of six million parameters, after torch is imported
def test_a_model_is_measured(monkeypatch):
    monkeypatch.setattr(families, "ROUNDS", 1)
    monkeypatch.setattr(families, "WARM", 0)
    result = families.measure("hustvl/yolos-tiny")
    assert result["ms"] > 1 and result["MB"] >= 0

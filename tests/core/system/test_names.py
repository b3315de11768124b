"""Every place that makes a file of a name gives those that some system takes for one two files."""

import unicodedata

import pytest

from core.datasets.names.name_index import NameIndex
from core.export.bundle import safe_names
from core.inference.predictions import safe_file_names
from core.runs.corrections.revision import _folder
from core.system.names import same_name

ALIKE = [
    ("a.jpg", "A.jpg"), ("a.jpg", "a.JPG"), ("Straße.jpg", "STRASSE.jpg"), ("ǆ.jpg", "Ǆ.jpg"), ("é.jpg", "e\u0301.jpg"),
    ("É.jpg", "e\u0301.jpg"), ("ά.jpg", "Ά.jpg"), ("ﬁ.jpg", "fi.jpg"), ("x/a.jpg", "y/A.jpg"), ("a?.jpg", "A*.jpg"),
    ("con.jpg", "CON.jpg"),
]  # fmt: skip
WRITERS = {
    "an export": lambda names: list(
        safe_names([{"id": n, "file_name": name} for n, name in enumerate(names)]).values()
    ),
    "an export of drawn pictures": lambda names: list(
        safe_names([{"id": n, "file_name": name} for n, name in enumerate(names)], ".png").values()
    ),
    "predictions": lambda names: safe_file_names(names, ".png"),
}
NO_FILES = {"con", "prn", "aux", "nul", "com1", "lpt9"}


@pytest.mark.parametrize("writer", WRITERS)
def test_names_that_some_system_takes_for_one_get_two_files(writer):
    names = [name for pair in ALIKE for name in pair]
    made = WRITERS[writer](names)
    assert len(made) == len(names) == len({same_name(name) for name in made})
    assert len({unicodedata.normalize("NFD", name).casefold() for name in made}) == len(names)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    "name", ["con.jpg", "Aux.tar.jpg", "nul", "a:b.jpg", "a.", "a .jpg", 'q"<>|*?.jpg', "C:\\x\\lpt9.png"]
)
def test_a_name_is_valid_on_windows(writer, name):
    [made] = WRITERS[writer]([name])
    assert not set(made) & set('<>:"/\\|?*') and made[-1] not in ". " and made[0] not in " ."
    assert made.partition(".")[0].lower() not in NO_FILES


@pytest.mark.parametrize("there", ["Birds-r1", "BIRDS-R1", "birds-r1"])
def test_a_revision_takes_no_name_that_differs_in_case_only(tmp_path, there):
    data = tmp_path / "data"
    for name in (there, "birds"):
        (data / name).mkdir(parents=True)
    assert _folder(data, data / "birds", None).name == "birds-r2"


def test_a_picture_is_found_by_a_name_in_macs_form():
    name = unicodedata.normalize("NFC", "Käse é.jpg")
    for on_disk in (name, unicodedata.normalize("NFD", name), unicodedata.normalize("NFD", name.upper())):
        for written in (name, unicodedata.normalize("NFD", name)):
            assert NameIndex([f"images/{on_disk}"]).find(written) == [f"images/{on_disk}"]

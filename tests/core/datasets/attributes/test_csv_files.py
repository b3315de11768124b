"""Tables beside the data: how people and their spreadsheets write them."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.attributes import csv_files
from core.datasets.attributes.csv_files import csv_paths, read_tables, typed
from core.datasets.split import read_split
from tests.own_folders import labels, write


@pytest.fixture
def folder(tmp_path):
    """A data set with images 1 and 2 to train on, and 11 to 14 to validate: 000011.png and on."""
    return write(tmp_path / "own", {"train": labels(1, 2), "val": labels(11, 4)})


def read(folder, content: str | bytes, name: str = "images.csv"):
    """What a file in the data set's folder says of the validation images: columns by name, and the notes."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    known, notes = read_tables(read_split(folder, "val"))
    return {one.name: list(one.values) for one in known}, notes


ROWS = "000011.png,rain\n000012.png,sun\n000013.png,rain\n000014.png,fog\n"
WEATHER = {"weather": ["rain", "sun", "rain", "fog"]}


def test_a_column_is_known_of_each_image(folder):
    assert read(folder, "file_name,weather\n" + ROWS) == (WEATHER, [])


@pytest.mark.parametrize("key", ["filename", "FILE_NAME", " image ", "path"])
def test_the_column_of_file_names_may_be_called_otherwise(folder, key):
    assert read(folder, f"{key},weather\n{ROWS}")[0] == WEATHER


@pytest.mark.parametrize("place", ["images.csv", "annotations/more.csv", "val/metadata.csv", "IMAGES.CSV", "a.tsv"])
def test_the_file_lies_beside_the_annotations_the_pictures_or_in_the_folder(folder, place):
    assert read(folder, "file_name,weather\n" + ROWS, place)[0] == WEATHER


@pytest.mark.parametrize(
    "content",
    [
        ("\ufefffile_name,weather\n" + ROWS).encode(),
        ("file_name;weather\n" + ROWS.replace(",", ";")).encode(),
        ("file_name\tweather\n" + ROWS.replace(",", "\t")).encode(),
        ("file_name,weather\n" + ROWS).replace("\n", "\r\n").encode(),
        ('"file_name","weather"\n' + ROWS.replace("rain", '"rain"')).encode(),
        ("file_name\tweather\n" + ROWS.replace(",", "\t")).encode("utf-16"),
        ("\nweather,file_name\n" + "".join(",".join(row.split(",")[::-1]) + "\n" for row in ROWS.split()))[1:].encode(),
    ],
    ids=["BOM", "semicolons", "tabs", "CRLF", "quotes", "UTF-16", "other order"],
)
def test_spreadsheets_write_it_in_many_ways(folder, content):
    assert read(folder, content)[0] == WEATHER


def test_quoted_delimiters_and_line_ends_belong_to_the_value(folder):
    columns, _ = read(folder, 'file_name,place\n000011.png,"Berlin, Mitte"\n000012.png,"a\nb"\n')
    assert columns == {"place": ["Berlin, Mitte", "a\nb", None, None]}


def test_what_is_not_utf8_is_read_all_the_same_and_said(folder):
    columns, notes = read(folder, ("file_name,wetter\n" + ROWS.replace("rain", "trüb")).encode("cp1252"))
    assert columns == {"wetter": ["trüb", "sun", "trüb", "fog"]}
    assert notes == ["images.csv is not UTF-8: it was read as Windows-1252."]


def test_images_are_meant_by_their_id_too(folder):
    assert read(folder, "image_id,weather\n11,rain\n12.0,sun\n000013,rain\n14,fog\n")[0] == WEATHER


def test_names_with_folders_of_another_machine_or_without_an_ending_are_understood(folder):
    rows = ROWS.replace("000011.png", r"C:\data\000011.png").replace("000012.png", "/x/y/000012.png")
    assert read(folder, "file_name,weather\n" + rows.replace("000013.png", "000013"))[0] == WEATHER


def test_names_of_another_part_are_not_taken_for_images_of_this_one(folder):
    columns, notes = read(folder, "file_name,weather\nval/000011.png,rain\ntrain/000012.png,sun\n")
    assert columns == {"weather": ["rain", None, None, None]}
    assert notes == [
        "images.csv says nothing of 3 of 4 images.",
        "images.csv: 1 of 2 rows name no image of this part, as 'train/000012.png'.",
    ]


def test_a_name_that_two_images_have_means_neither(tmp_path):
    data = labels(11, 3)
    for image, name in zip(data["images"], ("a/1.png", "b/1.png", "b/2.png"), strict=True):
        image["file_name"] = name
    for sub in ("a", "b"):
        (tmp_path / "own/val" / sub).mkdir(parents=True)
    folder = write(tmp_path / "own", {"train": labels(1, 2), "val": data})
    columns, _ = read(folder, "file_name,weather\n1.png,rain\n2.png,sun\na/1.png,fog\n")
    assert columns == {"weather": ["fog", None, "sun"]}


def test_contradicting_rows_say_nothing_and_repeated_ones_do_no_harm(folder):
    columns, notes = read(folder, "file_name,weather\n" + ROWS + "000011.png,snow\n000012.png,sun\n")
    assert columns == {"weather": [None, *WEATHER["weather"][1:]]}
    assert notes == ["images.csv has several different rows for 1 image: they are left out."]


def test_a_table_of_objects_is_passed_over(folder):
    assert read(folder, "filename,class,xmin,ymin\n000011.png,car,1,2\n") == ({}, [])
    columns, notes = read(folder, "filename,class\n" + "".join(f"0000{i}.png,{c}\n" for i in (11, 12) for c in "ab"))
    assert columns == {} and "left out" in notes[-1]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\n",
        "a,b\n1,2\n",
        ROWS,
        "file_name\n000011.png\n",
        "file_name,weather\n",
        "\0\0\0",
        "file_name,\n000011.png,x\n",
    ],
    ids=["empty", "blank", "others", "no header", "names only", "no rows", "zeros", "no name"],
)
def test_files_that_say_nothing_of_images_are_passed_over_in_silence(folder, content):
    assert read(folder, content) == ({}, [])


def test_a_file_of_other_images_is_told(folder):
    assert read(folder, "file_name,weather\nx.png,rain\ny.png,rain\n") == (
        {},
        ["images.csv: none of its 2 rows names an image of this part."],
    )


def test_rows_may_be_too_short_or_too_long(folder):
    columns, _ = read(folder, "weather,file_name\nrain,000011.png,more,and more\nsun\n\nfog,000014.png\n")
    assert columns == {"weather": ["rain", None, None, "fog"]}


def test_a_file_that_cannot_be_read_costs_itself_alone(folder, monkeypatch):
    monkeypatch.setattr(csv_files, "MOST_BYTES", 200)
    read(folder, "file_name,camera\n" + "000011.png,left\n" * 50, "huge.csv")
    os.mkfifo(folder / "pipe.csv")
    (folder / "folder.csv").mkdir()
    (folder / "broken.csv").write_text('file_name,note\n000011.png,"' + "x" * 50)
    monkeypatch.setattr(csv_files.csv, "field_size_limit", lambda *_: None)
    columns, notes = read(folder, "file_name,weather\n" + ROWS)
    assert columns["weather"] == WEATHER["weather"] and "camera" not in columns
    assert [note.split()[0] for note in notes if "cannot be read" in note] == ["folder.csv", "huge.csv", "pipe.csv"]


def test_a_cell_beyond_all_bounds_costs_its_file(folder):
    columns, notes = read(folder, "file_name,note\n000011.png," + "x" * 200_000 + "\n")
    assert columns == {} and notes[0].startswith("images.csv is not read as a table")


def test_of_very_many_columns_the_first_are_used(folder):
    head = ",".join(f"c{i}" for i in range(500))
    columns, notes = read(folder, f"file_name,{head}\n000011.png{',x' * 500}\n")
    assert list(columns) == [f"c{i}" for i in range(csv_files.MOST_COLUMNS)]
    assert "500 columns" in notes[-1]


def test_ids_and_names_beside_each_other_are_no_attributes(folder):
    columns, _ = read(folder, "image_id,file_name,id,weather\n1,000011.png,5,rain\n2,000012.png,6,sun\n")
    assert columns == {"weather": ["rain", "sun", None, None]}


def test_numbers_are_told_from_codes():
    assert typed(["3", "-0.5", "", "1e3"]) == [3.0, -0.5, None, 1000.0]
    assert typed(["3", "x"]) == ["3", "x"]
    assert typed(["007", "12"]) == ["007", "12"]
    assert typed(["0,5", "1,5"]) == [0.5, 1.5]
    assert typed(["nan", "1"]) == ["nan", "1"]


def test_a_link_to_a_file_that_was_seen_is_read_once(folder):
    (folder / "images.csv").write_text("file_name,weather\n" + ROWS)
    (folder / "annotations/again.csv").symlink_to(folder / "images.csv")
    assert len(csv_paths(read_split(folder, "val"))) == 1


@settings(max_examples=60, deadline=None)
@given(
    content=st.one_of(st.binary(max_size=120), st.text('file_name,;\t"\n0123456789.png', max_size=120).map(str.encode))
)
def test_no_content_breaks_it(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any") / "own"
    write(folder, {"train": labels(1, 1), "val": labels(11, 2)})
    known, _ = read_tables_of(folder, b"file_name,a,b\n" + content)
    assert all(len(one.values) == 2 for one in known)
    read_tables_of(folder, content)


def read_tables_of(folder, content: bytes):
    (folder / "images.csv").write_bytes(content)
    return read_tables(read_split(folder, "val"))

"""Names in any script are written with a font that has their letters, or in Latin ones; never as empty boxes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from core.evaluation import lettering as module
from core.evaluation.draw import draw_analysis
from core.evaluation.lettering import Lettering, font_files

SIZE = 14
FONTS = Path(importlib.util.find_spec("matplotlib").submodule_search_locations[0]) / "mpl-data/fonts/ttf"
DEJAVU = FONTS / "DejaVuSans.ttf"  # Cyrillic, Greek, Hebrew and Arabic, but no Chinese
ALONE = Lettering(SIZE, list)  # Pillow's font only
SAMPLES = ("Кошка", "Ελλάς", "łódź ő", "חתול", "قط")


def written(letters: Lettering, text: str) -> np.ndarray:
    """The pixels of a text in black on white."""
    image = Image.new("RGB", (300, 30), "white")
    letters.write(ImageDraw.Draw(image), (5, 4), text, (0, 0, 0))
    return np.asarray(image)


def boxes_of(text: str) -> np.ndarray:
    """What Pillow's own font makes of a text."""
    image = Image.new("RGB", (300, 30), "white")
    ImageDraw.Draw(image).text((5, 4), text, fill=(0, 0, 0), font=ImageFont.load_default(SIZE))
    return np.asarray(image)


@pytest.mark.parametrize("text", SAMPLES)
def test_letters_that_a_font_of_the_machine_has_are_written_with_it(text):
    letters = Lettering(SIZE, lambda: [DEJAVU])
    assert letters.legible(text) == text
    seen = written(letters, text)
    assert not np.array_equal(seen, boxes_of(text)) and (seen < 128).any()
    font = ImageFont.truetype(str(DEJAVU), SIZE)
    assert letters.width(text) == font.getlength(text)
    right = np.nonzero((seen < 200).any(axis=(0, 2)))[0].max()
    assert right <= 5 + letters.width(text) + 2
    rows = np.nonzero((seen < 200).any(axis=(1, 2)))[0]
    assert rows.min() >= 2 and rows.max() <= 25


def test_english_names_look_as_they_always_did():
    for letters in (ALONE, Lettering(SIZE, lambda: [DEJAVU])):
        assert np.array_equal(written(letters, "Strand 0.92 · missed"), boxes_of("Strand 0.92 · missed"))
        assert letters.width("car 0.92") == ImageFont.load_default(SIZE).getlength("car 0.92")


def test_letters_of_two_scripts_stand_beside_each_other_on_one_line():
    letters = Lettering(SIZE, lambda: [DEJAVU])
    assert letters.width("car кот") == ImageFont.truetype(str(DEJAVU), SIZE).getlength("car кот"), "one font has all"
    mixed = letters.legible("кот 猫")
    assert mixed == "кот U+732B"


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Кошка", "Koshka"), ("Щи", "Shchi"), ("Ελλάς", "Ellas"), ("łódź ő", "lodz o"), ("ねこ", "neko"),
        ("ガッコー", "gatuko"),
        ("고양이", "goyangi"), ("猫犬", "U+732B-U+72AC"), ("קט", "qof-tet"), ("قط كبير", "qaf-tah kaf-beh-yeh-reh"),
        ("แมว", "sara ae-mo ma-wo waen"), ("🚗", "automobile"), ("👩\u200d🔧", "woman-wrench"), ("", ""), ("½", "1/2"),
        ("Straße", "Strasse"), ("Æble Käse", "Aeble Kase"),
        ("\U0010fffe", "U+10FFFE"), ("e\u0301", "e\u0301"),
    ],
)  # fmt: skip
def test_without_a_font_they_are_put_into_latin_letters(text, latin):
    assert ALONE.legible(text) == latin


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12))
def test_no_letter_is_left_that_would_be_a_box(text):
    legible = ALONE.legible(text)
    default_font = ImageFont.load_default(SIZE)
    missing = bytes(default_font.getmask(module.NOBODYS)), default_font.getmask(module.NOBODYS).size
    for letter in legible:
        if not letter.isspace() and not module._goes_with_the_last(letter):
            assert (bytes(default_font.getmask(letter)), default_font.getmask(letter).size) != missing, ascii(letter)
    assert ALONE.legible(legible) == legible
    assert ALONE.width(legible) >= 0


def test_a_damaged_font_and_one_that_has_boxes_for_all_are_passed_over(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    letters = Lettering(SIZE, lambda: [tmp_path / "broken.ttf", tmp_path / "gone.ttf", DEJAVU])
    assert letters.legible("кот") == "кот"
    assert not any("lastresort" in path.name.lower() for path in font_files())


def test_fonts_are_looked_for_once_and_only_if_a_letter_needs_one():
    asked = []
    letters = Lettering(SIZE, lambda: asked.append(1) or [DEJAVU])
    letters.legible("car 0.92 · missed")
    assert not asked
    for _ in range(3):
        letters.legible("кот 猫")
    assert asked == [1]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_on_every_system_the_fonts_that_are_there_are_used_the_best_first(tmp_path, monkeypatch, platform):
    monkeypatch.setattr(module.sys, "platform", platform)
    monkeypatch.setattr(module, "BUNDLED", {"matplotlib": "mpl-data/fonts/ttf", "no such package": "x"})
    assert module.font_folders()
    monkeypatch.setattr(module, "font_folders", lambda: [tmp_path, tmp_path / "none"])
    (tmp_path / "deep").mkdir()
    for name in (
        "Zapf.ttf",
        "NotoSansCJK-Regular.ttc",
        "Arial-Bold.TTF",
        "deep/arial.ttf",
        "NotoColorEmoji.ttf",
        "a.txt",
    ):
        (tmp_path / name).touch()
    names = [path.name for path in font_files()]
    assert [name for name in names if (tmp_path / name).exists() or name == "arial.ttf"] == [
        "NotoSansCJK-Regular.ttc", "arial.ttf", "Zapf.ttf", "Arial-Bold.TTF",
    ]  # fmt: skip
    assert names[0] == "DejaVuSans.ttf"


def test_an_analysed_picture_names_its_classes_in_their_script(monkeypatch):
    row = {"kind": "detection", "score": 0.9, "error": None, "iscrowd": False, "crowd_only": False}
    row |= {"x1": 100, "y1": 100, "x2": 300, "y2": 250}

    def drawn(name: str, letters: Lettering) -> Image.Image:
        monkeypatch.setattr("core.evaluation.draw.lettering", lambda size: letters)
        return draw_analysis(Image.new("RGB", (640, 400)), [row | {"class_name": name}], title=name)

    with_font = Lettering(SIZE, lambda: [DEJAVU])
    pictures = [drawn(name, letters) for letters in (ALONE, with_font) for name in ("кот", "kot", "пес")]
    alone, kot, _, in_script, _, other = map(np.asarray, pictures)
    assert np.array_equal(alone, kot), "in Latin letters, where no font has others"
    assert not np.array_equal(in_script, kot) and not np.array_equal(in_script, other)

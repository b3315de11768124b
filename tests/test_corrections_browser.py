"""Labels corrected in a real browser: accepted, deleted, of another class, dragged, drawn, undone.

By keyboard and mouse. What each does is seen at once, in boxes and AP; all of it becomes a revision, on which a model
is trained and compared.
Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image
from playwright.sync_api import expect

from bench.spoiled import spoil
from core.config import STARTER, TrainConfig
from core.datasets.demo import draw_dataset
from core.datasets.split import read_split
from core.evaluation.coco_eval import evaluate
from core.evaluation.table import write_table
from core.evaluation.tide import detection_table
from core.presets import PRESETS
from core.runs.corrections.corrected import corrected_split
from core.runs.corrections.journal import Journal
from core.runs.corrections.mend import Mender
from core.runs.drive import drive
from core.runs.schema import Status
from core.runs.store import RunStore
from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.core.coco_cases import result
from tests.pages_in_browser import CELLS, MINUTE, link, query_of, strict_page
from tests.serving import served

pytestmark = needs_chromium
own_address = pages_in_browser.own_address
FILE = "data/set/annotations/instances_val.json"
WIDTH, HEIGHT = 400, 300
CAT, DOG = 1, 2
ALONE, SWAPPED, ASIDE, NOTHING, RIGHT = range(1, 6)  # image ids: what is wrong with the labels of each
LABELS = {  # by image: annotation id, category, xywh
    SWAPPED: (21, CAT, (100, 50, 200, 150)), ASIDE: (31, CAT, (140, 50, 200, 150)),
    NOTHING: (41, DOG, (20, 20, 60, 60)), RIGHT: (51, CAT, (100, 50, 200, 150)),
}  # fmt: skip
PREDICTED = [
    result(ALONE, DOG, (100, 50, 200, 150), 0.9), result(SWAPPED, DOG, (100, 50, 200, 150), 0.8),
    result(ASIDE, CAT, (40, 50, 200, 150), 0.7), result(RIGHT, CAT, (100, 50, 200, 150), 0.6),
]  # fmt: skip


def make_set(root: Path) -> None:
    """A finished run on five images: a label is right, on the others one is missing, swapped, aside, or of nothing."""
    images = [{"id": i, "file_name": f"{i}.png", "width": WIDTH, "height": HEIGHT} for i in range(1, 6)]
    annotations = [
        {"id": number, "image_id": image_id, "category_id": category, "bbox": list(box), "area": box[2] * box[3],
         "iscrowd": 0}
        for image_id, (number, category, box) in LABELS.items()
    ]  # fmt: skip
    gt = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    }
    folder = root / "data/set"
    (folder / "annotations").mkdir(parents=True)
    for part in ("train", "val"):
        (folder / part).mkdir()
        (folder / f"annotations/instances_{part}.json").write_text(json.dumps(gt))
        for image in images:
            Image.new("RGB", (WIDTH, HEIGHT), "slategrey").save(folder / part / image["file_name"])
    store = RunStore(root)
    run = store.create(TrainConfig(data=str(folder), model=STARTER, epochs=1).to_dict(), "spoiled")
    split = read_split(folder, "val")
    for epoch in (0, 1):
        write_table(detection_table(split.to_dict(), PREDICTED), store.table_path(run.id, epoch))
        figures = evaluate(split.to_dict(), PREDICTED).to_dict()
        store.add_evaluation(run.id, epoch, epoch, figures, is_best=epoch == 1, has_table=True)
    store.update(run.id, status=Status.FINISHED, epoch=1, label_map=split.label_map().to_dict())
    store.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("corrected")
    make_set(root)
    return root


@pytest.fixture
def page(context, own_address) -> Iterator:
    with strict_page(context, own_address) as opened:
        yield opened


def journal(root: Path) -> list:
    store = RunStore(root)
    done = [one for one in Journal(store, FILE).all() if one.state == "done"]
    store.close()
    return done


def open_large(page, address: str, image_id: int):
    page.goto(link(address, "errors", image=image_id))
    page.locator(CELLS).first.click()
    large = page.get_by_role("dialog")
    expect(large.locator("h2")).to_have_text(f"{image_id}.png")
    expect(large.locator(".mend")).to_be_visible()
    return large


def choose(large, words: str) -> None:
    large.locator("tbody tr", has_text=re.compile(words)).first.click()
    expect(large.locator("tbody tr.chosen")).to_have_count(1)


def on_screen(large, x: float, y: float) -> tuple[float, float]:
    """The place on the screen of a pixel of the picture."""
    box = large.locator(".stage .frame").bounding_box()
    return box["x"] + x / WIDTH * box["width"], box["y"] + y / HEIGHT * box["height"]


def drag(page, large, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*on_screen(large, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(large, *[(a + b) / 2 for a, b in zip(start, end, strict=True)]))
    page.mouse.move(*on_screen(large, *end))
    page.mouse.up()


def test_labels_are_corrected_by_keyboard_and_mouse_and_ap_moves_at_once(page, own_address, root):
    large = open_large(page, own_address, ALONE)
    gain = large.locator(".gain")
    choose(large, "Background")
    page.keyboard.press("a")
    expect(large.locator("tbody")).to_contain_text("Found")
    expect(gain).to_contain_text("1 label corrected on 1 image")
    expect(gain).to_contain_text("AP 8.4 → 33.7")

    large = open_large(page, own_address, SWAPPED)
    choose(large, "Ground truth")
    page.keyboard.press("c")
    large.get_by_role("combobox", name="Class").select_option("dog")
    expect(large.locator("tbody tr", has_text="Ground truth")).to_contain_text("Found")
    page.keyboard.press("Control+z")
    expect(large.locator("tbody tr", has_text="Ground truth")).to_contain_text("Seen wrongly")
    page.keyboard.press("Control+y")
    expect(large.locator("tbody tr", has_text="Ground truth")).to_contain_text("dog")

    large = open_large(page, own_address, ASIDE)
    choose(large, "Ground truth")
    expect(large.locator(".grip")).to_have_count(8)
    drag(page, large, (200, 120), (110, 120))  # the label itself
    expect(large.locator("tbody tr", has_text="Prediction")).to_contain_text("Correct")
    drag(page, large, (50, 50), (40, 50))  # its upper left corner
    expect(large.locator("tbody tr", has_text="Prediction")).to_contain_text(re.compile(r"0\.9[0-9]|1\.00"))

    large = open_large(page, own_address, NOTHING)
    choose(large, "Ground truth")
    page.keyboard.press("Delete")
    expect(large.locator("tbody tr")).to_have_count(0)
    page.keyboard.press("n")
    expect(large.get_by_role("button", name="New label")).to_have_attribute("aria-pressed", "true")
    large.get_by_role("combobox", name="Class").select_option("cat")
    drag(page, large, (200, 100), (300, 250))
    expect(large.locator("tbody tr.chosen")).to_contain_text("cat")
    page.keyboard.press("k")
    expect(large.locator("tbody tr")).to_contain_text("Crowd")
    for _ in range(2):
        page.keyboard.press("u")
    expect(large.locator("tbody tr")).to_have_count(0)
    expect(gain).to_contain_text(re.compile("4 labels corrected on 4 images"))
    expect(gain).to_contain_text("AP 8.4 → ")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("^All errors · 0"))).to_be_visible()
    assert [one.kind.value for one in journal(root)] == ["accepted", "class", "box", "box", "deleted"]
    label = journal(root)[3].after
    assert label.box == pytest.approx((40, 50, 250, 200), abs=1.5)


def test_what_cannot_be_is_said_and_nothing_moves(page, own_address, root):
    before = journal(root)
    large = open_large(page, own_address, RIGHT)
    choose(large, "Ground truth")
    page.keyboard.press("n")
    page.keyboard.press("Escape")  # leaves drawing, not the picture
    expect(large.get_by_role("button", name="New label")).to_have_attribute("aria-pressed", "false")
    page.mouse.click(*on_screen(large, 350, 280))
    page.keyboard.press("a")
    page.keyboard.press("d")
    expect(large.locator(".said")).to_be_empty()
    assert journal(root) == before


def test_the_corrections_become_a_revision_that_train_takes(page, own_address, root):
    val, store = read_split(root / "data/set", "val"), RunStore(root)
    if not journal(root):  # this test alone
        Mender(store, val).draw(ALONE, "dog", (100, 50, 300, 200))
    store.close()
    page.goto(link(own_address, "results", view="labels"))
    expect(page.get_by_text(re.compile("Wrong labels cost"))).to_be_visible()
    page.get_by_role("button", name="Save as revision").click()
    page.get_by_text("data/set-r1").wait_for()
    page.get_by_role("button", name="Train on it").click()
    expect(page.get_by_role("combobox", name="Data set")).to_have_value(re.compile("set-r1"))
    assert query_of(page)["data"][0].endswith("data/set-r1")
    expected = corrected_split(val, journal(root)).split.annotations
    assert read_split(root / "data/set-r1", "val").annotations == expected != val.annotations


def test_a_kill_in_the_midst_of_correcting_loses_nothing(context, tmp_path):
    make_set(tmp_path)
    with served(tmp_path) as address:
        page = context.new_page()  # whose last requests fail
        large = open_large(page, address, ALONE)
        choose(large, "Background")
        page.keyboard.press("a")
        expect(large.locator("tbody")).to_contain_text("Found")
        page.keyboard.press("n")
        port = address.rpartition(":")[2]
        [server] = [p for p in psutil.process_iter(["cmdline"]) if f"--server.port={port}" in (p.info["cmdline"] or [])]
        server.kill()
        page.close()
    assert [one.kind.value for one in journal(tmp_path)] == ["accepted"]
    with served(tmp_path) as address, strict_page(context, address) as page:
        large = open_large(page, address, ALONE)
        expect(large.locator("tbody")).to_contain_text("Found")
        page.keyboard.press("u")
        expect(large.locator("tbody")).not_to_contain_text("Found")
    assert journal(tmp_path) == []


@pytest.mark.ci
def test_a_model_is_trained_on_the_revision_and_compared_with_the_one_before(context, tmp_path):
    """Spoiled labels, a training; corrected one by one by the keyboard alone; a training on the revision; Compare."""
    street = tmp_path / "data/street"
    for _ in draw_dataset(street, train=16, val=12):
        pass
    spoil(street / "annotations/instances_val.json", 0.3, seed=1)
    store = RunStore(tmp_path)
    config = PRESETS["Built-in demo"].apply(TrainConfig(data=str(street), model=STARTER))
    run = store.create({**config.to_dict(), "epochs": 1, "threads": 1}, "spoiled")
    drive(store, run.id)
    store.close()
    with served(tmp_path, engine=True) as address, strict_page(context, address) as page:
        page.goto(link(address, "results", view="labels"))
        page.get_by_role("button", name="One by one").click()
        page.locator(CELLS).first.wait_for()
        page.locator(CELLS).first.focus()
        page.keyboard.press("Enter")
        large = page.get_by_role("dialog")
        for number in range(1, 4):
            expect(large.locator(".place")).to_contain_text(f"{number} of")
            page.keyboard.press("a")
            expect(large.locator(".gain")).to_contain_text(f"{number} label")
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Escape")
        page.get_by_role("link", name="Results").click()
        page.get_by_role("button", name="Save as revision").click()
        page.get_by_role("button", name="Train on it").click()
        expect(page.get_by_role("combobox", name="Data set")).to_have_value(re.compile("street-r1"))
        page.get_by_role("button", name="Train", exact=True).last.click()
        page.get_by_role("button", name="Stop").first.wait_for()  # no longer the run before
        page.get_by_role("button", name="Look at the errors").click(timeout=5 * MINUTE)
        page.locator(CELLS).first.wait_for()
        page.get_by_role("link", name="Compare").click()
        expect(page.get_by_text(re.compile("street-r1 is a revision of"))).to_be_visible(timeout=MINUTE)
        expect(page.get_by_role("button", name=re.compile("^Fixed · "))).to_be_visible()

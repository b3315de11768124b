"""Why this box, in a real browser: why.js by itself, with answers whose maps and boxes are known to the last cell."""

import json
from base64 import b64encode
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.chromium import needs_chromium
from tests.serving import served_page
from ui.server.scripts import address as script

pytestmark = needs_chromium
IMAGE = {"w": 100, "h": 50}
HTML = """<!doctype html><meta charset="utf-8"><style>
.frame { position: relative; display: block; width: 400px; height: 200px } .frame > * { position: absolute; inset: 0;
width: 100%; height: 100% }</style><div class="frame"><canvas class="heat"></canvas>
<svg viewBox="0 0 100 50"><g class="extra"></g></svg></div><div id="host"></div>
<script type="module">
import { showWhy, warmWhy } from "WHY"
import { clearPicture } from "ON_PICTURE"
const image = { w: 100, h: 50 }, frame = document.querySelector(".frame")
const stage = { frame, image, heat: frame.querySelector("canvas"), extra: frame.querySelector(".extra") }
const view = {}, host = document.getElementById("host")
window.why = (url, item) => showWhy(view, host, stage, { url, image, item, token: "secret" })
window.hide = () => clearPicture(stage)
window.leave = () => host.replaceChildren()
window.warm = warmWhy
</script>"""
CAR, MISSED = {"prediction": True, "class": "car"}, {"prediction": False, "class": "<b>dog</b>"}


def packed(values):
    """Rows of numbers as a packed map; the first of them has the maximum 0.5."""
    flat = [value for row in values for value in row]
    return {"max": 0.5, "data": b64encode(bytes(round(510 * value) for value in flat)).decode()}


def layer(box, score, name="car"):
    return {"box": box, "class": name, "score": score}


QUERY = {
    "query": 7, "softmax": True, "classes": ["car", "<img src=x>", "a", "b", "c", "d", "e", "no object"],
    "probabilities": [0.61, 0.3, 0.05, 0.01, 0.01, 0.01, 0.0095, 0.0005], "note": None,
    "layers": [layer([0, 0, 20, 20], 0.4), layer([50, 0, 70, 20], 0.5), layer([50, 0, 100, 25], 0.61)],
    "maps": {"w": 4, "h": 2, "cover": [100, 50], "sampled": False, "tokens": False,
             "decoder": [packed([[0.5, 0, 0, 0], [0.5, 0, 0, 0]]), packed([[0, 0.5, 0, 0], [0, 0, 0, 0.5]]),
                         packed([[0, 0, 0.5, 0.5], [0, 0, 0, 0]])],
             "encoder": packed([[0.125, 0.125, 0.125, 0.125], [0.125, 0.125, 0.125, 0.125]])},
}  # fmt: skip


def near(query, box, overlap, score=0.1, name="cat", own=0.6, no_object=0.2):
    return {"query": query, "box": box, "iou": overlap, "score": score, "class": name, "class_score": own,
            "no_object": no_object}  # fmt: skip


@pytest.fixture(scope="module")
def address():
    html = HTML.replace("WHY", script("ui/gallery/why/why.js"))
    html = html.replace("ON_PICTURE", script("ui/gallery/why/on_picture.js"))
    with served_page(html) as url:
        yield url


@pytest.fixture
def page(browser, address):
    """The component; `page.answers` is what each question gets, `page.asked` the questions."""
    page = browser.new_page()
    page.errors, page.answers, page.asked, page.sent = [], {}, [], []

    def answer(route):
        url = urlsplit(route.request.url)
        page.asked.append(f"{url.path}?{url.query}")
        page.sent.append((route.request.method, route.request.headers.get("x-detr-lab-token")))
        said = page.answers.get(url.query, {"error": "No such box."})
        route.fulfill(json=said, status=404 if "error" in said else 200)

    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.route("**/api/why/**", answer)
    page.goto(address)
    page.wait_for_function("window.why")
    yield page
    assert not page.errors
    page.close()


def ask(page, query, answer, item=CAR):
    page.answers[query] = answer
    page.evaluate("([url, item]) => window.why(url, item)", [f"/api/why/run/best/4?{query}", item])


def pixel(page, x, y):
    """Red, green, blue and alpha of the heat map at a place in [0, 1] of the picture."""
    return page.evaluate(
        """([x, y]) => { const canvas = document.querySelector(".heat")
        return [...canvas.getContext("2d").getImageData(x * canvas.width, y * canvas.height, 1, 1).data] }""",
        [x, y],
    )


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_the_map_of_each_layer_is_light_where_that_layer_looks(page):
    ask(page, "query=7", QUERY)
    cells = {
        "Decoder layer 1": [(0, 0), (0, 1)],
        "Decoder layer 2": [(1, 0), (3, 1)],
        "Decoder layer 3": [(2, 0), (3, 0)],
    }
    for name, light in cells.items():
        press(page, name)
        assert page.get_by_role("button", name=name, exact=True).get_attribute("aria-pressed") == "true"
        for column in range(4):
            for row in range(2):
                red, _, _, alpha = pixel(page, (column + 0.5) / 4, (row + 0.5) / 2)
                assert (red > 240 and alpha > 200) == ((column, row) in light), (name, column, row)
    assert page.locator("[aria-pressed=true]").count() == 1


def test_between_cells_the_map_is_bilinear(page):
    ask(page, "query=7", QUERY)
    press(page, "Decoder layer 1")
    alphas = [pixel(page, x, 0.5)[3] for x in (0.126, 0.19, 0.25, 0.31, 0.374)]
    steps = [a - b for a, b in pairwise(alphas)]
    assert alphas[0] > 200 and max(steps) - min(steps) <= 4 and min(steps) > 20


def test_a_map_that_reaches_beyond_the_picture_is_cut_there(page):
    beyond = {**QUERY, "maps": {**QUERY["maps"], "cover": [200, 50]}}
    ask(page, "query=7", beyond)
    press(page, "Decoder layer 2")
    assert pixel(page, 0.75, 0.25)[0] > 240  # the second of four cells, of which two lie on the picture
    assert pixel(page, 0.25, 0.25)[0] < 60 and pixel(page, 0.99, 0.99)[0] < 200


def test_how_much_lies_inside_the_box_is_said(page):
    ask(page, "query=7", QUERY)
    words = page.locator(".why-part").first
    for name, share in (("Decoder layer 1", 0), ("Decoder layer 3", 100), ("The encoder's last layer", 25)):
        press(page, name)
        expect(words).to_contain_text(f"{share} % of it lies inside the box")
    press(page, "Mean of the decoder's layers")
    expect(words).to_contain_text("33 % of it lies inside the box; its brightest cell has 17 %")


def test_the_opacity_and_the_chosen_map_stay_for_the_next_box(page):
    ask(page, "query=7", QUERY)
    press(page, "Decoder layer 1")
    page.get_by_label("Opacity").fill("0.2")
    assert pixel(page, 0.01, 0.5)[3] == pytest.approx(51, abs=2)
    ask(page, "query=8", {**QUERY, "query": 8})
    expect(page.get_by_role("heading", name="Query 8: car 0.61")).to_be_visible()
    assert page.get_by_role("button", name="Decoder layer 1").get_attribute("aria-pressed") == "true"
    assert pixel(page, 0.01, 0.5)[3] == pytest.approx(51, abs=2)


def test_the_probabilities_are_bars_with_no_object_among_them_and_names_are_text(page):
    ask(page, "query=7", QUERY)
    assert page.locator("dt").all_inner_texts() == ["car", "<img src=x>", "a", "b", "c", "no object"]
    assert page.locator(".why-value").all_inner_texts() == ["0.610", "0.300", "0.050", "0.010", "0.010", "<.001"]
    widths = [bar.get_attribute("style") for bar in page.locator(".why-bar").all()]
    assert widths[:2] == ["width: 61%;", "width: 30%;"]
    expect(page.locator("#host")).to_contain_text("which sum to 1 with “no object”. 2 more classes are below these.")
    assert not page.locator("#host img").count()


def test_of_sigmoids_there_is_no_no_object(page):
    ask(page, "query=7", {**QUERY, "softmax": False})
    assert len(page.locator("dt").all_inner_texts()) == 6 and not page.locator(".why-none").count()
    expect(page.locator("#host")).to_contain_text("need not sum to 1")


def test_the_way_of_the_box_is_in_the_table_and_on_the_picture(page):
    ask(page, "query=7", QUERY)
    rows = page.locator(".why-table tbody tr")
    assert rows.all_inner_texts() == [
        "1\tcar\t0.40\t0.00\t–",
        "2\tcar\t0.50\t0.32\t50.0 px",
        "3\tcar\t0.61\t1.00\t15.2 px",
    ]
    assert page.locator(".why-way:not(.halo)").get_attribute("points") == "10,10 60,10 75,12.5"
    boxes = page.locator(".extra rect")
    assert [boxes.nth(i).get_attribute("width") for i in range(3)] == ["20", "20", "50"]
    assert "hidden" in boxes.nth(2).get_attribute("class")  # the gallery draws it
    rows.nth(1).hover()
    assert ["out" in box.get_attribute("class") for box in boxes.all()] == [False, True, False]


def test_of_a_missed_object_the_nearest_queries_are_told_and_each_can_be_asked(page):
    three = [near(4, [0, 0, 10, 10], 0.71, no_object=0.9), near(2, [5, 5, 15, 15], 0.2), near(9, [30, 30, 40, 40], 0.0)]
    ask(page, "gt=12", {"near": three}, MISSED)
    expect(page.locator("#host")).to_contain_text(
        "Query 4 has its box here (IoU 0.71), but says that there is no object."
    )
    rows = page.locator(".why-table tbody tr")
    assert rows.nth(0).inner_text().split() == ["4", "0.71", "0.10", "cat", "0.60", "0.90"]
    expect(page.locator(".why-table th").nth(2)).to_have_text("<b>dog</b>")
    assert page.locator(".extra rect").count() == 3 and not page.locator(".why-way").count()
    page.answers["query=2"] = {**QUERY, "query": 2}
    button = page.get_by_role("button", name="Why query 2 is where it is")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Query 2: car 0.61")).to_be_visible()
    assert page.asked[-1] == "/api/why/run/best/4?query=2"
    assert set(page.sent) == {("POST", "secret")}
    assert "chosen" in rows.nth(1).get_attribute("class") and rows.count() >= 3
    assert "last" in page.locator(".extra rect").nth(2).get_attribute("class")  # nobody else draws it


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (near(1, [0, 0, 9, 9], 0.3), "No query has its box here: the nearest, 1, overlaps it with IoU 0.30."),
        (near(1, [0, 0, 9, 9], 0.6), "takes it for another class: cat."),
        (near(1, [0, 0, 9, 9], 0.6, 0.3, "<b>dog</b>", 0.3), "knows its class, with a score of 0.30."),
        (near(1, [0, 0, 9, 9], 0.6, no_object=None), "takes it for another class: cat."),
    ],
)
def test_why_it_was_missed_is_a_sentence(page, first, words):
    ask(page, "gt=1", {"near": [first]}, MISSED)
    expect(page.locator("#host")).to_contain_text(words)


def test_an_error_is_a_sentence_and_nothing_is_drawn(page):
    ask(page, "query=7", QUERY)
    ask(page, "query=99", {"error": "There is no query 99: the <b>model</b> has 30."})
    expect(page.get_by_role("alert")).to_have_text("There is no query 99: the <b>model</b> has 30.")
    assert not page.locator(".extra > *").count()


def test_without_an_answer_from_the_app_that_is_said(page):
    page.unroute("**/api/why/**")
    page.route("**/api/why/**", lambda route: route.abort())
    page.evaluate("window.why('/api/why/run/best/4?query=1', {})")
    expect(page.get_by_role("alert")).to_contain_text("is it still running?")


def test_a_note_is_shown(page):
    ask(page, "query=7", {**QUERY, "note": "It was saved at another step."})
    expect(page.locator(".why-note")).to_have_text("It was saved at another step.")


def test_while_the_model_thinks_it_is_said_and_an_answer_that_nobody_waits_for_is_dropped(page):
    held = []
    page.unroute("**/api/why/**")
    page.route("**/api/why/**", lambda route: held.append(route))  # noqa: PLW0108 (Playwright takes no built-in)
    page.evaluate("void window.why('/api/why/run/best/4?query=1', {prediction: true})")
    expect(page.get_by_role("status")).to_have_text("Asking the model …")
    page.evaluate("void window.why('/api/why/run/best/4?query=2', {prediction: true})")
    page.wait_for_function("document.querySelector('#host > div').dataset.url.endsWith('=2')")
    while len(held) < 2:
        page.wait_for_timeout(20)
    held[1].fulfill(body=json.dumps({**QUERY, "query": 2}), content_type="application/json")
    expect(page.get_by_role("heading", name="Query 2")).to_be_visible()
    held[0].fulfill(body=json.dumps({**QUERY, "query": 1}), content_type="application/json")
    page.wait_for_timeout(300)
    assert page.locator("h3").all_inner_texts() == ["Query 2: car 0.61"]


def test_hiding_takes_everything_from_the_picture(page):
    ask(page, "query=7", QUERY)
    expect(page.locator(".extra rect")).to_have_count(3)
    page.evaluate("window.hide()")
    assert not page.locator(".extra > *").count()
    assert page.evaluate("document.querySelector('.heat').width") == 0


def test_the_process_is_warmed_up_for_the_models_address(page):
    page.evaluate("window.warm('/api/why/20261126-073608-8f8e/best', 'secret')")
    while not page.asked:
        page.wait_for_timeout(20)
    assert page.asked == ["/api/why/warm?run=20261126-073608-8f8e&model=best"]
    assert page.sent == [("POST", "secret")]

"""The components' scripts as Streamlit loads them, in a real browser: once a page, kept over reruns, and let go.

Needs Chromium; skipped without it, unless DETR_LAB_NEEDS_BROWSER says that it must be there.
"""

from playwright.sync_api import expect

from tests import pages_in_browser
from tests.chromium import needs_chromium
from tests.pages_in_browser import BOXES, WAIT, open_tab
from ui.server.scripts import VERSION, loader

COUNT_LISTENERS = """
    window.listening = 0
    for (const [name, step] of [["addEventListener", 1], ["removeEventListener", -1]]) {
        const real = document[name].bind(document)
        document[name] = (type, ...more) => { if (type === "keydown") listening += step; real(type, ...more) }
    }
"""
ROUNDS = 100
CALL_IN_ORDER = """async (texts) => {
    const orders = []
    for (const text of texts) {
        window.order = []
        const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }))
        const component = (number) => ({ parentElement: document.body, data: [number, "session", number] })
        const call = async (number) => (await import(url)).default(component(number))
        const first = call(1)
        await new Promise((done) => setTimeout(done, Math.random() * 4))
        await Promise.all([first, call(2), call(3)])
        orders.push(order)
    }
    return orders
}"""

pytestmark = needs_chromium
address, page = pages_in_browser.address, pages_in_browser.page


def open_pictures(page, address: str) -> None:
    page.goto(f"{address}/data")
    expect(page.locator(".dl-chart .main-svg").first).to_be_visible()
    open_tab(page, "Images")
    expect(page.locator(BOXES).first).to_be_attached()


def test_scripts_come_once_from_the_route_and_a_rerun_keeps_what_they_made(page, address):
    asked = []
    page.on("request", lambda request: "/api/js/" in request.url and asked.append(request.url))
    open_pictures(page, address)
    assert {f"{address}/api/js/{VERSION}/ui/{name}" for name in ("gallery/gallery.js", "charts/chart.js")} <= set(asked)
    assert len(asked) == len(set(asked))
    before = len(asked)
    page.locator(".gallery").evaluate("root => { root.dataset.same = 'yes' }")
    page.locator(".gallery .foot button", has_text="Next").click()
    expect(page.locator(".gallery .foot span")).to_contain_text("25–")
    assert page.locator(".gallery[data-same]").count() == 1 and len(asked) == before


def test_what_a_component_listens_to_ends_with_its_page(page, address):
    page.add_init_script(COUNT_LISTENERS)
    open_pictures(page, address)
    on_data = page.evaluate("listening")
    page.get_by_role("link", name="Train").click()
    expect(page.locator(".gallery")).to_have_count(0)
    page.wait_for_function("n => listening < n", arg=on_data)


def test_what_comes_while_a_script_loads_is_never_followed_by_what_is_older(context, address):
    page = context.new_page()
    page.route("**/api/js/**", lambda route: route.fulfill(
        content_type="text/javascript", body="export default ({ data }) => { order.push(data) }",
    ))  # fmt: skip
    page.goto(f"{address}/_stcore/health")
    texts = [loader("ui/charts/chart.js").replace(".js", f".js?{i}") for i in range(ROUNDS)]
    for shown in page.evaluate(CALL_IN_ORDER, texts):
        assert shown == sorted(shown) and shown[-1] == 3
    page.close()


def test_a_script_that_cannot_be_loaded_is_told_and_the_page_stays(context, address):
    page = context.new_page()
    page.route("**/api/js/**", lambda route: route.abort())
    page.goto(f"{address}/data")
    expect(page.get_by_text("A part of the page did not load.").first).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("link", name="Train")).to_be_visible()
    page.unroute("**/api/js/**")
    page.reload()
    expect(page.locator(".dl-chart .main-svg").first).to_be_visible()
    page.close()

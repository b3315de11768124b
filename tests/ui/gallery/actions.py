"""What a user does with the gallery of lone_gallery.py, and what is seen of it then."""

import re


def show(page, data: dict, key="host") -> None:
    page.evaluate("([data, key]) => { show(data, key) }", [data, key])
    painted(page)


def painted(page) -> None:
    """The component draws with the next picture that the screen shows; the observers call after that one."""
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(go))))")


def told(page) -> list:
    return page.evaluate("told.splice(0)")


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
    painted(page)


def slide(page, score: float, bar=0) -> None:
    page.locator(".toolbar .score input").nth(bar).fill(str(score))
    painted(page)


def check(page, name: str, bar=0) -> None:
    page.locator(".toolbar").nth(bar).get_by_text(name, exact=True).click()
    painted(page)


def cell(page, place: int):
    return page.locator(".grid .cell").nth(place)


def boxes(page, place: int, within="path.box") -> list[list[str]]:
    """The classes of each box on a cell's picture, without "box"."""
    names = cell(page, place).locator(within).evaluate_all("all => all.map((one) => one.getAttribute('class'))")
    return [name.split()[1:] for name in names]


def captions(page) -> list[str]:
    return page.locator(".grid .cell .errors").all_inner_texts()


def open_large(page, place=0) -> None:
    cell(page, place).click()
    page.locator("dialog.large[open]").wait_for()
    painted(page)


def large(page):
    return page.locator("dialog.large")


def lines(page, kind="", stage=0) -> list[str]:
    """The corners x1 y1 x2 y2 of the boxes in large, of those with all classes in `kind` (".hot.partner")."""
    found = large(page).locator(".stage").nth(stage).locator(f"g.boxes path.box{kind}")
    return corners(found.evaluate_all("all => all.map((one) => one.getAttribute('d'))"))


def corners(paths: list[str]) -> list[str]:
    return [" ".join(re.findall(r"[\d.]+", path)[:4]) for path in paths]


def spot(page, x: float, y: float, stage=0) -> tuple[float, float]:
    """Where on the screen a point of the picture in large is."""
    area = large(page).locator(".stage .frame").nth(stage).bounding_box()
    return area["x"] + area["width"] * x / 240, area["y"] + area["height"] * y / 180


def under(page, at: tuple[float, float], stage=0) -> tuple[float, float]:
    """Which point of the picture in large is at a place on the screen."""
    area = large(page).locator(".stage .frame").nth(stage).bounding_box()
    return (at[0] - area["x"]) / area["width"] * 240, (at[1] - area["y"]) / area["height"] * 180


# In large


def click(page, x: float, y: float, stage=0) -> None:
    page.mouse.click(*spot(page, x, y, stage))
    painted(page)


def move_to(page, x: float, y: float, stage=0) -> None:
    page.mouse.move(*spot(page, x, y, stage))
    painted(page)


def wheel(page, up: int) -> None:
    """Turns the wheel, and waits until the page has heard of it."""
    page.evaluate("""() => {
        const once = { once: true, capture: true, passive: true }
        window.wheeled = new Promise((go) => addEventListener("wheel", go, once))
    }""")
    page.mouse.wheel(0, -up)
    page.evaluate("wheeled.then(() => {})")
    painted(page)


def drag(page, start: tuple, by: tuple) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2, steps=3)
    page.mouse.move(start[0] + by[0], start[1] + by[1], steps=3)
    page.mouse.up()
    painted(page)


def row(page, n: int):
    return large(page).locator("tbody tr").nth(n)


def area(page, stage=0) -> dict:
    return large(page).locator(".stage .frame").nth(stage).bounding_box()


def zoom(page, stage=0) -> float:
    """How many times larger than whole."""
    room = large(page).locator(".stage").nth(stage).bounding_box()
    return area(page, stage)["width"] / min(room["width"], room["height"] * 240 / 180)


def title(page) -> str:
    return large(page).locator("h2").inner_text()

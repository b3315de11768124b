// The gallery: thumbnails with boxes over them, a toolbar that acts at once in the browser, and one image in large.
// boxes.js, which draws the boxes and their labels, and element.js are appended to this file. Names from files are only
// ever set as textContent. One `view` object for each mounted component.

const views = new WeakMap()

export default function (component) {
  const { parentElement, data, setTriggerValue } = component
  let view = views.get(parentElement)
  if (!view) {
    view = makeView(parentElement.querySelector(".gallery"))
    views.set(parentElement, view)
  }
  view.tell = setTriggerValue
  if (view.signature !== data.signature) {
    const turned = view.signature !== undefined && view.data.page !== data.page
    view.signature = data.signature
    view.data = data
    view.root.classList.toggle("plain", Boolean(data.plain)) // ground truth alone: nothing to toggle or to score
    if (view.given !== data.score) view.score = view.given = data.score
    fill(view)
    if (turned && view.root.getBoundingClientRect().top < 0) view.root.scrollIntoView()
  }
  refresh(view)
  return () => {
    document.removeEventListener("keydown", view.onkey)
    view.resizer.disconnect()
    views.delete(parentElement)
  }
}

// --- the page's elements ---------------------------------------------------------------------------------------

function button(className, text, name, parent, onclick) {
  const made = element("button", className, text, parent)
  made.type = "button"
  if (name) { made.setAttribute("aria-label", name); made.title = name }
  made.onclick = onclick
  return made
}

function makeView(root) {
  const view = { root, cells: [], bars: [], score: 0.5, open: null, show: { truths: true, predictions: true, labels: true } }
  makeToolbar(view, root)
  view.grid = element("div", "grid", "", root)
  view.foot = element("nav", "foot", "", root)
  view.foot.setAttribute("aria-label", "Pages of images")
  makeLarge(view)
  view.onkey = (event) => onKey(view, event)
  document.addEventListener("keydown", view.onkey)
  view.resizer = new ResizeObserver(() => refresh(view))
  view.resizer.observe(view.grid)
  return view
}

/** Legend, toggles and the score slider; once above the grid and once in the large view, always in step. */
function makeToolbar(view, parent) {
  const bar = { root: element("div", "toolbar", "", parent), checks: {} }
  for (const [key, mark, words] of [["truths", "mark-truth", "Ground truth"], ["predictions", "mark-prediction",
    "Predictions"], ["labels", "mark-label", "Labels"]]) {
    const label = element("label", `check check-${key}`, "", bar.root)
    const check = element("input", "", "", label)
    check.type = "checkbox"
    check.onchange = () => { view.show[key] = check.checked; refresh(view) }
    bar.checks[key] = check
    element("i", "mark " + mark, "", label).setAttribute("aria-hidden", "true")
    element("span", "", words, label)
  }
  for (const [mark, words] of [["mark-missed", "missed"], ["mark-crowd", "crowd"]]) {
    const item = element("span", `legend legend-${words}`, "", bar.root)
    element("i", "mark " + mark, "", item).setAttribute("aria-hidden", "true")
    element("span", "", words, item)
  }
  const label = element("label", "score", "", bar.root)
  element("span", "", "Show from score", label)
  bar.slider = element("input", "", "", label)
  Object.assign(bar.slider, { type: "range", min: 0.05, max: 0.95, step: 0.01 })
  bar.number = element("output", "", "", label)
  bar.slider.oninput = () => { view.score = Number(bar.slider.value); refresh(view) }
  bar.use = button("use", "Count with it", "", bar.root, () => view.tell("score", view.score))
  bar.use.title = "Counts, filters and order go by this score too."
  view.bars.push(bar)
}

/** The grid's cells, one a picture; the boxes follow in `refresh`. */
function fill(view) {
  const { images, page, pages, first, total } = view.data
  view.cells = images.map((image, index) => {
    const cell = button("cell", "", "", null, () => openLarge(view, index))
    const frame = element("span", "frame", "", element("span", "window", "", cell))
    frame.style.aspectRatio = `${image.w} / ${image.h}`
    frame.style.width = `${Math.min(100, (75 * image.w) / image.h)}%` // whole inside the window's 4:3
    const picture = element("img", "", "", frame)
    picture.alt = ""
    picture.loading = "lazy"
    picture.onerror = () => frame.classList.add("lost")
    picture.src = source(image, 320)
    const layer = makeLayer(frame, image)
    const caption = element("span", "caption", "", cell)
    element("span", "name", image.name, caption)
    return { image, cell, layer, errors: element("span", "errors", "", caption) }
  })
  view.grid.replaceChildren(...view.cells.map((c) => c.cell))
  view.foot.replaceChildren()
  view.foot.hidden = pages < 2
  button("turn", "‹ Previous", "", view.foot, () => view.tell("turn", -1)).disabled = page <= 1
  element("span", "", `Images ${first}–${first + images.length - 1} of ${total}`, view.foot)
  button("turn", "Next ›", "", view.foot, () => view.tell("turn", 1)).disabled = page >= pages
}

function source(image, width) {
  return `${image.source}?w=${width}`
}

/** Everything that depends on the toolbar: the boxes of all cells and of the large view. */
function refresh(view) {
  if (!view.data) return
  for (const bar of view.bars) {
    for (const [key, check] of Object.entries(bar.checks)) check.checked = view.show[key]
    bar.slider.value = view.score
    bar.number.textContent = view.score.toFixed(2)
    const differs = Math.abs(view.score - view.data.score) > 0.004
    bar.use.classList.toggle("idle", !differs) // keeps its place, so that nothing jumps
    bar.use.disabled = !differs
  }
  for (const { layer } of view.cells) measure(layer) // all before the first change: one layout instead of 24
  for (const { image, cell, layer, errors } of view.cells) {
    const state = judge(view, image)
    drawLayer(view, layer, image, state, false)
    errors.textContent = view.data.plain ? counted(state.truths.length, "object") : counted(state.errors, "error")
    errors.classList.toggle("none", view.data.plain || !state.errors)
    cell.setAttribute("aria-label", `${image.name}: ${counted(state.truths.length, "object")}, ` + (view.data.plain ? "" :
      `${state.predictions.length} predictions, ${state.errors} errors. `) + "Open in large.")
  }
  if (view.open !== null) showLarge(view)
}

function counted(count, word) {
  return `${count || "no"} ${word}${count === 1 ? "" : "s"}`
}

// --- keys and the large view -----------------------------------------------------------------------------------

function onKey(view, event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
  if (!step || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return
  const target = event.composedPath()[0]
  if (target instanceof Element && target.closest("input, textarea, select, [contenteditable], [role]:not(dialog)")) return
  if (view.open !== null) return turnLarge(view, step)
  if (document.querySelector("[role=dialog]")) return
  const { page, pages } = view.data
  if (page + step >= 1 && page + step <= pages) view.tell("turn", step)
}

function makeLarge(view) {
  const large = element("dialog", "large", "", view.root)
  const head = element("header", "", "", large)
  const title = element("h2", "", "", head)
  const place = element("span", "place", "", head)
  const previous = button("turn", "‹", "Previous image", head, () => turnLarge(view, -1))
  const next = button("turn", "›", "Next image", head, () => turnLarge(view, 1))
  button("turn", "✕", "Close", head, () => large.close())
  makeToolbar(view, large)
  const body = element("div", "body", "", large)
  const stage = element("div", "stage", "", body)
  const side = element("div", "side", "", body)
  large.onclick = (event) => { if (event.target === large) large.close() }
  large.onclose = () => { view.cells[view.open]?.cell.focus(); view.open = null }
  view.large = { large, title, place, previous, next, stage, side, shown: null }
}

function openLarge(view, index) {
  view.open = index
  view.large.shown = null
  view.large.large.showModal()
  refresh(view)
}

function turnLarge(view, step) {
  if (!view.cells[view.open + step]) return
  view.open += step
  refresh(view)
}

function showLarge(view) {
  const { large } = view
  const cell = view.cells[view.open]
  if (!cell) return large.large.close()
  const { image } = cell
  if (large.shown !== image) {
    large.shown = image
    large.title.textContent = image.name
    large.place.textContent = `${image.w} × ${image.h} px · ${view.open + 1} of ${view.cells.length} on this page`
    large.previous.disabled = view.open === 0
    large.next.disabled = view.open === view.cells.length - 1
    const frame = element("span", "frame")
    frame.style.aspectRatio = `${image.w} / ${image.h}`
    frame.style.setProperty("--ratio", image.w / image.h)
    const picture = element("img", "", "", frame)
    picture.alt = image.name
    picture.onerror = () => frame.classList.add("lost")
    picture.src = source(image, 1280)
    large.layer = makeLayer(frame, image)
    large.stage.replaceChildren(frame)
  }
  const state = judge(view, image)
  measure(large.layer)
  const boxes = drawLayer(view, large.layer, image, state, true)
  large.side.replaceChildren(makeTable(view, state, boxes))
}

function makeTable(view, state, boxes) {
  const table = element("table")
  const head = element("tr", "", "", element("thead", "", "", table))
  const { plain } = view.data
  const columns = plain ? ["Box", "Class", "Size", "Width × height", ""] : ["Box", "Class", "Score", "IoU", "Size", "Verdict"]
  for (const words of columns) element("th", "", words, head).scope = "col"
  const body = element("tbody", "", "", table)
  const number = (value) => (value == null ? "" : value.toFixed(2))
  const rows = [...state.predictions, ...state.truths]
  for (const item of rows) {
    const row = element("tr", item.error !== null ? "wrong" : "", "", body)
    const cell = element("td", "", "", row)
    element("i", "mark " + item.mark, "", cell).setAttribute("aria-hidden", "true")
    element("span", "", item.prediction ? "Prediction" : "Ground truth", cell)
    const sides = `${Math.round(item.x2 - item.x1)} × ${Math.round(item.y2 - item.y1)} px`
    const cells = plain ? [item.class, item.size, sides, item.mark === "mark-crowd" ? item.verdict : ""]
      : [item.class, number(item.score), number(item.iou), item.size, item.verdict]
    for (const words of cells) element("td", "", words, row)
    if (item.hint) row.title = item.hint
    row.onmouseenter = () => boxes.get(item)?.classList.add("hot")
    row.onmouseleave = () => boxes.get(item)?.classList.remove("hot")
  }
  if (!rows.length) element("caption", "", plain ? "No objects of these classes." :
    "No ground truth, and no prediction with this score.", table)
  return table
}

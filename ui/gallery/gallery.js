// The gallery: thumbnails with boxes over them, a toolbar that acts at once in the browser, and one image in large.
//
// toolbar.js, keys.js, boxes.js (what a box is), labels.js (its words), large.js with stage.js and side.js (one image),
// scrubber.js (epochs), why.js and element.js are appended to this file. Names from files are only ever set as
// textContent. One `view` object for each mounted component.

const views = new WeakMap()
const NEAR = "60px" // so far below and above what is in sight cells are kept up to date

export default function (component) {
  const { parentElement, data, setTriggerValue } = component
  let view = views.get(parentElement)
  if (!view) {
    view = makeView(parentElement.querySelector(".gallery"))
    views.set(parentElement, view)
  }
  view.tell = setTriggerValue
  if (data.marked) view.marked = new Set(data.marked)
  view.canMark = Boolean(data.marked)
  if (view.signature !== data.signature) take(view, data)
  refresh(view)
  return whenGone(parentElement, () => {
    document.removeEventListener("keydown", view.onkey)
    view.resizer.disconnect()
    view.watcher.disconnect()
    stopPlaying(view)
    views.delete(parentElement)
  })
}

/** A new page from the server. */
function take(view, data) {
  const before = view.data
  view.signature = data.signature
  view.data = JSON.parse(data.page)
  for (const name of ["plain", "bare"]) view.root.classList.toggle(name, Boolean(view.data[name]))
  view.root.classList.toggle("crops", view.data.images.some((image) => image.crop))
  view.root.dataset.layout = view.data.layout ?? "one"
  if (view.given !== view.data.score) view.score = view.given = view.data.score
  takeFrames(view, before)
  fill(view)
  const turned = before && before.page !== view.data.page
  if (turned && view.root.getBoundingClientRect().top < 0) view.root.scrollIntoView()
  if (view.arriveAt && view.cells.length) { // the large view went over the page's end
    openLarge(view, view.arriveAt === "last" ? view.cells.length - 1 : 0)
  } else if (view.open !== null) {
    keepLarge(view)
  }
  view.arriveAt = null
  const fetchAhead = () => { for (const image of view.data.ahead ?? []) new Image().src = source(image, 320) }
  setTimeout(fetchAhead, 400) // the next page's pictures, once this one's are there
}

function makeView(root) {
  const view = { root, cells: [], bars: [], score: 0.5, open: null, at: 0, marked: new Set(), hovered: null, drawn: 0,
    ready: null, show: { truths: true, predictions: true, labels: true, onlyErrors: false } }
  makeToolbar(view, root)
  view.scrubber = makeScrubber(view, root)
  view.grid = element("div", "grid", "", root)
  view.foot = element("nav", "foot", "", root)
  view.foot.setAttribute("aria-label", "Pages of images")
  makeLarge(view)
  makeHelp(view)
  view.onkey = (event) => onKey(view, event)
  document.addEventListener("keydown", view.onkey)
  view.resizer = new ResizeObserver(() => { view.drawn += 1; refresh(view) })
  view.resizer.observe(view.grid)
  // only what is in sight is drawn: a slider step over 96 pictures then costs what is seen of them
  view.watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const cell = view.cells.find((one) => one.cell === target)
      if (cell) cell.near = isIntersecting
    }
    refreshCells(view)
  }, { rootMargin: NEAR })
  return view
}

// --- the grid --------------------------------------------------------------------------------------------------

/** Which models are drawn on which picture of a cell. */
function panesOf(view) {
  const { layout } = view.data
  return layout === "beside" ? [[0], [1]] : layout === "over" ? [[0, 1]] : layout === "frames" ? [[view.at]] : [[0]]
}

/** The grid's cells, one a picture; the boxes follow in `refresh`. */
function fill(view) {
  const { images, page, pages, first, total, layout } = view.data
  view.watcher.disconnect()
  view.hovered = null
  view.cells = images.map((image, index) => makeCell(view, image, index))
  view.grid.replaceChildren(...view.cells.map((c) => c.cell))
  for (const { cell } of view.cells) view.watcher.observe(cell)
  view.foot.replaceChildren()
  view.foot.hidden = pages < 2 || layout === "frames"
  button("turn", "‹ Previous", "", view.foot, () => view.tell("turn", -1)).disabled = page <= 1
  const last = (first + images.length - 1).toLocaleString("en")
  element("span", "", `${first.toLocaleString("en")}–${last} of ${total.toLocaleString("en")}`, view.foot)
  button("turn", "Next ›", "", view.foot, () => view.tell("turn", 1)).disabled = page >= pages
}

function makeCell(view, image, index) {
  const cell = button("cell", "", "", null, () => openLarge(view, index))
  cell.onmouseenter = () => {
    view.hovered = index
    if (!view.ready) getReady(view)
  }
  cell.onmouseleave = () => { if (view.hovered === index) view.hovered = null }
  const part = partOf(image)
  const made = { image, cell, index, near: index < 12, boxes: new Map(), panes: [] }
  const windows = element("span", "windows", "", cell)
  for (const models of panesOf(view)) {
    const frame = element("span", "frame", "", element("span", "window", "", windows))
    frame.style.aspectRatio = `${part.w} / ${part.h}`
    // whole inside the window, which is 4:3, or square for parts
    frame.style.width = `${Math.min(100, ((image.crop ? 100 : 75) * part.w) / part.h)}%`
    const picture = element("img", "", "", frame)
    picture.alt = ""
    picture.loading = index < 12 ? "eager" : "lazy"
    picture.decoding = "async"
    picture.onerror = () => frame.classList.add("lost")
    picture.src = source(image, 320)
    made.panes.push({ models, layer: makeLayer(frame, part), drawn: null })
  }
  const caption = element("span", "caption", "", cell)
  made.name = element("span", "name", image.name, caption)
  made.errors = element("span", "errors", "", caption)
  made.star = element("span", "star", "★", cell)
  made.star.setAttribute("aria-hidden", "true")
  return made
}

/** What of the original image a cell shows. */
function partOf(image) {
  const [x, y, x2, y2] = image.crop ?? [0, 0, image.w, image.h]
  return { x, y, w: x2 - x, h: y2 - y }
}

function source(image, width, whole = false) {
  const crop = image.crop && !whole ? `&crop=${image.crop.join(",")}` : ""
  return `${image.source}?w=${width}${crop}`
}

/** Everything that depends on the toolbar, in the next picture that the screen shows. */
function refresh(view) {
  if (!view.data || view.waiting) return
  view.waiting = true
  requestAnimationFrame(() => {
    view.waiting = false
    refreshToolbars(view)
    refreshCells(view)
    if (view.open !== null) showLarge(view)
  })
}

function refreshCells(view) {
  if (!view.data) return
  const near = view.cells.filter((cell) => cell.near)
  for (const { panes } of near) { // all before the first change: one layout instead of 24
    for (const { layer } of panes) if (layer.measured !== view.drawn) measure(layer, view.drawn)
  }
  for (const cell of near) refreshCell(view, cell)
}

function refreshCell(view, cell) {
  const { image, panes } = cell
  const states = panesOf(view).map((models, i) => {
    panes[i].models = models
    return models.map((m) => judge(view, boxesOf(view, cell, m), m))
  })
  const labelled = panes.map((pane, i) => drawThumbnail(view, pane, states[i], image))
  if (!labelled.some(Boolean) && cell.captioned === captionKey(view, cell)) return
  cell.captioned = captionKey(view, cell)
  const flat = states.flat(), { plain, bare } = view.data
  const count = (state) => (plain ? state.truths.length : bare ? state.predictions.length : state.errors)
  const word = plain ? "object" : bare ? "box" : "error"
  const lit = image.lit && !plain ? litItem(flat.at(-1), image.lit) : null
  if (lit) cell.name.textContent = litText(lit)
  cell.errors.textContent = lit ? litFigure(lit) : flat.length > 1 ? `${count(flat[0])} → ${count(flat[1])} ${plural(word)}` : counted(count(flat[0]), word)
  cell.errors.classList.toggle("none", plain || bare || lit && lit.error === null || !flat.at(-1).errors)
  const marked = view.marked.has(image.id)
  cell.cell.classList.toggle("marked", marked)
  const { truths, predictions, errors } = flat.at(-1)
  const words = plain ? counted(truths.length, "object") : bare ? counted(predictions.length, "prediction")
    : `${counted(truths.length, "object")}, ${counted(predictions.length, "prediction")}, ${counted(errors, "error")}`
  cell.cell.setAttribute("aria-label",
    `${image.name}${lit ? `, ${litText(lit)}` : ""}: ${words}${marked ? ", marked" : ""}. Open in large.`)
}

function captionKey(view, { image }) {
  return `${view.marked.has(image.id)} ${view.at}`
}

/** The box that a part of an image is about, if it is there at the slider's score. */
function litItem(state, lit) {
  return [...state.truths, ...state.predictions].find((item) => isLit(item, lit)) ?? null
}

function litText(item) {
  const score = item.prediction ? ` ${item.score.toFixed(2)}` : ""
  return `${item.class}${score} · ${item.verdict.toLowerCase()}`
}

function litFigure(item) {
  if (item.prediction) return item.iou === null ? "" : `IoU ${item.iou.toFixed(2)}`
  return `${Math.round(item.x2 - item.x1)} × ${Math.round(item.y2 - item.y1)} px`
}

function counted(count, word) {
  return `${count || "no"} ${count === 1 ? word : plural(word)}`
}

function plural(word) {
  return word + (word.endsWith("x") ? "es" : "s")
}

function toggleMark(view, image) {
  if (!view.canMark) return
  const on = !view.marked.has(image.id)
  if (on) view.marked.add(image.id)
  else view.marked.delete(image.id)
  view.tell("mark", { id: image.id, on })
  refresh(view)
}

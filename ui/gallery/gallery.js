// The gallery: thumbnails with boxes over them, a toolbar that acts at once in the browser, and one image in large.
// Names from files are only ever set as text.
import { makeComponent } from "../js/component.js"
import { button, element } from "../js/element.js"
import { fitCells, makeCell, refreshCells } from "./cells.js"
import { goTo, stopPlaying, takeFrames } from "./controls/epochs.js"
import { makeHelp, onKey } from "./controls/keys.js"
import { makeScrubber } from "./controls/scrubber.js"
import { makeToolbar, refreshToolbars } from "./controls/toolbar.js"
import { keepLarge, makeLarge, openLarge, showLarge } from "./large/large.js"
import { newMend } from "./mend/mend.js"
import { LEAST } from "./overlay/iou.js"
import { PAPER } from "../js/print.js"
import { isPair, source } from "./state.js"
/** @import { Data, Page } from "./page" */
/** @import { View } from "./types" */

const NEAR = "60px" // so far below and above what is in sight cells are kept up to date
const PATIENCE = 400 // ms until the next page's pictures are fetched, once this one's are there

export default makeComponent({
  root: ".gallery",
  make: makeView,
  signature: (/** @type {Data} */ data) => data.signature,
  connect: (view, data, tell) => {
    view.tell = tell
    if (data.marked) view.marked = new Set(data.marked)
    view.canMark = Boolean(data.marked)
    view.token = data.token
    const iou = data.iou ?? LEAST
    if (view.givenIou !== iou) view.iou = view.givenIou = iou
  },
  take,
  show: (view) => view.refresh(),
  print: (view, isPrinting) => {
    view.drawn += 1
    if (isPrinting) fitCells(view, PAPER / (isPair(view) ? 4 : 3)) // as many pictures side by side: gallery.css
    refreshCells(view)
  },
  leave: (view) => {
    document.removeEventListener("keydown", view.onkey)
    view.resizer.disconnect()
    view.watcher.disconnect()
    stopPlaying(view)
  },
})

/**
 * Make a gallery without a page.
 * @param {HTMLElement} root
 */
function makeView(root) {
  /** @type {Partial<View>} */
  const state = { root, cells: [], bars: [], score: 0.5, iou: LEAST, open: null, at: 0, marked: new Set(), hovered: null, drawn: 0,
    ready: null, arriveAt: null, waiting: false, mend: newMend(), place: { k: 1, x: 0.5, y: 0.5 },
    show: { truths: true, predictions: true, labels: true, onlyErrors: false } }
  const view = /** @type {View} */ (state) // the elements follow, and the page with `take`
  view.refresh = () => refresh(view)
  makeToolbar(view, root)
  view.scrubber = makeScrubber(root, (at) => goTo(view, at)) // of every frame of the page
  view.scrubber.root.hidden = true
  view.grid = element("div", "grid", "", root)
  view.foot = element("nav", "foot", "", root)
  view.foot.setAttribute("aria-label", "Pages of images")
  view.large = makeLarge(view)
  view.help = makeHelp(root)
  view.onkey = (event) => onKey(view, event)
  document.addEventListener("keydown", view.onkey)
  view.resizer = new ResizeObserver(() => { view.drawn += 1; view.refresh() })
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

/**
 * Show a new page from the server.
 * @param {View} view
 * @param {Data} data
 */
function take(view, data) {
  /** @type {Page | undefined} */
  const before = view.data
  view.signature = data.signature
  view.data = JSON.parse(data.page)
  const { images, layout, page, plain, bare, score, ahead } = view.data
  view.root.classList.toggle("plain", Boolean(plain))
  view.root.classList.toggle("bare", Boolean(bare))
  view.root.classList.toggle("crops", images.some((image) => image.crop))
  view.root.dataset.layout = layout ?? "one"
  if (view.given !== score) view.score = view.given = score
  takeFrames(view, before)
  fill(view)
  if (before && before.page !== page && view.root.getBoundingClientRect().top < 0) view.root.scrollIntoView()
  if (view.arriveAt && view.cells.length) { // the large view went over the page's end
    openLarge(view, view.arriveAt === "last" ? view.cells.length - 1 : 0)
  } else if (view.open !== null) {
    keepLarge(view)
  }
  view.arriveAt = null
  setTimeout(() => { for (const image of ahead ?? []) new Image().src = source(image, 320) }, PATIENCE)
}

/**
 * Make the grid's cells, one a picture, and the way to other pages; the boxes follow in `refresh`.
 * @param {View} view
 */
function fill(view) {
  const { images, page, pages, first, total, layout } = view.data
  view.watcher.disconnect()
  view.hovered = null
  view.cells = images.map((image, index) => makeCell(view, image, index))
  view.grid.replaceChildren(...view.cells.map(({ cell }) => cell))
  for (const { cell } of view.cells) view.watcher.observe(cell)
  view.foot.replaceChildren()
  view.foot.hidden = pages < 2 || layout === "frames"
  button("turn", "‹ Previous", "", view.foot, () => view.tell("turn", -1)).disabled = page <= 1
  const last = (first + images.length - 1).toLocaleString("en")
  element("span", "", `${first.toLocaleString("en")}–${last} of ${total.toLocaleString("en")}`, view.foot)
  button("turn", "Next ›", "", view.foot, () => view.tell("turn", 1)).disabled = page >= pages
}

/**
 * Draw everything that depends on the toolbar, in the next picture that the screen shows.
 * @param {View} view
 */
function refresh(view) {
  if (view.waiting) return
  view.waiting = true
  requestAnimationFrame(() => {
    view.waiting = false
    refreshToolbars(view)
    refreshCells(view)
    if (view.open !== null) showLarge(view)
  })
}

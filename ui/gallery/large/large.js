// One image in large: its stage or stages, and beside them what is known of its boxes.
import { button, element } from "../../js/element.js"
import { askEpochs, showEpochs } from "../controls/epochs.js"
import { pause } from "../controls/scrubber.js"
import { makeToolbar } from "../controls/toolbar.js"
import { areOne, boxesOf, inFilter, judge, unpack } from "../overlay/boxes.js"
import { makeLabels } from "../overlay/labels.js"
import { drawBoxes, shownItems } from "../overlay/layer.js"
import { showHandles } from "../mend/handles.js"
import { lookAt, tellCorrections } from "../mend/mend.js"
import { showTools } from "../mend/tools.js"
import { panesOf, toggleMark } from "../state.js"
import { forgetWhy } from "./ask.js"
import { chosenOn, hideTip, keyOf, lightUp } from "./chosen.js"
import { makeSide, showSide } from "./side.js"
import { layStage, makeStage, toggleFullSize, zoomByKey } from "./stage.js"
import { warmWhy } from "../why/why.js"
/** @import { Picture } from "../page" */
/** @import { Boxes, Cell, Judged, Large, Stage, View } from "../types" */

/**
 * Make the dialog, which shows nothing yet.
 * @param {View} view
 * @returns {Large}
 */
export function makeLarge(view) {
  const large = element("dialog", "large", "", view.root)
  const head = element("header", "", "", large)
  const title = element("h2", "", "", head)
  const place = element("span", "place", "", head)
  const mark = button("turn mark-it", "☆ Mark", "", head, () => {
    if (view.large.shown) toggleMark(view, view.large.shown)
  })
  mark.title = "Key m"
  button("turn", "−", "Further away", head, () => zoomByKey(view, "-"))
  button("turn", "+", "Nearer", head, () => zoomByKey(view, "+"))
  button("turn", "1:1", "Full size", head, () => toggleFullSize(view))
  const previous = button("turn", "‹", "Previous image", head, () => turnLarge(view, -1))
  const next = button("turn", "›", "Next image", head, () => turnLarge(view, 1))
  button("turn", "✕", "Close", head, () => large.close())
  makeToolbar(view, large)
  const body = element("div", "body", "", large)
  const left = element("div", "left", "", body)
  const holder = element("div", "stages", "", left)
  const epochs = element("div", "epochs", "", left)
  const side = element("div", "side", "", body)
  large.onclick = (event) => { if (event.target === large) large.close() }
  large.oncancel = (event) => { if (view.mend.isDrawing) leaveDrawing(view, event) }
  large.onclose = () => closeLarge(view)
  new ResizeObserver(() => { if (view.open !== null) view.refresh() }).observe(holder)
  return { large, title, place, mark, previous, next, holder, epochs, ...makeSide(view, side), stages: [], shown: null,
    chosen: null, pointed: null, item: null, isAsked: false, answered: null, stamp: "", scrub: null, kept: null,
    epoch: null }
}

/**
 * Open the image of a cell in large.
 * @param {View} view
 * @param {number} index
 */
export function openLarge(view, index) {
  view.open = index
  view.large.shown = null
  if (!view.large.large.open) view.large.large.showModal()
  warmUp(view)
  view.refresh()
}

/**
 * Load the model that can be asked why: by the time somebody asks it is there; it needs some seconds the first time.
 * @param {View} view
 */
export function warmUp(view) {
  const why = view.data.models.findLast((model) => model.why)?.why ?? null
  if (why) warmWhy(why, view.token)
  view.ready = why
}

/**
 * Close the large view; the focus goes back to the image's cell.
 * @param {View} view
 */
function closeLarge(view) {
  if (view.open === null) return
  const { large } = view, cell = view.cells[view.open]
  view.open = null
  large.shown = null
  large.isAsked = false
  view.arriveAt = null // who closes it while the next page comes does not want it back
  pause(large.scrub)
  if (large.large.open) large.large.close()
  cell?.cell.focus()
  tellCorrections(view)
}

/**
 * Leave drawing, not the large view.
 * @param {View} view
 * @param {Event} event
 */
function leaveDrawing(view, event) {
  event.preventDefault()
  view.mend.isDrawing = false
  view.refresh()
}

/**
 * Keep the image open after a new page if it is there, with what was chosen and where it was zoomed to.
 * @param {View} view
 */
export function keepLarge(view) {
  const { large } = view
  const index = view.cells.findIndex(({ image }) =>
    image.source === large.shown?.source && `${image.crop}` === `${large.shown.crop}`)
  if (index < 0) {
    closeLarge(view)
    return
  }
  view.open = index
  large.shown = view.cells[index].image
  large.stamp = ""
  tellPlace(view, large.shown, index)
  askEpochs(view, large.shown)
}

/**
 * Go to the next image of the page, or of the page after.
 * @param {View} view
 * @param {1 | -1} step
 */
export function turnLarge(view, step) {
  if (view.open === null || isEnd(view, view.open, step)) return
  if (view.cells[view.open + step]) {
    view.open += step
    view.refresh()
  } else if (!view.arriveAt) { // else it is on its way
    view.arriveAt = step > 0 ? "first" : "last"
    view.tell("turn", step)
  }
}

/**
 * Check whether there is no image after that of a cell, or before it, on any page.
 * @param {View} view
 * @param {number} index
 * @param {1 | -1} step
 */
function isEnd({ cells, data: { layout, page, pages } }, index, step) {
  return !cells[index + step] && (layout === "frames" || page + step < 1 || page + step > pages)
}

/**
 * Bring the large view up to date.
 * @param {View} view
 */
export function showLarge(view) {
  const { large, open } = view
  const cell = open === null ? null : view.cells[open]
  if (open === null || !cell) {
    closeLarge(view)
    return
  }
  if (large.shown !== cell.image) bringImage(view, cell, open)
  const isMarked = view.marked.has(cell.image.id)
  large.mark.hidden = !view.canMark
  large.mark.textContent = isMarked ? "★ Marked" : "☆ Mark"
  large.mark.setAttribute("aria-pressed", String(isMarked))
  const isFrames = view.data.layout === "frames"
  if (isFrames && large.chosen) large.chosen.model = view.at // a query keeps its number over the epochs
  for (const stage of large.stages) if (isFrames) stage.models = [view.at]
  showSide(view, large.stages.flatMap((stage) => showStage(view, cell, stage)))
  showTools(view)
  showEpochs(view)
}

/**
 * Draw the boxes of a stage; return what counts of each of its models.
 * @param {View} view
 * @param {Cell} cell
 * @param {Stage} stage
 * @returns {Judged[]}
 */
function showStage(view, cell, stage) {
  const states = stage.models.map((m) => judge(view, boxesInLarge(view, cell, m), m))
  layStage(view, stage)
  const shown = shownItems(view, states)
  for (const item of shown) item.dim = !inFilter(view.data.filter, item)
  stage.drawn = drawBoxes(stage.layer, shown, states.length > 1)
  const chosen = chosenOn(view, stage) // once a box is chosen, only it and what belongs to it are named
  const named = chosen ? shown.filter((item) => item === chosen || areOne(item, chosen)) : shown
  stage.layer.labels.replaceChildren(...(view.show.labels ? makeLabels(view, stage.layer, named, true) : []))
  lightUp(view, stage)
  showHandles(view, stage)
  return states
}

/**
 * Show another image than before.
 * @param {View} view
 * @param {Cell} cell
 * @param {number} index
 */
function bringImage(view, cell, index) {
  const { large, data } = view
  const { image } = cell
  Object.assign(large, { shown: image, chosen: null, stamp: "", kept: null, epoch: null })
  view.place = { k: 1, x: 0.5, y: 0.5 }
  large.title.textContent = image.name
  large.large.setAttribute("aria-label", image.name)
  tellPlace(view, image, index)
  large.holder.replaceChildren()
  const panes = panesOf(view)
  large.stages = panes.map((models, i) =>
    makeStage(view, large.holder, image, models, data.layout === "beside" ? data.models[i].label : "",
      (step) => turnLarge(view, step)))
  hideTip(view)
  forgetWhy(view)
  if (image.lit) {
    const model = panes[panes.length - 1].slice(-1)[0]
    const { lit } = boxesOf(view, cell, model)
    if (lit) large.chosen = keyOf(lit, model)
  }
  askEpochs(view, image)
  lookAt(view)
}

/**
 * Say where the image is among all, and whether there is one before and after it.
 * @param {View} view
 * @param {Picture} image
 * @param {number} index of its cell
 */
function tellPlace(view, image, index) {
  const { large, data } = view
  const number = (data.first + index).toLocaleString("en")
  large.place.textContent = `${image.w} × ${image.h} px · ${number} of ${data.total.toLocaleString("en")}`
  large.previous.disabled = isEnd(view, index, -1)
  large.next.disabled = isEnd(view, index, 1)
}

/**
 * Return the boxes as in the grid, unless another epoch was chosen; a box in large is whole, not of a part.
 * @param {View} view
 * @param {Cell} cell
 * @param {number} m
 * @returns {Boxes}
 */
function boxesInLarge(view, cell, m) {
  const { kept, epoch } = view.large
  if (kept && epoch !== null) {
    kept.boxes[epoch] ??= unpack({ ...view.data, ...kept }, kept.models[epoch], 0, { ...cell.image, lit: null })
    return kept.boxes[epoch]
  }
  return { ...boxesOf(view, cell, m), lit: null }
}

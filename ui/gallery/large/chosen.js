// The box under the pointer, and the chosen one: which it is, and how it and what belongs to it are brought out.
import { areOne } from "../overlay/boxes.js"
import { forgetWhy } from "./ask.js"
/** @import { Chosen, Item, Stage, View } from "../types" */

/**
 * Return by what a box is known again after everything was drawn anew.
 * @param {Item} item
 * @param {number} model
 * @returns {Chosen}
 */
export function keyOf(item, model) {
  return item.prediction ? { query: item.query, model } : { truth: item.id, model }
}

/**
 * Check whether a box is the chosen one.
 * @param {Item} item
 * @param {Chosen | null} key
 */
export function isChosen(item, key) {
  if (!key) return false
  return item.prediction ? key.query === item.query && key.model === item.model : key.truth === item.id
}

/**
 * Return the chosen box, if it is drawn on this stage: a prediction on its model's, a ground truth on every one.
 * @param {View} view
 * @param {Stage} stage
 */
export function chosenOn(view, stage) {
  return [...stage.drawn.keys()].find((item) => isChosen(item, view.large.chosen)) ?? null
}

/**
 * Choose a box, or none; the chosen one is let go.
 * @param {View} view
 * @param {Item | null} item
 */
export function choose(view, item) {
  const isSame = item && isChosen(item, view.large.chosen)
  view.large.chosen = item && !isSame ? keyOf(item, item.model) : null
  view.large.stamp = ""
  if (!view.large.chosen) forgetWhy(view)
  view.refresh()
}

/**
 * Return where on the picture the pointer is, in its pixels.
 * @param {Stage} stage
 * @param {PointerEvent} event
 * @returns {[x: number, y: number]}
 */
export function placeOf({ frame, image }, { clientX, clientY }) {
  const area = frame.getBoundingClientRect()
  return [((clientX - area.left) / area.width) * image.w, ((clientY - area.top) / area.height) * image.h]
}

/**
 * Return the box under the pointer: of several, the smallest.
 * @param {Stage} stage
 * @param {PointerEvent} event
 */
export function itemAt(stage, event) {
  const { frame, image, drawn } = stage, [x, y] = placeOf(stage, event)
  const slack = (4 / frame.getBoundingClientRect().width) * image.w
  const inside = [...drawn.keys()].filter((item) =>
    x >= item.x1 - slack && x <= item.x2 + slack && y >= item.y1 - slack && y <= item.y2 + slack)
  const size = (/** @type {Item} */ item) => (item.x2 - item.x1) * (item.y2 - item.y1)
  return inside.sort((a, b) => size(a) - size(b))[0] ?? null
}

/**
 * Bring out the box that the pointer has come to.
 * @param {View} view
 * @param {Stage} stage
 * @param {PointerEvent} event
 */
export function hover(view, stage, event) {
  const item = itemAt(stage, event)
  if (stage.over !== item) pointAt(view, stage, item, event)
}

/**
 * Bring out a box under the pointer, with its words beside the pointer; null: there is none.
 * @param {View} view
 * @param {Stage} stage
 * @param {Item | null} item
 * @param {PointerEvent} event
 */
export function pointAt(view, stage, item, event) {
  stage.over = item
  if (item) showTip(view, item, event)
  else hideTip(view)
  lightUp(view, stage)
}

/**
 * Bring out the chosen box, the one under the pointer, and what belongs to them.
 * @param {View} view
 * @param {Stage} stage
 */
export function lightUp(view, stage) {
  const chosen = chosenOn(view, stage)
  stage.layer.halo.classList.toggle("faded", Boolean(chosen))
  const lit = [chosen, stage.over, view.large.pointed].filter((item) => item !== null)
  for (const [item, rect] of stage.drawn) {
    const isLit = lit.includes(item)
    rect.classList.toggle("hot", isLit)
    rect.classList.toggle("partner", lit.some((one) => areOne(item, one)))
    rect.classList.toggle("faded", chosen !== null && item !== chosen && !areOne(item, chosen) && !isLit)
  }
}

// --- in words ----------------------------------------------------------------------------------------------------

/**
 * Show a box in a line beside the pointer.
 * @param {View} view
 * @param {Item} item
 * @param {PointerEvent} event
 */
function showTip(view, item, event) {
  const { tip } = view.large
  tip.classList.add("there")
  tip.textContent = inLine(view, item)
  const area = /** @type {Element} */ (tip.parentElement).getBoundingClientRect()
  tip.style.left = `${Math.min(event.clientX - area.left + 14, area.width - 280)}px`
  tip.style.top = `${event.clientY - area.top + 16}px`
}

/**
 * Hide the line beside the pointer.
 * @param {View} view
 */
export function hideTip(view) {
  view.large.tip.classList.remove("there")
}

/**
 * Return what is known of a box in a line.
 * @param {View} view
 * @param {Item} item
 */
export function inLine({ data: { plain, bare } }, item) {
  const parts = [item.class]
  if (item.prediction) {
    parts.push(`score ${item.score.toFixed(3)}`)
    if (item.iou !== null && !bare) parts.push(`IoU ${item.iou.toFixed(2)}`)
  }
  if (item.verdict && (!plain || item.mark === "mark-crowd")) parts.push(item.verdict)
  parts.push(item.prediction ? `query ${item.query}` : `annotation ${item.id}`)
  return parts.join(" · ")
}

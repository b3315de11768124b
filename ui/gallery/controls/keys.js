// The keys, and the list of them that `?` shows.
import { button, element } from "../../js/element.js"
import { askAlike } from "../large/alike.js"
import { askWhy } from "../large/ask.js"
import { openLarge, turnLarge } from "../large/large.js"
import { toggleFullSize, zoomByKey } from "../large/stage.js"
import { doCtrlKey, doKey } from "../mend/tools.js"
import { toggleMark } from "../state.js"
import { goTo } from "./epochs.js"
import { TOGGLES, isOffered, stepIou, toggle } from "./toolbar.js"
/** @import { View } from "../types" */

const KEYS = [
  ["← →", "previous, next image; over the end, the next page"],
  ["Enter", "the image that has the focus in large"],
  ["f", "the image under the pointer in large; there, full size and back"],
  ["+ − 0", "in large: nearer, further, whole"],
  ["g", "ground truth on, off"],
  ["p", "predictions on, off"],
  ["l", "labels on, off"],
  ["e", "only errors"],
  ["i I", "a higher, lower IoU from which a prediction is correct"],
  ["m", "mark the image"],
  ["Tab", "in large: from box to box in the table; Enter chooses one"],
  ["w", "why this box?"],
  ["s", "more boxes like this one"],
  ["a", "accept the chosen prediction: the labels agree with it; A: as a label of its own"],
  ["d c k", "of the chosen label: delete it, another class, crowd or not; drag it, or its handles"],
  ["n", "draw a new label"],
  ["u U", "undo, redo; also Ctrl+Z, Ctrl+Y"],
  ["Esc", "close"],
  ["?", "this list"],
]
const ZOOMING = new Set(["+", "=", "-", "0"])
const TYPING = "input:not([type=checkbox], [type=range]), textarea, select, [contenteditable]"
// what has a use for arrows itself
const ARROWED = "[type=range], [role]:not(dialog):not([role=group]):not([role=region]):not([role=navigation])"

/**
 * Make the list of keys, which a key opens.
 * @param {Element} parent
 */
export function makeHelp(parent) {
  const help = element("dialog", "help", "", parent)
  help.setAttribute("aria-label", "Keys")
  element("h2", "", "Keys", help)
  const list = element("dl", "", "", help)
  for (const [key, words] of KEYS) {
    element("kbd", "", key, element("dt", "", "", list))
    element("dd", "", words, list)
  }
  button("turn", "Close", "", help, () => help.close())
  help.onclick = (event) => { if (event.target === help) help.close() }
  return help
}

/**
 * Do what a key says, wherever it was pressed, unless somebody is typing or it is meant for something else.
 * @param {View} view
 * @param {KeyboardEvent} event
 */
export function onKey(view, event) {
  if (event.altKey || event.defaultPrevented) return
  const target = event.composedPath()[0]
  if (target instanceof Element && target.closest(TYPING)) return
  if (view.help.open) return
  if (event.ctrlKey || event.metaKey) {
    if (view.open !== null && doCtrlKey(view, event)) event.preventDefault()
    return
  }
  if (view.open === null) {
    if (document.querySelector("[role=dialog]")) return // Streamlit's own
    if (!isInSight(view)) return
  }
  if (act(view, event.key, target)) event.preventDefault()
}

/**
 * Check whether any of the gallery is in sight: a page may have two, or one in a tab that is closed.
 * @param {View} view
 */
function isInSight({ root }) {
  const { width, top, bottom } = root.getBoundingClientRect()
  return width > 0 && bottom > 0 && top < innerHeight
}

/**
 * Do what the key says; return whether it says anything.
 * @param {View} view
 * @param {string} key
 * @param {EventTarget} target
 */
function act(view, key, target) {
  const isLarge = view.open !== null
  if (key === "ArrowLeft" || key === "ArrowRight") return turn(view, key === "ArrowLeft" ? -1 : 1, target)
  if (isLarge && ZOOMING.has(key)) {
    zoomByKey(view, key)
    return true
  }
  const toggled = TOGGLES.find(([, , , letter]) => letter === key)
  if (toggled && isOffered(view, toggled[0])) toggle(view, toggled[0])
  else if (key === "?") view.help.showModal()
  else if (key === "m") markKey(view)
  else if (key === "f") fullKey(view)
  else if (key === "i" || key === "I") stepIou(view, key === "i" ? 1 : -1)
  else if (key === "w" && isLarge) askWhy(view)
  else if (key === "s" && isLarge) askAlike(view)
  else return isLarge && doKey(view, key)
  return true
}

/**
 * Go to the next image, frame or page, or to the one before; return whether the key was meant for that.
 * @param {View} view
 * @param {1 | -1} step
 * @param {EventTarget} target
 */
function turn(view, step, target) {
  if (target instanceof Element && target.closest(ARROWED)) return false
  if (view.open !== null) {
    turnLarge(view, step)
    return true
  }
  const { page, pages } = view.data
  const focused = focusedCell(view), next = view.cells[focused + step]
  if (focused >= 0 && next) next.cell.focus()
  else if (view.data.layout === "frames") goTo(view, view.at + step)
  else if (page + step >= 1 && page + step <= pages) view.tell("turn", step)
  return true
}

/**
 * Return the number of the cell that has the focus, or -1.
 * @param {View} view
 */
function focusedCell(view) {
  const root = /** @type {Document | ShadowRoot} */ (view.root.getRootNode())
  return view.cells.findIndex(({ cell }) => cell === root.activeElement)
}

/**
 * Return the cell that a key means: the one in large, that with the focus, or that under the pointer.
 * @param {View} view
 */
function meant(view) {
  if (view.open !== null) return view.open
  const index = focusedCell(view)
  return index >= 0 ? index : view.hovered
}

/**
 * Mark the image that a key means.
 * @param {View} view
 */
function markKey(view) {
  const index = meant(view)
  if (index !== null) toggleMark(view, view.cells[index].image)
}

/**
 * Open the image that a key means; in large, show it in full size or whole.
 * @param {View} view
 */
function fullKey(view) {
  if (view.open !== null) {
    toggleFullSize(view)
    return
  }
  const index = meant(view) ?? (view.cells.length ? 0 : null)
  if (index !== null) openLarge(view, index)
}

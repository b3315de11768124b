// Beside the large picture: the buttons that correct labels, and what that changes. Each has a key.
import { button, element } from "../../js/element.js"
import { keyOf } from "../large/chosen.js"
import { canMend, correct, mendable } from "./mend.js"
/** @import { MendFigures, MendParts } from "./types" */
/** @import { Item, PredictionItem, View } from "../types" */

/**
 * Make the buttons, which `showTools` brings up to date.
 * @param {View} view
 * @param {Element} side
 * @returns {{ tools: MendParts }}
 */
export function makeTools(view, side) {
  const mend = element("section", "mend", "", side)
  mend.setAttribute("aria-label", "Correct the labels")
  const first = element("div", "tools", "", mend), second = element("div", "tools", "", mend)
  const make = (/** @type {Element} */ parent, /** @type {string} */ text, /** @type {string} */ key, title = "") => {
    const made = button("turn", text, "", parent, () => doKey(view, key))
    made.title = `${title}Key ${key}`
    return made
  }
  const accept = make(first, "Accept", "a"), own = make(first, "As a label of its own", "A")
  const remove = make(first, "Delete", "d"), crowd = make(first, "Crowd", "k", "Many objects in one box. ")
  const draw = make(second, "New label", "n", "Drag on the picture. ")
  const label = element("label", "class-choice", "", second)
  const name = element("span", "", "Class", label)
  name.title = "Key c"
  const classes = element("select", "", "", label)
  classes.onchange = () => {
    chooseClass(view, classes.value)
    classes.blur()
  }
  const undo = make(second, "↶ Undo", "u", "Also Ctrl+Z. "), redo = make(second, "↷ Redo", "U", "Also Ctrl+Y. ")
  const gain = element("p", "gain", "", mend), said = element("p", "said", "", mend)
  gain.setAttribute("aria-live", "polite")
  said.setAttribute("role", "alert")
  return { tools: { mend, accept, own, remove, crowd, draw, undo, redo, classes, gain, said } }
}

/**
 * Bring the buttons up to date with the chosen box.
 * @param {View} view
 */
export function showTools(view) {
  const { tools } = view.large, { mend } = view, item = mendable(view)
  tools.mend.hidden = !canMend(view)
  if (tools.mend.hidden) return
  const prediction = item?.prediction ? item : null
  tools.accept.hidden = !prediction
  tools.accept.disabled = prediction?.listed === null
  tools.accept.textContent = prediction ? acceptWords(view, prediction) : "Accept"
  tools.own.hidden = !prediction || !isAboutALabel(view, prediction)
  tools.remove.hidden = tools.crowd.hidden = !item || item.prediction
  tools.crowd.setAttribute("aria-pressed", String(Boolean(item?.crowd)))
  tools.draw.setAttribute("aria-pressed", String(mend.isDrawing))
  tools.undo.disabled = !mend.undo
  tools.redo.disabled = !mend.redo
  const names = view.data.models[0].every ?? []
  if (tools.classes.length !== names.length) {
    tools.classes.replaceChildren(...names.map((name) => {
      const option = element("option", "", name)
      option.value = name
      return option
    }))
  }
  tools.classes.value = item && !item.prediction ? item.class : classOfNew(view)
  tools.said.textContent = mend.message
  tools.gain.replaceChildren()
  if (mend.isDrawing) tools.gain.textContent = `Drag on the picture to draw a ${classOfNew(view)}; Esc leaves it.`
  else if (mend.figures?.labels) showGain(mend.figures, tools.gain)
}

/**
 * Say what all corrections change.
 * @param {MendFigures} figures
 * @param {HTMLElement} line
 */
function showGain({ before, after, difference, low, high, errors, labels, images }, line) {
  const percent = (/** @type {number | null} */ value) => (value === null ? "–" : (100 * value).toFixed(1))
  const signed = (/** @type {number} */ value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`
  element("b", "", `AP ${percent(before)} → ${percent(after)}`, line)
  const interval = difference === null || low === null || high === null ? ""
    : ` (${signed(difference)}, ${signed(low)} to ${signed(high)})`
  const many = (/** @type {number} */ n, /** @type {string} */ word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`
  element("span", "", `${interval} · ${many(labels, "label")} corrected on ${many(images, "image")} · `
    + `${errors[0].toLocaleString("en")} → ${errors[1].toLocaleString("en")} errors`, line)
}

/**
 * Check whether a prediction contradicts a label, which can get its class or its place; at IoU 0.5, as the server does.
 * @param {View} view
 * @param {PredictionItem} item
 */
function isAboutALabel({ data: { types } }, { listed }) {
  return listed !== null && types[listed].points
}

/**
 * Return what accepting a prediction does.
 * @param {View} view
 * @param {PredictionItem} item
 */
function acceptWords({ data: { types } }, item) {
  if (item.listed === null) return "Agrees with its label"
  const { short } = types[item.listed]
  if (short === "cls") return `Accept: the label is a ${item.class}`
  return short === "loc" ? "Accept: the label lies here" : "Accept as a label"
}

/**
 * Return the class of the next label that is drawn: the one chosen last, or else that of the chosen box.
 * @param {View} view
 */
export function classOfNew({ mend, data, large }) {
  return mend.className ?? (large.chosen && large.item?.class) ?? data.classes[data.filter.classes[0] ?? 0] ?? ""
}

/**
 * Give the chosen label a class, and the next one that is drawn.
 * @param {View} view
 * @param {string} name
 */
function chooseClass(view, name) {
  const item = mendable(view)
  view.mend.className = name
  if (item && !item.prediction && item.class !== name) correct(view, { do: "change", id: item.id, class: name })
  view.refresh()
}

/**
 * Do what a key says about labels; return whether it says anything.
 * @param {View} view
 * @param {string} key
 */
export function doKey(view, key) {
  if (!canMend(view)) return false
  const { tools } = view.large, { mend } = view, item = mendable(view)
  if (key === "a" || key === "A") {
    if (item?.prediction && item.listed !== null) {
      correct(view, { do: "accept", query: String(item.query), own: key === "A" ? "1" : "0" })
    }
  } else if (key === "d" || key === "Delete" || key === "Backspace") {
    if (item && !item.prediction) correct(view, { do: "delete", id: item.id })
  } else if (key === "k") {
    if (item && !item.prediction) correct(view, { do: "change", id: item.id, crowd: item.crowd ? "0" : "1" })
  } else if (key === "c") {
    tools.classes.focus()
    try { tools.classes.showPicker?.() } catch { /* the arrow keys choose, too */ }
  } else if (key === "n") {
    mend.isDrawing = !mend.isDrawing
    view.refresh()
  } else if (key === "u") {
    if (mend.undo !== 0) correct(view, { do: "undo" })
  } else if (key === "U") {
    if (mend.redo !== 0) correct(view, { do: "redo" })
  } else {
    return false
  }
  return true
}

/**
 * Undo or redo with Ctrl; return whether the key was meant for that.
 * @param {View} view
 * @param {KeyboardEvent} event
 */
export function doCtrlKey(view, { key, shiftKey }) {
  const letter = key.toLowerCase()
  if (letter !== "z" && letter !== "y") return false
  return doKey(view, letter === "y" || shiftKey ? "U" : "u")
}

/**
 * Draw a new label of the chosen class, and choose it.
 * @param {View} view
 * @param {number[]} box
 */
export function drawLabel(view, box) {
  correct(view, { do: "draw", class: classOfNew(view), box: inText(box) }).then((id) => {
    if (id !== null) view.large.chosen = { truth: id, model: 0 }
    view.large.stamp = ""
    view.refresh()
  })
}

/**
 * Give a label another box.
 * @param {View} view
 * @param {Item} item
 */
export function moveLabel(view, item) {
  if (item.prediction) return
  view.large.chosen = keyOf(item, 0)
  correct(view, { do: "change", id: item.id, box: inText([item.x1, item.y1, item.x2, item.y2]) })
}

/**
 * Return a box for a request.
 * @param {number[]} box
 */
function inText(box) {
  return box.map((side) => side.toFixed(2)).join(",")
}

// Legend, toggles and the sliders of score and IoU; once above the grid and once in the large view, always in step.
import { button, element } from "../../js/element.js"
import { scoreOf } from "../overlay/boxes.js"
import { LEAST, MOST, STEP } from "../overlay/iou.js"
import { isPair } from "../state.js"
/** @import { ShowKey, Toolbar, View } from "../types" */

/** @type {[key: ShowKey, mark: string, words: string, letter: string][]} what is shown, the legend's mark, words, key */
export const TOGGLES = [
  ["truths", "mark-truth", "Ground truth", "g"],
  ["predictions", "mark-prediction", "Predictions", "p"],
  ["labels", "mark-label", "Labels", "l"],
  ["onlyErrors", "", "Only errors", "e"],
]

const ABOUT_IOU = "From this overlap on a prediction finds an object. The boxes are matched anew, as for COCO's AP75 at "
  + "0.75, and the error types go by it. Filters, order and the numbers around the gallery stay at IoU 0.50."

/**
 * Make a toolbar, one of those of the view.
 * @param {View} view
 * @param {Element} parent
 */
export function makeToolbar(view, parent) {
  const root = element("div", "toolbar", "", parent)
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", "What is drawn")
  const checks = Object.fromEntries(TOGGLES.map((toggled) => [toggled[0], makeCheck(view, root, toggled)]))
  for (const [mark, words] of [["mark-missed", "missed"], ["mark-crowd", "crowd"]]) {
    const item = element("span", `legend legend-${words}`, "", root)
    makeMark(mark, item)
    element("span", "", words, item)
  }
  const pair = element("span", "legend legend-pair", "", root)
  const right = element("span", "right", "", root)
  const iouNote = element("span", "iou-note", "", right)
  iouNote.setAttribute("role", "status")
  const [iou, iouNumber] = makeSlider(right, "iou", "Correct from IoU", { min: LEAST, max: MOST, step: STEP })
  if (iou.parentElement) iou.parentElement.title = `${ABOUT_IOU} Keys i, I`
  iou.oninput = () => { view.iou = Number(iou.value); view.refresh() }
  iou.onchange = () => view.tell("iou", view.iou) // for the address
  const [slider, number] = makeSlider(right, "score", "Show from score", { min: 0.05, max: 0.95, step: 0.01 })
  slider.oninput = () => { view.score = Number(slider.value); view.refresh() }
  // without ground truth nothing is counted; what is taken home goes by the score at which the slider is let go
  slider.onchange = () => { if (view.data.bare) view.tell("score", view.score) }
  const use = button("use", "Count with it", "", right, () => view.tell("score", view.score))
  use.title = "Counts, filters and order go by this score too."
  button("keys", "?", "Keys", right, () => view.help.showModal())
  view.bars.push({ root, checks, pair, slider, number, use, iou, iouNumber, iouNote })
}

/**
 * Make a slider with its words and its number.
 * @param {Element} parent
 * @param {string} name
 * @param {string} words
 * @param {{ min: number, max: number, step: number }} limits
 * @returns {[HTMLInputElement, HTMLElement]}
 */
function makeSlider(parent, name, words, limits) {
  const label = element("label", `slider ${name}`, "", parent)
  element("span", "", words, label)
  const slider = element("input", "", "", label)
  Object.assign(slider, { type: "range", ...limits })
  return [slider, element("output", "", "", label)]
}

/**
 * Go a step up or down with the IoU from which predictions find objects.
 * @param {View} view
 * @param {1 | -1} step
 */
export function stepIou(view, step) {
  if (view.data.plain || view.data.bare) return
  const iou = Math.min(MOST, Math.max(LEAST, Math.round(100 * (view.iou + step * STEP)) / 100))
  if (iou === view.iou) return
  view.iou = iou
  view.tell("iou", iou)
  view.refresh()
}

/**
 * Make the box that is ticked for a toggle.
 * @param {View} view
 * @param {Element} parent
 * @param {typeof TOGGLES[number]} toggled
 */
function makeCheck(view, parent, [key, mark, words, letter]) {
  const label = element("label", `check check-${key}`, "", parent)
  label.title = `Key ${letter}`
  const check = element("input", "", "", label)
  check.type = "checkbox"
  check.onchange = () => toggle(view, key)
  if (mark) makeMark(mark, label)
  element("span", "", words, label)
  return check
}

/**
 * Make the legend's sign of a kind of box.
 * @param {string} mark
 * @param {Element} parent
 */
export function makeMark(mark, parent) {
  element("i", "mark " + mark, "", parent).setAttribute("aria-hidden", "true")
}

/**
 * Check whether a toggle means anything where there is only ground truth, or none; gallery.css hides the others.
 * @param {View} view
 * @param {ShowKey} key
 */
export function isOffered({ data: { plain, bare } }, key) {
  return key === "labels" || !((plain && key !== "truths") || (bare && key !== "predictions"))
}

/**
 * Show something, or hide it.
 * @param {View} view
 * @param {ShowKey} key
 */
export function toggle(view, key) {
  view.show[key] = !view.show[key]
  view.refresh()
}

/**
 * Bring all toolbars up to date.
 * @param {View} view
 */
export function refreshToolbars(view) {
  const isDifferent = Math.abs(view.score - view.data.score) > 0.004
  for (const bar of view.bars) {
    for (const [key, check] of Object.entries(bar.checks)) check.checked = view.show[/** @type {ShowKey} */ (key)]
    bar.slider.value = String(view.score)
    bar.number.textContent = view.score.toFixed(2)
    bar.use.classList.toggle("idle", !isDifferent) // keeps its place, so that nothing jumps
    bar.use.disabled = !isDifferent
    bar.iou.value = String(view.iou)
    bar.iouNumber.textContent = view.iou.toFixed(2)
    const note = view.iou > LEAST ? `Colours at IoU ${view.iou.toFixed(2)}. Filters, order and the numbers around: 0.50.` : ""
    if (bar.iouNote.textContent !== note) bar.iouNote.textContent = note
    showPair(view, bar)
  }
}

/**
 * Say which of two models is which.
 * @param {View} view
 * @param {Toolbar} bar
 */
function showPair(view, { pair }) {
  const { models, layout } = view.data
  const hasOwn = models.some((model) => model.offset)
  const labels = isPair(view) ? models.map((model, m) => (
    hasOwn ? `${model.label} from ${scoreOf(view, m).toFixed(2)}` : model.label)) : []
  if (pair.dataset.words === labels.join()) return
  pair.dataset.words = labels.join()
  pair.replaceChildren()
  labels.forEach((label, i) => {
    if (layout === "over") makeMark(i ? "mark-prediction" : "mark-prediction of-before", pair)
    element("span", "", layout === "over" ? label : `${i ? "right" : "left"}: ${label}`, pair)
  })
}

// Beside the large image: the chosen box in words, "Why this box?", and a table of all boxes.
import { button, element, tableBody } from "../../js/element.js"
import { makeMark } from "../controls/toolbar.js"
import { areOne } from "../overlay/boxes.js"
import { makeTools } from "../mend/tools.js"
import { isPair } from "../state.js"
import { offerAlike } from "./alike.js"
import { askWhy, forgetWhy, whyOf } from "./ask.js"
import { choose, inLine, isChosen, lightUp } from "./chosen.js"
/** @import { Item, Judged, View } from "../types" */

/**
 * Make the side's elements, and the line beside the pointer.
 * @param {View} view
 * @param {HTMLElement} side
 */
export function makeSide(view, side) {
  const tip = element("div", "tip", "", side.parentElement)
  tip.setAttribute("aria-hidden", "true")
  const tools = makeTools(view, side)
  const about = element("section", "about", "", side)
  about.setAttribute("aria-live", "polite")
  const why = element("section", "why", "", side)
  const list = element("div", "list", "", side)
  list.onmouseleave = () => pointTo(view, null) // a row that is replaced under the pointer does not say that it is left
  return { tip, ...tools, about, why, list }
}

/**
 * Light up the box of the row under the pointer.
 * @param {View} view
 * @param {Item | null} item
 */
function pointTo(view, item) {
  view.large.pointed = item
  for (const stage of view.large.stages) lightUp(view, stage)
}

/**
 * Bring the side up to date with what is drawn.
 * @param {View} view
 * @param {Judged[]} states of the models whose boxes are in large
 */
export function showSide(view, states) {
  const { large, data } = view
  const stamp = [view.score, view.iou, data.layout, view.at, large.epoch, JSON.stringify(large.chosen), view.show.onlyErrors,
    view.signature].join()
  if (large.stamp === stamp) return
  large.stamp = stamp
  // two models have the same ground truth: it is listed once
  const rows = states.flatMap((state, i) => (isPair(view) && i < states.length - 1 ? state.predictions
    : [...state.predictions, ...state.truths]))
  // a ground truth as the model sees it on whose picture it was clicked
  const ofModel = (/** @type {Item} */ item) => isChosen(item, large.chosen) && item.model === large.chosen?.model
  const chosen = states.flatMap((state) => state.truths).find(ofModel)
    ?? rows.find((item) => isChosen(item, large.chosen))
  showChosen(view, chosen, rows)
  const root = /** @type {Document | ShadowRoot} */ (view.root.getRootNode())
  const lines = () => /** @type {HTMLElement[]} */ ([...large.list.querySelectorAll("tbody tr")])
  const focused = lines().findIndex((line) => line === root.activeElement)
  large.list.replaceChildren(makeTable(view, rows.filter((item) => !item.hidden)))
  if (focused >= 0) lines()[focused]?.focus()
}

/**
 * Show what is known of the chosen box, and the question why.
 * @param {View} view
 * @param {Item | undefined} item
 * @param {Item[]} rows all boxes
 */
function showChosen(view, item, rows) {
  const { large } = view, { about } = large
  about.replaceChildren()
  if (!item) {
    const { plain, bare } = view.data
    if (!plain && !bare && rows.length) {
      element("p", "fine", "Click a box for what belongs to it, and why it is there.", about)
    }
    forgetWhy(view)
    return
  }
  const line = element("p", "chosen", "", about)
  makeMark(item.mark, line)
  element("b", "", inLine(view, item), line)
  const partner = rows.find((one) => areOne(one, item) && (!one.prediction || one.model === item.model))
  const belongs = partner ? `Its ${item.prediction ? "ground truth" : "prediction"}: ${inLine(view, partner)}.` : ""
  if (item.hint || belongs) element("p", "fine", [item.hint, belongs].filter(Boolean).join(" "), about)
  const question = whyOf(view, item)
  if (question) {
    const words = !item.prediction && item.error !== null ? "Why was it missed?" : "Why this box?"
    const ask = button("turn ask", words, "", about, () => askWhy(view))
    ask.title = "Key w"
    ask.setAttribute("aria-pressed", String(large.isAsked))
  }
  offerAlike(view, item, about)
  if (large.answered !== (question?.url ?? null)) forgetWhy(view)
  large.item = item
  if (large.isAsked && !large.answered) askWhy(view)
}

/**
 * Make the table of boxes, which can be pointed at and chosen.
 * @param {View} view
 * @param {Item[]} items
 */
function makeTable(view, items) {
  const { plain, bare } = view.data
  const columns = plain ? ["Box", "Class", "Size", "Width × height", ""]
    : bare ? ["Class", "Score", "Size", "Width × height"] : ["Box", "Class", "Score", "IoU", "Size", "Verdict"]
  const body = tableBody("", columns, null), table = /** @type {HTMLTableElement} */ (body.parentElement)
  for (const item of items) makeRow(view, body, item)
  if (!items.length) {
    element("caption", "", plain ? "No objects of these classes." : bare ? "Nothing with this score."
      : "No ground truth, and no prediction with this score.", table)
  }
  return table
}

/**
 * Make the row of a box.
 * @param {View} view
 * @param {Element} body
 * @param {Item} item
 */
function makeRow(view, body, item) {
  const { plain, bare, models, layout } = view.data
  const isMarked = isChosen(item, view.large.chosen)
  const look = [item.error !== null && !bare ? "wrong" : "", isMarked ? "chosen" : ""].filter(Boolean).join(" ")
  const row = element("tr", look, "", body)
  const cell = element("td", "", "", row)
  makeMark(item.mark + (layout === "over" && item.prediction && !item.model ? " of-before" : ""), cell) // as it is drawn
  element("span", "", bare ? item.class : !item.prediction ? "Ground truth"
    : isPair(view) ? models[item.model].label : "Prediction", cell)
  for (const words of cellsOf(view, item)) element("td", "", words, row)
  if (item.hint) row.title = item.hint
  row.onmouseenter = () => pointTo(view, item)
  row.onmouseleave = () => pointTo(view, null)
  if (plain) return
  row.tabIndex = 0
  row.setAttribute("aria-selected", String(isMarked))
  row.onclick = () => choose(view, item)
  row.onkeydown = (event) => {
    if (event.key !== "Enter" && event.key !== " ") return
    event.preventDefault()
    choose(view, item)
  }
}

/**
 * Return what a row says of a box, after the first cell.
 * @param {View} view
 * @param {Item} item
 */
function cellsOf({ data: { plain, bare } }, item) {
  const number = (/** @type {number | null | undefined} */ value) =>
    (value === null || value === undefined ? "" : value.toFixed(2))
  const sides = `${Math.round(item.x2 - item.x1)} × ${Math.round(item.y2 - item.y1)} px`
  if (plain) return [item.class, item.size, sides, item.mark === "mark-crowd" ? item.verdict : ""]
  if (bare) return [number(item.score), item.size, sides]
  return [item.class, number(item.score), number(item.iou), item.size, item.verdict]
}

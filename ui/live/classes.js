// The tab of classes: a line for each, and beside them a list by which one is found.
import { escapeMarkup } from "../../core/charts/draw.js"
import { button, element } from "../js/element.js"
import { asAP, gain } from "./format.js"
import { CSS_DASHES, drawOne } from "./plots.js"
import { byEpoch } from "./traces.js"
/** @import { Json } from "../../core/charts/draw.js" */
/** @import { ClassList, LiveTheme, MetricGroup, Rows, Tab, TabSpec, View } from "./types" */

const DASHES = ["solid", "dash", "dot"]
const SYMBOLS = ["circle", "diamond", "square"]
const FEW = 18 // classes; the lines of more are thin

/**
 * Return the tab.
 * @param {MetricGroup} group
 * @returns {TabSpec}
 */
export function makeClassesTab({ key, label, families: [aps] }) {
  return { key, label, clear, make: (view, tab) => make(view, tab, aps.prefix),
    plots: [{ key, title: aps.label, words: "on the validation images, by epoch", byEpoch: true, fromZero: true,
      closest: true, after: showList, traces, tags: (rows) => tagsOf(rows, aps.prefix) }],
    legend: () => [{ kind: "none", words: "Point at a class in the list to see its curve, click to mark it." }] }
}

/**
 * Return the tags of all classes.
 * @param {Rows} rows
 * @param {string} prefix
 */
function tagsOf(rows, prefix) {
  return Object.keys(rows).filter((tag) => tag.startsWith(prefix))
}

/**
 * Make the list, without classes.
 * @param {View} view
 * @param {Tab} tab
 * @param {string} prefix of their tags
 */
function make(view, tab, prefix) {
  const list = element("div", "dl-classes-list", "", tab.panel)
  /** @type {ClassList} */
  const classes = { prefix, list, marked: new Set(), hovered: null,
    redraw: () => { if (view.tab === tab && tab.plots[0].isMade) drawOne(view, tab.plots[0]) } }
  list.onmouseleave = () => { classes.hovered = null; classes.redraw() }
  tab.classes = classes
}

/**
 * Forget the classes of a run.
 * @param {View} _view
 * @param {Tab} tab
 */
function clear(_view, { classes }) {
  if (!classes) return
  classes.marked.clear()
  classes.hovered = null
  classes.list.replaceChildren()
}

/**
 * Return colour, dash and symbol of the i-th class: no two of eighteen look alike.
 * @param {LiveTheme} theme
 * @param {number} i
 */
function lookOf({ colors }, i) {
  const round = Math.floor(i / colors.length) % DASHES.length
  return { color: colors[i % colors.length], dash: DASHES[round], symbol: SYMBOLS[round] }
}

/**
 * Check whether a class stands out: it is under the pointer, or no other is and it is marked, or none is marked.
 * @param {ClassList | undefined} classes
 * @param {string} name
 */
function isHighlighted(classes, name) {
  if (classes?.hovered) return classes.hovered === name
  return !classes?.marked.size || classes.marked.has(name)
}

/**
 * Return a trace for each class.
 * @param {View} view
 * @param {Rows} rows
 * @returns {Json[]}
 */
function traces(view, rows) {
  const { classes } = view.tab
  if (!classes) return []
  const tags = tagsOf(rows, classes.prefix), isAnyChosen = Boolean(classes.hovered || classes.marked.size)
  return tags.map((tag, i) => {
    const name = tag.slice(classes.prefix.length), { color, dash, symbol } = lookOf(view.theme, i)
    const isBold = tags.length <= FEW || (isAnyChosen && isHighlighted(classes, name))
    return { ...byEpoch(view, rows[tag]), mode: isBold || rows[tag].x.length < 2 ? "lines+markers" : "lines",
      name: escapeMarkup(name), cliponaxis: false, hovertemplate: "%{y:.1f}", opacity: isHighlighted(classes, name) ? 1 : 0.12,
      line: { color, dash, width: isBold ? 2 : 1 }, marker: { color, symbol, size: 6 } }
  })
}

/**
 * Show the list, the best class first.
 * @param {View} view
 * @param {Tab} tab
 */
function showList(view, { rows, classes }) {
  if (!classes) return
  const aps = tagsOf(rows, classes.prefix).map((tag, i) => {
    const { x, y } = rows[tag]
    return { i, name: tag.slice(classes.prefix.length), now: y[y.length - 1], base: x[0] === 0 ? y[0] : null, n: x.length }
  })
  aps.sort((a, b) => (b.now ?? -1) - (a.now ?? -1))
  const entries = aps.map(({ i, name, now, base, n }) => {
    const entry = makeEntry(classes, name, lookOf(view.theme, i))
    element("b", "", asAP(now), entry)
    const { sign, text } = n > 1 ? gain(now, base) : { sign: "", text: "" }
    element("span", "dl-more", text, entry).dataset.sign = sign
    return entry
  })
  const focused = /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest(".dl-class"))
  const name = focused?.dataset.name
  classes.list.replaceChildren(...entries)
  if (name) entries.find((entry) => entry.dataset.name === name)?.focus({ preventScroll: true })
}

/**
 * Make the list's line of a class, which brings out its curve.
 * @param {ClassList} classes
 * @param {string} name
 * @param {ReturnType<typeof lookOf>} look
 */
function makeEntry(classes, name, { color, dash }) {
  const point = (/** @type {string | null} */ hovered) => { classes.hovered = hovered; classes.redraw() }
  const entry = button("dl-class", "", "", null, () => {
    if (!classes.marked.delete(name)) classes.marked.add(name)
    entry.setAttribute("aria-pressed", String(classes.marked.has(name)))
    classes.redraw()
  })
  entry.dataset.name = name
  const key = element("i", "dl-key", "", entry)
  key.style.borderTopColor = color
  key.style.borderTopStyle = CSS_DASHES[dash]
  element("span", "dl-name", name, entry).title = name
  entry.setAttribute("aria-pressed", String(classes.marked.has(name)))
  entry.onmouseenter = entry.onfocus = () => point(name)
  entry.onblur = () => point(null)
  return entry
}

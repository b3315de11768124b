// One chart: title, note, the plot (or its figures as a table) and on how much it rests. Texts from files are only ever
// set as textContent, or made plain by draw.js. The place is as high before Plotly has loaded as it is then, and what is
// out of sight (further down, or in a tab that is not chosen) is drawn when it comes into sight.
import { CONFIG, isObject, resolve, saveCsv, savePng } from "../../core/charts/draw.js"
import { makeComponent } from "../js/component.js"
import { button, element, tableBody } from "../js/element.js"
import { loadPlotly } from "../js/plotly.js"
import { PAPER } from "../js/print.js"
import { readTheme } from "../js/theme.js"
import { targetOf, targetsOfRows } from "./targets.js"
/** @import { Chart, Json, Theme } from "../../core/charts/draw.js" */

/** @typedef {{ signature: string, chart: string, clickable: boolean }} Data */

/**
 * One chart on the page. `chart`, `theme` and `targets` (of the rows) are there from the first call on; `open` tells the
 * page what was clicked on, null where nothing can be opened; `drawn` is what the plot shows: chart and theme.
 * @typedef {ReturnType<typeof makeElements> & { signature: string, chart: Chart, theme: Theme,
 *   targets: (Json | null)[], open: ((target: Json) => void) | null, isNear: boolean, isGone: boolean, isPrinting: boolean,
 *   drawn: string | null, sight: IntersectionObserver, resizer: ResizeObserver }} View
 */

const MOST_ROWS = 500 // of the table; the CSV has all

export default makeComponent({
  root: ".dl-chart",
  make: makeView,
  signature: (/** @type {Data} */ data) => data.signature,
  connect: (view, data, tell) => { view.open = data.clickable ? (target) => tell("open", target) : null },
  take: (view, data) => {
    view.signature = data.signature
    view.chart = JSON.parse(data.chart)
    fill(view)
  },
  show: (view) => {
    view.theme = readTheme(view.root)
    draw(view)
  },
  print: (view, isPrinting) => {
    view.isPrinting = isPrinting
    view.theme = readTheme(view.root)
    if (isPrinting) drawNow(view, { width: PAPER, height: view.chart.height, autosize: false })
    else draw(view)
  },
  leave: (view) => {
    view.isGone = true
    view.sight.disconnect()
    view.resizer.disconnect()
    if (view.drawn) window.Plotly.purge(view.box)
  },
})

// --- the page's elements ---------------------------------------------------------------------------------------

/**
 * Make the chart's elements, without anything in them.
 * @param {HTMLElement} root
 */
function makeElements(root) {
  const head = element("div", "dlc-head", "", root)
  const title = element("h4", "", "", head)
  const buttons = element("div", "dlc-buttons", "", head)
  const note = element("p", "dlc-note", "", root)
  const area = element("div", "dlc-area", "", root)
  const box = /** @type {PlotlyBox} */ (element("div", "dlc-plot", "", area))
  box.setAttribute("role", "img")
  const table = element("div", "dlc-table", "", area)
  table.hidden = true
  table.tabIndex = 0
  table.setAttribute("role", "region")
  const few = element("p", "dlc-few", "", area)
  const foot = element("p", "dlc-foot", "", root)
  const [tableButton, csvButton, pngButton] = ["Table", "CSV", "PNG"].map((text) =>
    button("", text, "", buttons, null))
  return { root, title, note, area, box, table, few, foot, tableButton, csvButton, pngButton }
}

/**
 * Make the view of a chart that has not come yet.
 * @param {HTMLElement} root
 * @returns {View}
 */
function makeView(root) {
  const view = /** @type {View} */ ({ ...makeElements(root), isNear: false, isGone: false, isPrinting: false, drawn: null })
  view.tableButton.onclick = () => showTable(view, Boolean(view.table.hidden))
  view.csvButton.onclick = () => saveCsv(view.chart)
  view.pngButton.onclick = () => savePicture(view)
  view.sight = new IntersectionObserver((entries) => {
    view.isNear = entries[entries.length - 1].isIntersecting
    draw(view)
  }, { rootMargin: "300px" })
  view.sight.observe(view.area)
  view.resizer = new ResizeObserver(() => {
    if (view.isPrinting) return
    if (!view.drawn) draw(view) // it may have had no width when it came into sight
    else if (view.box.clientWidth) window.Plotly.Plots.resize(view.box).then(() => placeLegend(view))
  })
  view.resizer.observe(view.box)
  return view
}

/**
 * Show everything of a new chart but the plot.
 * @param {View} view
 */
function fill(view) {
  const { title, note, caption, few, height, area, rows } = view.chart
  view.targets = view.open ? targetsOfRows(view.chart) : []
  view.title.textContent = title
  view.note.textContent = note
  view.area.style.height = area + "px"
  view.box.style.height = height + "px"
  if (area < height) view.area.tabIndex = 0 // so that the keys scroll it
  else view.area.removeAttribute("tabindex")
  view.box.setAttribute("aria-label", note ? `${title}. ${note}` : title)
  view.table.setAttribute("aria-label", `${title}, as a table`)
  view.root.classList.toggle("dlc-greyed", few)
  sayFew(view)
  const opens = view.open && view.chart.traces.some(({ customdata }) => [customdata].flat(3).some(isObject))
  view.foot.textContent = [few ? "" : caption, opens ? view.chart.click : ""].filter(Boolean).join(" · ")
  nameButton(view.tableButton, `Show ${title} as a table`)
  nameButton(view.csvButton, `Download ${title} as CSV`)
  nameButton(view.pngButton, `Download ${title} as PNG`)
  view.tableButton.disabled = view.csvButton.disabled = !rows.length
  showTable(view, !view.table.hidden && rows.length > 0)
}

/**
 * Say what a button does with this chart.
 * @param {HTMLElement} made
 * @param {string} name
 */
function nameButton(made, name) {
  made.setAttribute("aria-label", name)
  made.title = name
}

// --- the plot --------------------------------------------------------------------------------------------------

/**
 * Load Plotly, and check whether it is there; if not, the chart says so until it can be drawn.
 * @param {View} view
 */
async function isPlotlyLoaded(view) {
  try {
    await loadPlotly()
  } catch {
    view.few.textContent = "The chart could not be drawn: reload the page. Its figures are in the table."
    return false
  }
  sayFew(view)
  return true
}

/**
 * Say that the chart rests on too few, if it does.
 * @param {View} view
 */
function sayFew({ few, chart }) {
  few.textContent = chart.few ? chart.caption : ""
}

/**
 * Place the legend anew: Plotly leaves it where the width before had it, over the bars if it needs fewer lines now.
 * @param {View} view
 */
function placeLegend(view) {
  if (!view.isGone && view.box.querySelector(".legend")) window.Plotly.redraw(view.box)
}

/**
 * Save the chart as a picture.
 * @param {View} view
 */
async function savePicture(view) {
  if (await isPlotlyLoaded(view)) await savePng(view.chart, view.theme, view.area)
}

/**
 * Draw the chart if it is near what is in sight and is not drawn yet as it is now.
 * @param {View} view
 */
async function draw(view) {
  const wanted = view.signature + JSON.stringify(view.theme)
  if (!view.isNear || view.isPrinting || view.drawn === wanted || !view.box.clientWidth) return
  if (!(await isPlotlyLoaded(view))) return
  if (view.isGone || view.drawn === wanted || wanted !== view.signature + JSON.stringify(view.theme)) return
  drawNow(view, {})
}

/**
 * Draw the chart as it is now, at once; for paper `size` says how large.
 * @param {View} view
 * @param {Json} size
 */
function drawNow(view, size) {
  if (!window.Plotly || view.isGone || view.box.hidden || !view.box.getClientRects().length) return
  const { data, layout } = resolve(view.chart, view.theme)
  const isFirst = !view.drawn
  view.drawn = view.isPrinting ? "on paper" : view.signature + JSON.stringify(view.theme)
  window.Plotly.react(view.box, data, { ...layout, ...size }, CONFIG)
  if (isFirst) listen(view)
}

/**
 * Open what is clicked on, and show a pointer over what can be opened.
 * @param {View} view
 */
function listen(view) {
  const target = (/** @type {any} */ { points }) => (view.open ? targetOf(view.chart, points[0]) : null)
  view.box.on("plotly_click", (event) => {
    const clicked = target(event)
    if (clicked) view.open?.(clicked)
  })
  view.box.on("plotly_selected", (event) => { // an area was drawn, on a chart that lets one do so
    const area = (event?.points ?? []).map((/** @type {any} */ point) => targetOf(view.chart, point)).filter(isObject)
    if (area.length) view.open?.({ area })
  })
  view.box.on("plotly_hover", (event) => view.box.classList.toggle("dlc-target", Boolean(target(event))))
  view.box.on("plotly_unhover", () => view.box.classList.remove("dlc-target"))
}

// --- the table -------------------------------------------------------------------------------------------------

/**
 * Show the figures in the plot's place, or the plot.
 * @param {View} view
 * @param {boolean} shown
 */
function showTable(view, shown) {
  view.table.hidden = !shown
  view.box.hidden = shown
  view.tableButton.setAttribute("aria-pressed", String(shown))
  view.table.replaceChildren()
  if (shown) fillTable(view)
  else draw(view)
}

/**
 * Make the table: each row has a button for what a click on its point opens.
 * @param {View} view
 */
function fillTable(view) {
  const { columns, rows } = view.chart, opens = view.targets.some(Boolean)
  const body = tableBody("", opens ? [...columns, "boxes"] : columns, view.table,
    (i) => (rows.some((row) => typeof row[i] === "number") ? "dlc-number" : ""))
  rows.slice(0, MOST_ROWS).forEach((row, i) => {
    const line = element("tr", "", "", body)
    for (const value of row) element("td", typeof value === "number" ? "dlc-number" : "", asText(value), line)
    if (!opens) return
    const cell = element("td", "", "", line), target = view.targets[i]
    if (!target) return
    button("", "Show", "", cell, () => view.open?.(target)).setAttribute("aria-label",
      "Show the boxes of " + row.filter((value) => typeof value === "string").join(", "))
  })
  if (rows.length > MOST_ROWS) {
    element("p", "", `The first ${MOST_ROWS} of ${rows.length.toLocaleString("en")} rows; the CSV has all.`, view.table)
  }
}

/**
 * Return a cell as text, a number with four digits.
 * @param {unknown} value
 */
function asText(value) {
  if (typeof value !== "number") return value === null || value === undefined ? "–" : String(value)
  return value.toLocaleString("en", Number.isInteger(value) ? {} : { maximumSignificantDigits: 4 })
}

// Draws the report's charts, in the theme of the reader's system and, on paper, in the light one. html.py puts draw.js
// in place of the import: a file from a disk may import nothing.
import { CONFIG, resolve, saveCsv, savePng } from "../charts/draw.js"
/** @import { Chart, Theme } from "../charts/draw.js" */

/** @type {Chart[]} */
const charts = JSON.parse(document.querySelector("#charts")?.textContent ?? "[]")
const figures = [...document.querySelectorAll(".chart")]
const plots = figures.map((figure) => part(figure, ".plot"))
const root = document.documentElement

/**
 * Return the element of a figure that a selector names.
 * @param {Element} figure
 * @param {string} selector
 */
function part(figure, selector) {
  return /** @type {HTMLElement} */ (figure.querySelector(selector))
}

/**
 * Return the colours and the font that report.css says now.
 * @returns {Theme}
 */
function readTheme() {
  const style = getComputedStyle(root)
  const get = (/** @type {string} */ name) => style.getPropertyValue("--" + name).trim()
  return { font: style.fontFamily, colors: [1, 2, 3, 4, 5, 6].map((i) => get("series-" + i)), text: get("text"),
    gray: get("gray"), line: get("line"), back: get("back"), good: get("good"), bad: get("bad") }
}

/**
 * Draw the chart number `i`, unless it is folded up.
 * @param {number} i
 * @param {Theme} theme
 */
function drawOne(i, theme) {
  if (figures[i].closest("details:not([open])")) return
  const { data, layout } = resolve(charts[i], theme)
  window.Plotly.newPlot(plots[i], data, layout, CONFIG) // `react` would leave the legend where another width had it
}

/** Draw all at once: paper does not wait. */
function drawAll() {
  const theme = readTheme()
  for (const i of plots.keys()) drawOne(i, theme)
}

/** Draw one after the other, so that the reader can scroll meanwhile, and keep each as wide as its place. */
async function drawInTurn() {
  for (const i of plots.keys()) {
    drawOne(i, readTheme())
    await new Promise((next) => setTimeout(next))
  }
  const resizer = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (target.clientWidth) window.Plotly.Plots.resize(/** @type {HTMLElement} */ (target))
    }
  })
  for (const plot of plots) resizer.observe(plot)
  root.dataset.drawn = String(plots.length)
}

figures.forEach((figure, i) => {
  part(figure, "[data-save=csv]").onclick = () => saveCsv(charts[i])
  part(figure, "[data-save=png]").onclick = () => savePng(charts[i], readTheme(), plots[i])
})
for (const fold of document.querySelectorAll("details")) {
  fold.ontoggle = () => drawOne(figures.findIndex((figure) => fold.contains(figure)), readTheme())
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll)
// what is drawn for a screen is too wide for a sheet and, in the dark theme, too bright for it
addEventListener("beforeprint", () => { root.classList.add("paper"); drawAll() })
addEventListener("afterprint", () => { root.classList.remove("paper"); drawAll() })
drawInTurn()

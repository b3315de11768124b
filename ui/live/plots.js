// Draws the curves of the tab in sight. `Plotly.react` with a `uirevision` keeps the user's zoom.
import { CONFIG } from "../../core/charts/draw.js"
import { element } from "../js/element.js"
import { PAPER } from "../js/print.js"
/** @import { Json } from "../../core/charts/draw.js" */
/** @import { Plot, PlotSpec, Range, View } from "./types" */

/** @type {Record<string, string>} Plotly's word for a dash, and CSS's */
export const CSS_DASHES = { solid: "solid", dash: "dashed", dot: "dotted" }

const ON_PAPER = { autosize: false, width: PAPER / 2 - 10, height: 190 } // two beside each other, see live.css

/**
 * Make the place of a plot.
 * @param {PlotSpec} spec
 * @param {Element} parent
 * @returns {Plot}
 */
export function makePlot(spec, parent) {
  const figure = element("figure", "dl-plot dl-plot-" + spec.key, "", parent)
  figure.hidden = Boolean(spec.optional && !spec.awaited) // until something is recorded: see `draw`
  const caption = element("figcaption", "", "", figure)
  element("b", "", spec.title, caption).title = spec.help ?? ""
  element("span", "", spec.words, caption)
  const box = /** @type {PlotlyBox} */ (element("div", "dl-canvas", "", figure))
  box.setAttribute("role", "img")
  box.setAttribute("aria-label", `Chart of ${spec.title}, ${spec.words}`)
  const empty = element("span", "dl-empty", "", figure)
  return { spec, figure, box, empty, drawn: -1, isMade: false, isZoomed: false }
}

/**
 * Make the plots in sight as wide as their places.
 * @param {View} view
 */
export function resize(view) {
  if (!window.Plotly || view.isGone || view.isPrinting) return
  for (const plot of view.tab.plots) if (plot.isMade && plot.box.clientWidth) window.Plotly.Plots.resize(plot.box)
}

/**
 * Draw the plots in sight of which anything is new.
 * @param {View} view
 * @param {boolean} isThemed whether all are drawn, as the theme may have changed
 */
export function draw(view, isThemed) {
  if (view.isGone || !view.info || !window.Plotly) return
  const { plots, rows } = view.tab
  const kept = plots.map((plot) => plot.spec.tags(rows).map((tag) => rows[tag]).filter(Boolean))
  const counts = kept.map((curves) => curves.reduce((n, { x }) => n + x.length, 0))
  const changes = kept.map((curves) => curves.reduce((n, curve) => n + curve.changes, 0))
  // a machine without a GPU has nothing to say of one, a model not every loss; the plots that remain share the place
  const hidden = plots.map(({ spec }, i) => Boolean(spec.optional && !counts[i] && (counts.some(Boolean) || !spec.awaited)))
  const isMoved = plots.some((plot, i) => plot.figure.hidden !== hidden[i])
  plots.forEach((plot, i) => { plot.figure.hidden = hidden[i] })
  if (isMoved) resize(view)
  plots.forEach((plot, i) => {
    plot.empty.textContent = counts[i] || hidden[i] ? "" : view.isLive ? "Waiting for the first figures …" : "Nothing was recorded."
    if (changes[i] === plot.drawn && !isThemed) return
    plot.drawn = changes[i]
    if (counts[i]) {
      drawOne(view, plot)
      plot.spec.after?.(view, view.tab)
    } else if (plot.isMade) {
      window.Plotly.purge(plot.box)
      plot.isMade = plot.isZoomed = false
    }
  })
}

/**
 * Draw a plot.
 * @param {View} view
 * @param {Plot} plot
 */
export function drawOne(view, plot) {
  const full = plot.box.layout
  /** @type {Range} */
  const range = plot.isMade && full.xaxis?.autorange !== true && plot.isZoomed ? full.xaxis.range : null
  const traces = plot.spec.traces(view, view.tab.rows, range)
  window.Plotly.react(plot.box, traces, layoutOf(view, plot, traces), CONFIG)
  if (plot.isMade) return
  plot.isMade = true
  // a zoom shows the detail that was decimated away
  plot.box.on("plotly_relayout", (change) => {
    if (!Object.keys(change).some((key) => key.startsWith("xaxis"))) return
    plot.isZoomed = !change["xaxis.autorange"]
    drawOne(view, plot)
  })
}

/**
 * Return a plot's layout.
 * @param {View} view
 * @param {Plot} plot
 * @param {Json[]} traces
 */
function layoutOf(view, { spec }, traces) {
  const { text, line, back, font } = view.theme
  const end = (spec.byEpoch ? view.info?.epochs : view.info?.steps) ?? 0
  const axis = { gridcolor: line, linecolor: line, zeroline: false, tickfont: { size: 11 }, automargin: false }
  return {
    uirevision: view.run, showlegend: false, dragmode: "zoom", hovermode: spec.closest ? "closest" : "x unified",
    ...(view.isPrinting ? ON_PAPER : { autosize: true }), margin: { l: 42, r: 10, t: 6, b: 26 }, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", font: { family: font, color: text, size: 12 },
    hoverlabel: { bgcolor: back, bordercolor: line, font: { family: font, color: text, size: 12 } },
    // the whole run is laid out from the start, so that the axis does not creep
    xaxis: { ...axis, showgrid: false, ...(end ? { range: [-0.02 * end, 1.02 * end] } : {}),
      ...(spec.byEpoch ? { dtick: end > 12 ? undefined : 1 } : {}), title: undefined },
    yaxis: { ...axis, rangemode: spec.fromZero ? "tozero" : "normal", nticks: spec.byEpoch ? 8 : 5,
      ...(spec.log ? logAxis(traces) : {}) },
  }
}

/**
 * Return a logarithmic axis that shows each curve's highest thousandth, not the endless way of a cosine down to 0.
 * @param {Json[]} traces
 */
function logAxis(traces) {
  /** @type {number[][]} */
  const values = traces.map(({ y }) => y.filter((/** @type {number} */ value) => value > 0))
  const tops = values.map((some) => Math.max(...some)).filter((top) => top > 0)
  if (!tops.length) return { type: "log" }
  const low = Math.max(values.flat().reduce((a, b) => Math.min(a, b)), Math.min(...tops) / 1000)
  const range = [Math.log10(low) - 0.15, Math.log10(Math.max(...tops)) + 0.15]
  return { type: "log", range, autorange: false, dtick: range[1] - range[0] > 1.5 ? 1 : "D2", exponentformat: "power" }
}

/**
 * Say what the lines of the tab in sight mean.
 * @param {View} view
 */
export function showLegend(view) {
  if (!view.theme) return
  const { train } = view.theme
  const items = view.tab.spec.legend(view, view.tab)
  const signature = JSON.stringify([items, train, view.tab.spec.key])
  if (view.legendShown === signature) return
  view.legendShown = signature
  view.legend.replaceChildren()
  for (const { kind, color, dash, words } of items) {
    const item = element("span", "dl-item", "", view.legend)
    if (kind !== "none") {
      const key = element("i", "dl-key" + (kind ? " dl-" + kind : ""), "", item)
      key.setAttribute("aria-hidden", "true")
      key.style.color = color ?? train
      if (dash) key.style.borderTopStyle = CSS_DASHES[dash]
    }
    element("span", "", words, item)
  }
  element("span", "dl-hint", "Drag to zoom, double-click to see all.", view.legend)
}

// What each tab of curves shows.
import { mix, parseHex } from "../../core/charts/draw.js"
import { makeClassesTab } from "./classes.js"
import { NOTHING, byEpoch, decimate, level, positive, scaled, smooth, trainTraces } from "./traces.js"
/** @import { Json } from "../../core/charts/draw.js" */
/** @import { Curve, LegendItem, LiveTheme, Loss, Metric, MetricGroup, Metrics } from "./types" */
/** @import { PlotSpec, Range, Rows, TabSpec, View } from "./types" */

const RATE_DASHES = ["solid", "dash", "dot"]
/** @type {LegendItem[]} */
const ONE_OF_EACH = [{ kind: "raw", words: "training, each step" }, { words: "training, smoothed" }]

/**
 * Return the tabs, one for each group of metrics.
 * @param {Metrics} metrics
 * @returns {TabSpec[]}
 */
export function makeTabs({ losses, errors, ap, gradNorm, groups }) {
  const rates = groups.rates.metrics.filter(({ tag }) => tag !== gradNorm.tag)
  return [
    { ...named(groups.losses),
      plots: [{ key: "ap", title: ap.label, words: "on the validation images, by epoch", byEpoch: true, fromZero: true,
        tags: () => [ap.tag], traces: (view, rows) => apTraces(view, rows[ap.tag] ?? NOTHING) }, ...losses.map(awaitedPlot)],
      legend: ({ theme }) => [...ONE_OF_EACH, validationMark(theme),
        { dash: "dash", color: theme.gray, words: "baseline" }] },
    { ...named(groups.layers), plots: losses.slice(1).map((loss, i) => ({ ...layerPlot(loss), awaited: !i })),
      legend: (view, tab) => [...layers(tab.rows).map((n, i, all) => ({ color: shade(view.theme, i, all.length),
        words: `layer ${n}` + (i === all.length - 1 ? ", the last" : "") })), validationMark(view.theme)] },
    { ...named(groups.matching), plots: errors.map((error) => ({ ...lossPlot(error), fromZero: true })),
      legend: ({ theme }) => [...ONE_OF_EACH, validationMark(theme)] },
    { ...named(groups.rates),
      plots: [{ key: "lr", title: "Learning rates", words: "by step", log: true, tags: () => rates.map(({ tag }) => tag),
        traces: (view, rows, range) => rateTraces(view, rates, rows, range) },
      { key: "grad_norm", title: gradNorm.label, words: "before clipping, by step", log: true,
        tags: () => [gradNorm.tag], traces: (view, rows, range) => normTraces(view, rows[gradNorm.tag] ?? NOTHING, range) }],
      legend: ({ theme, info }) => [
        ...rates.map(({ short }, i) => ({ words: short, dash: RATE_DASHES[i], color: theme.colors[i] })),
        { kind: "raw", words: "norm, each step" }, { words: "norm, smoothed" },
        ...(info?.clip ? [{ dash: "dash", color: theme.gray, words: `clipped to ${info.clip}` }] : [])] },
    { ...named(groups.machine), plots: groups.machine.metrics.map(machinePlot), legend: () => ONE_OF_EACH },
    makeClassesTab(groups.classes),
  ]
}

/**
 * Return what the marks of validation images are, for a legend.
 * @param {LiveTheme} theme
 * @returns {LegendItem}
 */
function validationMark({ val }) {
  return { kind: "diamond", color: val, words: "validation" }
}

/**
 * Return a group's key and label, which its tab has.
 * @param {MetricGroup} group
 */
function named({ key, label }) {
  return { key, label }
}

// --- losses and AP ---------------------------------------------------------------------------------------------

/**
 * Return the plot of a loss in training and validation.
 * @param {Loss} loss
 * @returns {PlotSpec}
 */
function lossPlot({ name, short, help, train, val, optional }) {
  const unit = train.unit && `, ${train.unit}`
  return { key: name, title: name + unit, words: short + ", by step", help, optional, tags: () => [train.tag, val.tag],
    traces: (view, rows, range) => [...trainTraces(view, rows[train.tag] ?? NOTHING, range),
      { ...(rows[val.tag] ?? NOTHING), mode: "lines+markers", name: val.short, hovertemplate: "%{y:.4g}",
        line: { color: view.theme.val, width: 1.5 }, marker: { color: view.theme.val, size: 7, symbol: "diamond" },
        cliponaxis: false }] }
}

/**
 * Return the plot of the i-th loss; before there are any figures, DETR's are awaited: the total, loss_ce, and those that
 * every model has.
 * @param {Loss} loss
 * @param {number} i
 * @returns {PlotSpec}
 */
function awaitedPlot(loss, i) {
  return { ...lossPlot(loss), awaited: i < 2 }
}

/**
 * Return the traces of AP and of the baseline.
 * @param {View} view
 * @param {Curve} aps
 * @returns {Json[]}
 */
function apTraces(view, aps) {
  const { theme: { val }, info } = view, baseline = info?.baseline_ap ?? null
  return [
    level(view, info?.epochs || 1, baseline === null ? null : 100 * baseline, "baseline", "%{y:.1f}"),
    { ...byEpoch(view, aps), mode: "lines+markers", name: "AP", hovertemplate: "%{y:.1f}",
      line: { color: val, width: 2 }, marker: { color: val, size: 8, symbol: "diamond" }, cliponaxis: false },
  ]
}

// --- layers: of each loss, what every decoder layer contributes -------------------------------------------------

/**
 * Return the plot of a loss by decoder layer.
 * @param {Loss} loss
 * @returns {PlotSpec}
 */
function layerPlot({ name, short, help, optional, layers: { prefix }, valLayers }) {
  const tags = (/** @type {Rows} */ rows) => [prefix, valLayers.prefix].flatMap((from) => layers(rows).map((n) => from + n))
  return { key: name + "-layers", title: name, words: short + ", smoothed, by step", help, optional, tags,
    traces: (view, rows, range) => layers(rows).flatMap((n, i, { length }) => {
      const color = shade(view.theme, i, length), validation = rows[valLayers.prefix + n] ?? NOTHING
      return [{ ...decimate(smooth(rows[prefix + n] ?? NOTHING), range), mode: "lines", name: `layer ${n}`,
        hovertemplate: "%{y:.4g}", line: { color, width: i === length - 1 ? 2.5 : 1.5 } },
      { x: validation.x, y: validation.y, mode: "markers", name: `layer ${n}, validation`,
        hovertemplate: "%{y:.4g}", marker: { color, size: 7, symbol: "diamond" }, cliponaxis: false }]
    }) }
}

/**
 * Return the numbers of the decoder layers that have losses of their own.
 * @param {Rows} rows
 */
function layers(rows) {
  const numbers = new Set(Object.keys(rows).map((tag) => Number(tag.split("/layer")[1])))
  return [...numbers].sort((a, b) => a - b)
}

/**
 * Return the i-th of n colours from the first layer's to the last's.
 * @param {LiveTheme} theme
 * @param {number} i
 * @param {number} n
 */
function shade({ colors }, i, n) {
  const share = n > 1 ? i / (n - 1) : 1
  return `rgb(${mix(parseHex(colors[1]), parseHex(colors[0]), share).join(",")})`
}

// --- rates and machine -----------------------------------------------------------------------------------------

/**
 * Return a trace for each learning rate.
 * @param {View} view
 * @param {Metric[]} rates
 * @param {Rows} rows
 * @param {Range} range
 * @returns {Json[]}
 */
function rateTraces(view, rates, rows, range) {
  return rates.map(({ tag, short }, i) => ({ ...decimate(positive(rows[tag] ?? NOTHING), range), mode: "lines",
    name: short, hovertemplate: "%{y:.3g}", line: { color: view.theme.colors[i], width: 2, dash: RATE_DASHES[i] } }))
}

/**
 * Return the traces of the gradient's norm and of the level to which it is clipped.
 * @param {View} view
 * @param {Curve} norms
 * @param {Range} range
 * @returns {Json[]}
 */
function normTraces(view, norms, range) {
  const clip = level(view, view.info?.steps || 1, view.info?.clip || null, "clipped to", "%{y}")
  return [...trainTraces(view, positive(norms), range), clip]
}

/**
 * Return the plot of how the machine is used.
 * @param {Metric} metric
 * @param {number} i
 * @returns {PlotSpec}
 */
function machinePlot({ tag, label, unit, scale }, i) {
  return { key: tag.split("/")[1], title: label + (unit && `, ${unit}`), words: "by step", fromZero: true,
    optional: true, awaited: !i, tags: () => [tag],
    traces: (view, rows, range) => trainTraces(view, scaled(rows[tag] ?? NOTHING, scale), range) }
}

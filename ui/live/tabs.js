// What each tab of curves shows.
import { mix, parseHex } from "../../core/charts/draw.js"
import { CLASSES } from "./classes.js"
import { NOTHING, byEpoch, decimate, level, positive, scaled, smooth, trainTraces } from "./traces.js"
/** @import { Json } from "../../core/charts/draw.js" */
/** @import { LegendItem, LiveTheme, PlotSpec, Range, Rows, TabSpec, View } from "./types" */

const LOSSES = [["loss", "total loss"], ["loss_ce", "class"], ["loss_bbox", "box, L1"], ["loss_giou", "box, GIoU"]]
const RATES = [["train/lr", "transformer", "solid"], ["train/lr_backbone", "backbone", "dash"],
  ["train/lr_head", "heads", "dot"]]
/** @type {LegendItem[]} */
const ONE_OF_EACH = [{ kind: "raw", words: "training, each step" }, { words: "training, smoothed" }]

/** @type {TabSpec[]} */
export const TABS = [
  { key: "losses", label: "Losses",
    plots: [{ key: "ap", title: "AP", words: "on the validation images, by epoch", byEpoch: true, fromZero: true,
      tags: () => ["val/AP"], traces: apTraces }, ...LOSSES.map(([tag, words]) => lossPlot(tag, words))],
    legend: ({ theme }) => [...ONE_OF_EACH, { kind: "diamond", color: theme.val, words: "validation" },
      { dash: "dash", color: theme.gray, words: "baseline" }] },
  { key: "layers", label: "Layers", plots: LOSSES.slice(1).map(([tag, words]) => layerPlot(tag, words)),
    legend: (view, tab) => layers(tab.rows).map((n, i, all) => ({ color: shade(view.theme, i, all.length),
      words: `layer ${n}` + (i === all.length - 1 ? ", the last" : "") })) },
  { key: "rates", label: "Rates",
    plots: [{ key: "lr", title: "Learning rates", words: "by step", log: true, tags: () => RATES.map(([tag]) => tag),
      traces: rateTraces },
    { key: "grad_norm", title: "Gradient norm", words: "before clipping, by step", log: true,
      tags: () => ["train/grad_norm"], traces: normTraces }],
    legend: ({ theme, info }) => [...RATES.map(([, words, dash], i) => ({ words, dash, color: theme.colors[i] })),
      { kind: "raw", words: "norm, each step" }, { words: "norm, smoothed" },
      ...(info?.clip ? [{ dash: "dash", color: theme.gray, words: `clipped to ${info.clip}` }] : [])] },
  { key: "machine", label: "Machine",
    plots: [machinePlot("images_per_second", "Images per second", 1), machinePlot("wait", "Waiting for data, %", 100),
      machinePlot("gpu_memory", "GPU memory, GiB", 2 ** -30), machinePlot("gpu_busy", "GPU busy, %", 100)],
    legend: () => ONE_OF_EACH },
  CLASSES,
]

// --- losses and AP ---------------------------------------------------------------------------------------------

/**
 * Return the plot of a loss in training and validation.
 * @param {string} tag
 * @param {string} words
 * @returns {PlotSpec}
 */
function lossPlot(tag, words) {
  return { key: tag, title: tag, words: words + ", by step", tags: () => ["train/" + tag, "val/" + tag],
    traces: (view, rows, range) => [...trainTraces(view, rows["train/" + tag] ?? NOTHING, range),
      { ...(rows["val/" + tag] ?? NOTHING), mode: "lines+markers", name: "validation", hovertemplate: "%{y:.4g}",
        line: { color: view.theme.val, width: 1.5 }, marker: { color: view.theme.val, size: 7, symbol: "diamond" },
        cliponaxis: false }] }
}

/**
 * Return the traces of AP and of the baseline.
 * @param {View} view
 * @param {Rows} rows
 * @returns {Json[]}
 */
function apTraces(view, rows) {
  const { theme: { val }, info } = view, baseline = info?.baseline_ap ?? null
  return [
    level(view, info?.epochs || 1, baseline === null ? null : 100 * baseline, "baseline", "%{y:.1f}"),
    { ...byEpoch(view, rows["val/AP"] ?? NOTHING), mode: "lines+markers", name: "AP", hovertemplate: "%{y:.1f}",
      line: { color: val, width: 2 }, marker: { color: val, size: 8, symbol: "diamond" }, cliponaxis: false },
  ]
}

// --- layers: of each loss, what every decoder layer contributes -------------------------------------------------

/**
 * Return the plot of a loss by decoder layer.
 * @param {string} loss
 * @param {string} words
 * @returns {PlotSpec}
 */
function layerPlot(loss, words) {
  const tags = (/** @type {Rows} */ rows) => layers(rows).map((n) => `train/${loss}/layer${n}`)
  return { key: loss + "-layers", title: loss, words: words + ", smoothed, by step", tags,
    traces: (view, rows, range) => tags(rows).map((tag, i, { length }) => ({
      ...decimate(smooth(rows[tag] ?? NOTHING), range), mode: "lines", name: `layer ${layers(rows)[i]}`,
      hovertemplate: "%{y:.4g}", line: { color: shade(view.theme, i, length), width: i === length - 1 ? 2.5 : 1.5 } })) }
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
 * @param {Rows} rows
 * @param {Range} range
 * @returns {Json[]}
 */
function rateTraces(view, rows, range) {
  return RATES.map(([tag, name, dash], i) => ({ ...decimate(positive(rows[tag] ?? NOTHING), range), mode: "lines", name,
    hovertemplate: "%{y:.3g}", line: { color: view.theme.colors[i], width: 2, dash } }))
}

/**
 * Return the traces of the gradient's norm and of the level to which it is clipped.
 * @param {View} view
 * @param {Rows} rows
 * @param {Range} range
 * @returns {Json[]}
 */
function normTraces(view, rows, range) {
  const clip = level(view, view.info?.steps || 1, view.info?.clip || null, "clipped to", "%{y}")
  return [...trainTraces(view, positive(rows["train/grad_norm"] ?? NOTHING), range), clip]
}

/**
 * Return the plot of how the machine is used.
 * @param {string} name
 * @param {string} title
 * @param {number} times by which it is shown in another unit
 * @returns {PlotSpec}
 */
function machinePlot(name, title, times) {
  const tag = "train/" + name
  return { key: name, title, words: "by step", fromZero: true, optional: true, tags: () => [tag],
    traces: (view, rows, range) => trainTraces(view, scaled(rows[tag] ?? NOTHING, times), range) }
}

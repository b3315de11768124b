// Recorded curves as Plotly's traces: decimated, smoothed, and with lines at a level.
/** @import { Json } from "../../core/charts/draw.js" */
/** @import { Curve, Range, View } from "./types" */

const POINTS = 1000 // drawn per curve at most
/** @type {Curve} */
export const NOTHING = { x: [], y: [] }

/**
 * Return at most `POINTS` of the points inside `range`: of each stretch its lowest and its highest.
 * @param {Curve} curve
 * @param {Range} range
 * @returns {Curve}
 */
export function decimate({ x, y }, range) {
  let from = 0, to = x.length
  if (range) { // one point more on either side, so that lines run to the border
    while (from < to && x[from] < range[0]) from++
    while (to > from && x[to - 1] > range[1]) to--
    from = Math.max(0, from - 1); to = Math.min(x.length, to + 1)
  }
  if (to - from <= POINTS) return { x: x.slice(from, to), y: y.slice(from, to) }
  /** @type {Curve} */
  const fewer = { x: [], y: [] }
  const buckets = POINTS / 2, values = /** @type {number[]} */ (y) // null compares as 0
  for (let b = 0; b < buckets; b++) {
    const start = from + Math.floor((b * (to - from)) / buckets)
    const end = from + Math.floor(((b + 1) * (to - from)) / buckets)
    let low = start, high = start
    for (let i = start + 1; i < end; i++) {
      if (values[i] < values[low]) low = i
      if (values[i] > values[high]) high = i
    }
    const kept = low < high ? [low, high] : low > high ? [high, low] : [low]
    for (const i of kept) { fewer.x.push(x[i]); fewer.y.push(y[i]) }
  }
  return fewer
}

/**
 * Return the exponential mean, unbiased at its start as TensorBoard's; by default over about a fortieth of the run.
 * @param {Curve} curve
 * @param {number} [keep] how much of the mean before stays in the next, 0 to 1
 * @returns {Curve}
 */
export function smooth({ x, y }, keep = 1 - 1 / Math.max(8, y.length / 40)) {
  const means = new Array(y.length)
  let sum = 0, weight = 0
  for (let i = 0; i < y.length; i++) {
    const value = y[i]
    if (value !== null) { sum = keep * sum + value; weight = keep * weight + 1 }
    means[i] = weight ? sum / weight : null
  }
  return { x, y: means }
}

/**
 * Drop the end of a curve; return how many points that were.
 * @param {Curve} kept
 * @param {(step: number) => boolean} isGone
 */
export function cut(kept, isGone) {
  const before = kept.x.length
  while (kept.x.length && isGone(kept.x[kept.x.length - 1])) { kept.x.pop(); kept.y.pop() }
  return before - kept.x.length
}

/**
 * Return what a logarithmic axis can show.
 * @param {Curve} curve
 * @returns {Curve}
 */
export function positive({ x, y }) {
  return { x, y: y.map((value) => (value !== null && value > 0 ? value : null)) }
}

/**
 * Return a curve in another unit.
 * @param {Curve} curve
 * @param {number} times
 * @returns {Curve}
 */
export function scaled({ x, y }, times) {
  return { x, y: y.map((value) => (value === null ? null : times * value)) }
}

/**
 * Return APs in percent, by epoch.
 * @param {View} view
 * @param {Curve} curve
 */
export function byEpoch({ info }, curve) {
  const perEpoch = info ? info.steps / info.epochs || 1 : 1
  const { x, y } = scaled(curve, 100)
  return { x: x.map((step) => step / perEpoch), y }
}

/**
 * Return the traces of a curve in training: each step faintly, and what they are on average.
 * @param {View} view
 * @param {Curve} curve
 * @param {Range} range
 * @returns {Json[]}
 */
export function trainTraces(view, curve, range) {
  const color = view.theme.train
  return [
    { ...decimate(curve, range), mode: "lines", line: { color, width: 1 }, opacity: 0.3, hoverinfo: "skip" },
    { ...decimate(smooth(curve), range), mode: "lines", name: "training", hovertemplate: "%{y:.4g}",
      line: { color, width: 2 } },
  ]
}

/**
 * Return a line at a level, from 0 to `end`; without a value none.
 * @param {View} view
 * @param {number} end
 * @param {number | null} value
 * @param {string} name
 * @param {string} hovertemplate
 * @returns {Json}
 */
export function level(view, end, value, name, hovertemplate) {
  return { x: value === null ? [] : [0, end], y: value === null ? [] : [value, value], mode: "lines", name, hovertemplate,
    line: { color: view.theme.gray, width: 1.5, dash: "dash" } }
}

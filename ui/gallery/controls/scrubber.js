// Epochs: a slider with a play button over the curves of the same run.
import { button, element, svgElement } from "../../js/element.js"
/** @import { CurveKey, Frame } from "../page" */
/** @import { Scrubber, Sparkline } from "../types" */

const PLAY_SECONDS = 0.9 // an epoch
/** @type {[key: CurveKey, label: string, times: number, digits: number][]} */
const CURVES = [["AP", "AP", 100, 1], ["loss_ce", "loss_ce", 1, 3], ["loss_vfl", "loss_vfl", 1, 3],
  ["loss_mal", "loss_mal", 1, 3], ["loss_bbox", "loss_bbox", 1, 3]]

/**
 * Make a scrubber without frames.
 * @param {Element} parent
 * @param {(at: number) => void} onmove shows a frame
 * @returns {Scrubber}
 */
export function makeScrubber(parent, onmove) {
  const root = element("div", "scrub", "", parent)
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", "Epochs")
  const play = button("turn play", "▶", "Play", root, null)
  const slider = element("input", "", "", root)
  Object.assign(slider, { type: "range", min: 0, step: 1 })
  slider.setAttribute("aria-label", "Epoch")
  const name = element("output", "epoch", "", root)
  const curves = element("div", "scrub-curves", "", root)
  /** @type {Scrubber} */
  const scrubber = { root, play, slider, name, curves, onmove, timer: null, at: 0, frames: [], labels: [], plots: [] }
  play.onclick = () => (scrubber.timer ? pause(scrubber) : start(scrubber))
  slider.oninput = () => { pause(scrubber); onmove(Number(slider.value)) }
  return scrubber
}

/**
 * Give a scrubber its frames and their labels.
 * @param {Scrubber} scrubber
 * @param {Frame[]} frames
 * @param {string[]} labels
 */
export function setFrames(scrubber, frames, labels) {
  Object.assign(scrubber, { frames, labels })
  scrubber.slider.max = String(frames.length - 1)
  scrubber.plots = CURVES.filter(([key]) => frames.some((frame) => isNumber(frame[key])))
    .map(([key, label, times, digits]) =>
      drawCurve(frames.map((frame) => scaled(frame[key], times)), label, digits))
  scrubber.curves.replaceChildren(...scrubber.plots.map((plot) => plot.root))
}

/**
 * Check whether a value is known.
 * @param {number | null | undefined} value
 * @returns {value is number}
 */
function isNumber(value) {
  return value !== null && value !== undefined
}

/**
 * Return a value in the unit in which it is shown; null if it is unknown.
 * @param {number | null | undefined} value
 * @param {number} times
 */
function scaled(value, times) {
  return isNumber(value) ? times * value : null
}

/**
 * Draw a line over the frames with a mark at one of them, 100 × 24.
 * @param {(number | null)[]} values
 * @param {string} label
 * @param {number} digits
 * @returns {Sparkline}
 */
function drawCurve(values, label, digits) {
  const root = element("figure", "scrub-curve")
  const caption = element("figcaption", "", "", root)
  element("span", "", label, caption)
  const number = element("b", "", "", caption)
  const svg = svgElement("svg", "", null)
  svg.setAttribute("viewBox", "0 0 100 24")
  svg.setAttribute("preserveAspectRatio", "none")
  svg.setAttribute("aria-hidden", "true")
  const known = values.filter(isNumber)
  const low = Math.min(...known), span = Math.max(...known) - low || 1
  /** @type {Sparkline["points"]} */
  const points = values.map((value, i) => (value === null ? null
    : [values.length > 1 ? (100 * i) / (values.length - 1) : 50, 21 - (18 * (value - low)) / span]))
  svgElement("path", "", svg)
    .setAttribute("d", "M" + points.filter(Boolean).map((point) => point?.join(" ")).join("L"))
  root.append(svg)
  const dot = element("i", "dot", "", root)
  return { root, number, points, dot, values, digits }
}

/**
 * Show which frame is shown; null: one that is none of them.
 * @param {Scrubber} scrubber
 * @param {number | null} at
 */
export function showFrame(scrubber, at) {
  const frame = at === null ? null : scrubber.frames[at]
  scrubber.at = at ?? scrubber.frames.length - 1
  scrubber.slider.value = String(scrubber.at)
  scrubber.name.textContent = frame && at !== null ? scrubber.labels[at] : "as on the page"
  scrubber.slider.setAttribute("aria-valuetext", scrubber.name.textContent)
  for (const { number, values, points, digits, dot } of scrubber.plots) {
    const value = at === null ? null : values[at], point = at === null ? null : points[at]
    number.textContent = isNumber(value) ? value.toFixed(digits) : "–"
    dot.hidden = !point
    if (point) {
      dot.style.left = `${point[0]}%`
      dot.style.setProperty("--y", String(point[1] / 24))
    }
  }
}

/**
 * Play from the frame that is shown; from the first, if that is the last.
 * @param {Scrubber} scrubber
 */
function start(scrubber) {
  scrubber.play.textContent = "❚❚"
  scrubber.play.setAttribute("aria-label", "Pause")
  const end = () => scrubber.frames.length - 1
  let at = scrubber.at >= end() ? -1 : scrubber.at
  const step = () => {
    at += 1
    scrubber.onmove(at)
    if (at >= end()) pause(scrubber)
  }
  scrubber.timer = setInterval(step, 1000 * PLAY_SECONDS)
  step()
}

/**
 * Stop playing, if it plays.
 * @param {Scrubber | null} scrubber
 */
export function pause(scrubber) {
  if (!scrubber?.timer) return
  clearInterval(scrubber.timer)
  scrubber.timer = null
  scrubber.play.textContent = "▶"
  scrubber.play.setAttribute("aria-label", "Play")
}

// The line with the run's status and place, its progress bar and the figures above the curves.
import { button, element } from "../js/element.js"
import { asAP, duration, gain, whole } from "./format.js"
/** @import { Card, CardKey, Head, RunInfo } from "./types" */

/** @type {Record<string, string>} */
const GLYPHS = { queued: "◌", starting: "◌", running: "●", finished: "✓", stopped: "■", failed: "✕", interrupted: "!" }
/** @type {[key: CardKey, label: string, help: string][]} */
const CARDS = [["base", "AP, baseline", "Of the untouched model, before the first step"], ["now", "AP now", ""],
  ["best", "Best AP", ""], ["speed", "Images per second", ""], ["left", "Time left", ""]]

/**
 * Make the head's elements.
 * @param {HTMLElement} root
 * @returns {Head}
 */
export function makeHead(root) {
  const head = element("div", "dl-head", "", root)
  const chip = element("span", "dl-chip", "", head)
  chip.setAttribute("role", "status")
  const place = element("span", "dl-place", "", head)
  const doing = element("span", "dl-note", "", head)
  const note = element("span", "dl-note", "", head)
  const alert = button("dl-alert", "", "", head, null)
  const bar = element("div", "dl-bar", "", root)
  bar.setAttribute("role", "progressbar")
  bar.setAttribute("aria-label", "Progress of the training")
  const filled = element("i", "", "", bar)
  const line = element("div", "dl-cards", "", root)
  const cards = /** @type {Record<CardKey, Card>} */ (
    Object.fromEntries(CARDS.map(([key, label, help]) => [key, makeCard(label, help, line)])))
  return { chip, place, doing, note, alert, bar, filled, cards }
}

/**
 * Make the card of a figure.
 * @param {string} label
 * @param {string} help
 * @param {Element} parent
 * @returns {Card}
 */
function makeCard(label, help, parent) {
  const card = element("div", "dl-card", "", parent)
  if (help) card.title = help
  element("span", "dl-label", label, card)
  const line = element("span", "dl-line", "", card)
  return { value: element("b", "", "–", line), more: element("span", "dl-more", "", line) }
}

/**
 * Return where the run is. Its `epoch` counts those that are done; an evaluation belongs to the epoch that ended.
 * @param {RunInfo} run
 */
function placeOf(run) {
  if (!run.steps) return ""
  const steps = `step ${whole(run.step)} of ${whole(run.steps)}`
  const isEvaluation = run.live && (run.message ?? "").startsWith("Evaluating")
  if (isEvaluation && !run.epoch) return `Baseline · ${steps}`
  const epoch = run.live && !isEvaluation && run.step < run.steps ? run.epoch + 1 : run.epoch
  return `Epoch ${epoch} of ${run.epochs} · ${steps}`
}

/**
 * Show how the run stands.
 * @param {Head} head
 * @param {RunInfo} run
 */
export function showInfo({ chip, place, doing, bar, filled, cards }, run) {
  const text = `${GLYPHS[run.status] ?? "●"} ${run.label}`
  if (chip.textContent !== text) chip.textContent = text
  chip.dataset.status = run.status
  place.textContent = placeOf(run)
  // failed and interrupted runs have their sentence above, on the page
  doing.textContent = run.live || run.status === "stopped" ? run.message ?? "" : ""
  doing.title = doing.textContent
  const share = run.steps ? Math.min(1, run.step / run.steps) : 0
  filled.style.width = `${100 * share}%`
  bar.setAttribute("aria-valuenow", String(Math.round(100 * share)))
  bar.dataset.status = run.status
  const { base, now, best, speed, left } = cards
  base.value.textContent = asAP(run.baseline_ap)
  now.value.textContent = asAP(run.ap)
  const { sign, text: points } = gain(run.ap, run.baseline_ap)
  now.more.textContent = points
  now.more.dataset.sign = sign
  best.value.textContent = asAP(run.best_ap)
  best.more.textContent = run.best_epoch ? `epoch ${run.best_epoch}` : ""
  speed.value.textContent = run.images_per_second ? run.images_per_second.toFixed(1) : "–"
  left.value.textContent = run.live ? duration(run.seconds_left) : "–"
}

// The words at boxes: class, score and error type, where they cover little.
import { element } from "../../js/element.js"
/** @import { Item, Layer, View } from "../types" */

const MOST_NAMED = 4 // in a thumbnail, where words hide what they are about
const FEW = 3 // so many predictions are named whether right or wrong
const THUMBNAIL = { char: 5.6, tall: 14 }, LARGE = { char: 6.7, tall: 18 } // pixels of a letter, and of a label

/**
 * Make the labels of boxes. Errors come first, then by score; each takes the first free place at its box. In a
 * thumbnail one without is left out.
 * @param {View} view
 * @param {Layer} layer
 * @param {Item[]} shown
 * @param {boolean} isLarge
 */
export function makeLabels(view, layer, shown, isLarge) {
  const { char, tall } = isLarge ? LARGE : THUMBNAIL
  const areAll = Boolean(isLarge || view.data.plain)
  const areFew = shown.filter((item) => item.prediction && !item.dim).length <= FEW
  /** @type {{ x: number, y: number, w: number }[]} */
  const taken = []
  const labels = []
  for (const item of inOrder(shown)) {
    if (!areAll && labels.length >= MOST_NAMED) break
    // bare: there are no errors to name
    const text = labelText(item, areAll || Boolean(view.data.bare) || (item.prediction && areFew))
    if (!text) continue
    const wide = Math.min(layer.width, text.length * char + (item.short ? item.short.length * char + 7 : 0) + 9)
    const spots = spotsOf(layer, item, wide, tall)
    const free = spots.find(([x, y]) => !taken.some((other) =>
      x < other.x + other.w && other.x < x + wide && y < other.y + tall && other.y < y + tall))
    if (!spots.length || (!free && !isLarge)) continue
    const [x, y] = free ?? spots[0]
    taken.push({ x, y, w: wide })
    labels.push(makeLabel(item, text, x / layer.width, y / layer.height, view.data.layout === "over" && item.prediction && !item.model))
  }
  return labels
}

/**
 * Return the boxes that do not step back, errors first, then by score.
 * @param {Item[]} items
 */
function inOrder(items) {
  return items.filter((item) => !item.dim).sort((a, b) =>
    Number(b.error !== null) - Number(a.error !== null) || (b.score ?? 0.5) - (a.score ?? 0.5))
}

/**
 * Return the words of a label; none for a box that is right, unless it is `named`.
 * @param {Item} item
 * @param {boolean} named
 */
function labelText(item, named) {
  if (!named && item.error === null && item.mark !== "mark-crowd") return ""
  return item.prediction ? `${item.class} ${item.score.toFixed(2).replace(/^0/, "")}` : item.class
}

/**
 * Return where at its box a label may stand, best first, each [x, y] in pixels of the layer; none out of sight.
 * @param {Layer} layer
 * @param {Item} item
 * @param {number} wide pixels of the label
 * @param {number} tall
 */
function spotsOf({ width, height, part }, item, wide, tall) {
  const [left, right] = [item.x1, item.x2].map((x) => ((x - part.x) / part.w) * width)
  const [top, bottom] = [item.y1, item.y2].map((y) => ((y - part.y) / part.h) * height)
  if (right < 0 || left > width || bottom < 0 || top > height) return []
  const rows = item.prediction ? [top - tall, top, bottom - tall, bottom] : [bottom, bottom - tall, top, top - tall]
  return rows.flatMap((y) => [[left, y], [right - wide, y]])
    .map(([x, y]) => [Math.max(0, Math.min(x, width - wide)), Math.max(0, Math.min(y, height - tall))])
}

/**
 * Make a label at a place of its layer, from 0 to 1: paper may be wider than the screen.
 * @param {Item} item
 * @param {string} text
 * @param {number} x
 * @param {number} y
 * @param {boolean} isBefore whether it is the first of two models' over each other
 */
function makeLabel(item, text, x, y, isBefore) {
  const label = element("span", `label ${isBefore ? "of-before" : item.prediction ? "of-prediction" : "of-truth"}`)
  element("span", "", text, label)
  if (item.short) element("b", "", item.short, label)
  Object.assign(label.style, { left: `${100 * x}%`, top: `${100 * y}%` })
  return label
}

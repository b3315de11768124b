// Why a box is there: what its query looked at, what it says it is, and how its box came about, layer by layer.
import { button, element, tableBody } from "../../js/element.js"
import { centreOf, drawHeat, drawPath, unpackHeat } from "./on_picture.js"
/** @import { Canvas, Chooser, Corners, DrawnPath, LayerOutput, Maps, QueryAnswer } from "./types" */

const MOST_BARS = 6

/** @typedef {number | "mean" | "encoder"} MapKey a layer, from 0; their mean; or the encoder */

/**
 * Show the answer about a query.
 * @param {Chooser} view
 * @param {Element} root
 * @param {Canvas} canvas
 * @param {QueryAnswer} answer
 * @param {boolean} withLast whether nobody else draws the query's box
 */
export function showQuery(view, root, canvas, answer, withLast) {
  const { layers } = answer, last = layers[layers.length - 1]
  element("h3", "", `Query ${answer.query}: ${last.class} ${last.score.toFixed(2)}`, root)
  if (answer.note) element("p", "why-note", answer.note, root)
  const drawn = drawPath(canvas, layers, withLast)
  showMaps(view, makePart(root, "Where it looked"), canvas, answer, drawn)
  showBars(makePart(root, "What it says it is"), answer)
  showLayers(makePart(root, "How its box came about"), layers, answer.maps.decoder.length - layers.length, drawn)
}

/**
 * Make a part of the answer.
 * @param {Element} root
 * @param {string} title
 */
function makePart(root, title) {
  const part = element("section", "why-part", "", root)
  element("h4", "", title, part)
  return part
}

// --- where it looked ---------------------------------------------------------------------------------------------

/**
 * Show one of the heat maps over the picture, and let the user choose which.
 * @param {Chooser} view
 * @param {Element} part
 * @param {Canvas} canvas
 * @param {QueryAnswer} answer
 * @param {DrawnPath} drawn
 */
function showMaps(view, part, canvas, { query, layers, maps }, drawn) {
  const choice = (view.why ??= { map: "mean", opacity: 0.8 })
  const heats = heatsOf(maps), { box } = layers[layers.length - 1]
  const group = element("div", "why-layers", "", part)
  group.setAttribute("role", "group")
  group.setAttribute("aria-label", "Heat map")
  const layerWord = maps.tokens ? "Layer" : "Decoder layer"
  element("span", "fine", layerWord, group)
  const words = element("p", "fine", "", part)
  words.setAttribute("aria-live", "polite")
  /** @type {[key: MapKey, text: string, name: string][]} */
  const choices = [...maps.decoder.map((_, i) => /** @type {[number, string, string]} */ ([i, `${i + 1}`,
    `${layerWord} ${i + 1}`])), ["mean", "Mean", maps.tokens ? "Mean of the layers" : "Mean of the decoder's layers"]]
  if (maps.encoder) choices.push(["encoder", "Encoder", "The encoder's last layer"])
  const buttons = choices.map(([key, text, name]) => ({ key, made: button("turn why-layer", text, name, group, () => {
    choice.map = key
    draw()
  }) }))
  const draw = () => {
    const chosen = heats.has(choice.map) ? choice.map : "mean"
    const heat = heats.get(chosen) ?? []
    for (const { key, made } of buttons) made.setAttribute("aria-pressed", String(key === chosen))
    words.textContent = `${heatWords(chosen, maps, query)} ${heatFigures(maps, heat, box)}`
    drawHeat(canvas, maps, heat, choice.opacity)
    // the last layers answer
    drawn.bringOut(typeof chosen === "number" ? chosen - maps.decoder.length + layers.length : null)
  }
  const fade = element("label", "why-opacity fine", "Opacity", part)
  const slider = element("input", "", "", fade)
  Object.assign(slider, { type: "range", min: 0, max: 1, step: 0.05, value: choice.opacity })
  slider.oninput = () => { choice.opacity = Number(slider.value); draw() }
  draw()
}

/**
 * Return the heat maps as numbers, row by row.
 * @param {Maps} maps
 * @returns {Map<MapKey, number[]>}
 */
function heatsOf(maps) {
  const layers = maps.decoder.map((map) => unpackHeat(maps, map))
  const mean = layers[0].map((_, cell) => layers.reduce((sum, heat) => sum + heat[cell], 0) / layers.length)
  const heats = new Map(/** @type {[MapKey, number[]][]} */ ([...layers.entries(), ["mean", mean]]))
  if (maps.encoder) heats.set("encoder", unpackHeat(maps, maps.encoder))
  return heats
}

/**
 * Return what a heat map shows, in a sentence.
 * @param {MapKey} chosen
 * @param {Maps} maps
 * @param {number} query
 */
function heatWords(chosen, { sampled, tokens }, query) {
  if (chosen === "encoder") {
    return "What the encoder's last self-attention ties to the spot under the box's centre: the parts of one thing."
  }
  if (tokens) {
    const layer = chosen === "mean" ? "all layers" : `layer ${chosen + 1}`
    return `Where detection token ${query} looks in the self-attention of ${layer}, mean of the heads.`
  }
  const who = chosen === "mean" ? "all decoder layers" : `decoder layer ${chosen + 1}`
  if (sampled) return `The sampling points of ${who} for query ${query}, by their weight.`
  return `Where the cross-attention of ${who} looks for query ${query}, mean of the heads.`
}

/**
 * Return how much of a map lies inside a box, and its brightest cell, in a sentence.
 * @param {Maps} maps
 * @param {number[]} heat
 * @param {Corners} box
 */
function heatFigures({ w, h, cover }, heat, [x1, y1, x2, y2]) {
  const sum = heat.reduce((a, b) => a + b, 0)
  if (!sum) return "It looked beside the picture only."
  const inside = heat.reduce((total, value, i) => {
    const x = (i % w) * (cover[0] / w), y = Math.floor(i / w) * (cover[1] / h)
    return total + value * shareWithin(x, x + cover[0] / w, x1, x2) * shareWithin(y, y + cover[1] / h, y1, y2)
  }, 0)
  const percent = (/** @type {number} */ value) => `${(100 * value / sum).toFixed(0)} %`
  return `${percent(inside)} of it lies inside the box; its brightest cell has ${percent(Math.max(...heat))}.`
}

/**
 * Return which share of a stretch lies within another.
 * @param {number} low
 * @param {number} high
 * @param {number} from
 * @param {number} to
 */
function shareWithin(low, high, from, to) {
  return Math.max(0, Math.min(high, to) - Math.max(low, from)) / (high - low)
}

// --- what it says it is, and how its box came about --------------------------------------------------------------

/**
 * Show probabilities as bars: the highest, and "no object" in any case.
 * @param {Element} part
 * @param {QueryAnswer} answer
 */
function showBars(part, { classes, probabilities, softmax }) {
  const order = probabilities.map((p, i) => ({ p, i })).sort((a, b) => b.p - a.p)
  const none = order.find(({ i }) => softmax && i === classes.length - 1)
  const shown = order.slice(0, MOST_BARS)
  if (none && !shown.includes(none)) shown[shown.length - 1] = none
  const list = element("dl", "why-bars", "", part)
  for (const { p, i } of shown) {
    const isNone = none?.i === i
    element("dt", isNone ? "why-none" : "", classes[i], list)
    const cell = element("dd", "", "", list)
    const bar = element("span", `why-bar${isNone ? " none" : ""}`, "", element("span", "why-track", "", cell))
    bar.style.width = `${100 * p}%`
    element("span", "why-value", p < 0.001 ? "<.001" : p.toFixed(3), cell)
  }
  const rest = order.length - shown.length
  const others = rest ? ` ${rest === 1 ? "One more class is" : `${rest} more classes are`} below these.` : ""
  element("p", "fine", (softmax ? "Its probabilities, which sum to 1 with “no object”."
    : "Each class has a probability of its own; they need not sum to 1.") + others, part)
}

/**
 * Show the box after each layer: a line each, which brings its box out on the picture.
 * @param {Element} part
 * @param {LayerOutput[]} layers
 * @param {number} silent how many layers before these do not answer
 * @param {DrawnPath} drawn
 */
function showLayers(part, layers, silent, drawn) {
  const body = tableBody("why-table", ["Layer", "Class", "Score", "IoU with last", "Moved"], part)
  layers.forEach(({ box, class: name, score }, i) => {
    const before = i ? centreOf(layers[i - 1].box) : null
    const moved = before ? `${Math.hypot(...centreOf(box).map((at, k) => at - before[k])).toFixed(1)} px` : "–"
    const row = element("tr", "", "", body)
    for (const words of [`${silent + i + 1}`, name, score.toFixed(2), iou(box, layers[layers.length - 1].box).toFixed(2),
      moved]) element("td", "", words, row)
    row.onmouseenter = () => drawn.bringOut(i)
    row.onmouseleave = () => drawn.bringOut(null)
  })
  element("p", "fine", silent ? "This model answers after its last layer only."
    : "Its box as it stands after each layer. On the picture, thin lines are the earlier ones, and the white line is the "
    + "way of their centres.", part)
}

/**
 * Return the intersection over union of two boxes.
 * @param {Corners} a
 * @param {Corners} b
 */
function iou(a, b) {
  const side = (/** @type {number} */ low, /** @type {number} */ high) =>
    Math.max(0, Math.min(a[high], b[high]) - Math.max(a[low], b[low]))
  const inter = side(0, 2) * side(1, 3)
  const area = (/** @type {Corners} */ box) => (box[2] - box[0]) * (box[3] - box[1])
  return inter / Math.max(area(a) + area(b) - inter, 1e-9)
}

// The grid's cells: a picture or two with boxes over them, and a caption that counts what is seen.
import { button, element } from "../js/element.js"
import { openLarge, warmUp } from "./large/large.js"
import { boxesOf, isFiltered, isLit, judge } from "./overlay/boxes.js"
import { drawThumbnail, makeLayer, measure } from "./overlay/layer.js"
import { panesOf, partOf, source } from "./state.js"
/** @import { Lit, Picture } from "./page" */
/** @import { Cell, Item, Judged, Numbers, Pane, Part, View } from "./types" */

const FIRST = 12 // cells that are probably in sight at once

/**
 * Make a cell; the boxes follow with the next `refreshCells`.
 * @param {View} view
 * @param {Picture} image
 * @param {number} index
 * @returns {Cell}
 */
export function makeCell(view, image, index) {
  const cell = button("cell", "", "", null, () => openLarge(view, index))
  cell.onmouseenter = () => {
    view.hovered = index
    if (!view.ready) warmUp(view)
  }
  cell.onmouseleave = () => { if (view.hovered === index) view.hovered = null }
  const part = partOf(image)
  const windows = element("span", "windows", "", cell)
  const panes = panesOf(view).map((models) => makePane(windows, models, image, part, index < FIRST))
  const line = element("span", "caption", "", cell)
  const name = element("span", "name", image.name, line)
  const errors = element("span", "errors", "", line)
  element("span", "star", "★", cell).setAttribute("aria-hidden", "true")
  return { image, cell, index, near: index < FIRST, boxes: new Map(), panes, name, errors, captioned: null }
}

/**
 * Make one picture of a cell.
 * @param {Element} parent
 * @param {number[]} models whose boxes are on it
 * @param {Picture} image
 * @param {Part} part what of the image is in sight
 * @param {boolean} isEager whether it is loaded before it is in sight
 * @returns {Pane}
 */
function makePane(parent, models, image, part, isEager) {
  const frame = element("span", "frame", "", element("span", "window", "", parent))
  frame.style.aspectRatio = `${part.w} / ${part.h}`
  // whole inside the window, which is 4:3, or square for parts
  frame.style.width = `${Math.min(100, ((image.crop ? 100 : 75) * part.w) / part.h)}%`
  const picture = element("img", "", "", frame)
  picture.alt = ""
  picture.loading = isEager ? "eager" : "lazy"
  picture.decoding = "async"
  picture.onerror = () => frame.classList.add("lost")
  picture.src = source(image, 320)
  return { models, layer: makeLayer(frame, part), drawn: null }
}

/**
 * Draw what is new on the cells that are in sight, or near it.
 * @param {View} view
 */
export function refreshCells(view) {
  const near = view.cells.filter((cell) => cell.near)
  for (const { panes } of near) { // all before the first change: one layout instead of 24
    for (const { layer } of panes) if (layer.measured !== view.drawn) measure(layer, view.drawn)
  }
  for (const cell of near) refreshCell(view, cell)
}

/**
 * Have all cells drawn next, as if their pictures were as wide as this.
 * @param {View} view
 * @param {number} width pixels
 */
export function fitCells(view, width) {
  for (const cell of view.cells) {
    cell.near = true
    for (const { layer } of cell.panes) {
      Object.assign(layer, { width, height: (width * layer.part.h) / layer.part.w, measured: view.drawn })
    }
  }
}

/**
 * Draw what is new on a cell.
 * @param {View} view
 * @param {Cell} cell
 */
function refreshCell(view, cell) {
  const { image, panes } = cell
  const states = panesOf(view).map((models, i) => {
    panes[i].models = models
    return models.map((m) => judge(view, boxesOf(view, cell, m), m))
  })
  const areDrawn = panes.map((pane, i) => drawThumbnail(view, pane, states[i]))
  const captioned = `${view.marked.has(image.id)} ${view.at}`
  if (!areDrawn.some(Boolean) && cell.captioned === captioned) return
  cell.captioned = captioned
  caption(view, cell, states.flat())
}

/**
 * Say below a picture what is on it: its name, or the box that it is about, and what is counted.
 * @param {View} view
 * @param {Cell} cell
 * @param {Judged[]} states of the models whose boxes are on it
 */
function caption(view, { image, index, cell, name, errors }, states) {
  const { plain, bare, models } = view.data, last = states[states.length - 1], { selected } = last
  const all = { ...last.all, objects: models[0].truths.total?.[index] ?? last.all.objects }
  const of = isFiltered(view.data)
  const words = (/** @type {keyof Numbers} */ kind, word = kind.slice(0, -1)) =>
    counted(selected[kind], of ? all[kind] : null, word)
  const moved = (/** @type {Judged} */ state) => state.selected.errors + (of ? ` of ${state.all.errors}` : "")
  const lit = image.lit && !plain ? litItem(last, image.lit) : null
  if (lit) name.textContent = litText(lit)
  errors.textContent = lit ? litFigure(lit)
    : states.length > 1 ? `${moved(states[0])} → ${moved(states[1])} errors`
      : plain ? words("objects") : bare ? words("predictions", "box") : words("errors")
  errors.classList.toggle("none", Boolean(plain || bare || (lit && lit.error === null) || !selected.errors))
  const isMarked = view.marked.has(image.id)
  cell.classList.toggle("marked", isMarked)
  const counts = plain ? words("objects") : bare ? words("predictions")
    : `${words("objects")}, ${words("predictions")}, ${words("errors")}`
  cell.setAttribute("aria-label",
    `${image.name}${lit ? `, ${litText(lit)}` : ""}: ${counts}${isMarked ? ", marked" : ""}. Open in large.`)
}

/**
 * Return the box that a part of an image is about, if it is there at the slider's score.
 * @param {Judged} state
 * @param {Lit} lit
 */
function litItem(state, lit) {
  return [...state.truths, ...state.predictions].find((item) => isLit(item, lit)) ?? null
}

/**
 * Return what the box of a part is.
 * @param {Item} item
 */
function litText(item) {
  const score = item.prediction ? ` ${item.score.toFixed(2)}` : ""
  return `${item.class}${score} · ${item.verdict.toLowerCase()}`
}

/**
 * Return how well the box of a part fits, or how large an object is.
 * @param {Item} item
 */
function litFigure(item) {
  if (item.prediction) return item.iou === null ? "" : `IoU ${item.iou.toFixed(2)}`
  return `${Math.round(item.x2 - item.x1)} × ${Math.round(item.y2 - item.y1)} px`
}

/**
 * Return a number of things in words: "no boxes", "1 box", "2 boxes"; "0 of 1 box" where only some are asked for.
 * @param {number} count
 * @param {number | null} all how many there are where a filter is set
 * @param {string} word
 */
function counted(count, all, word) {
  const number = all ?? count
  const words = number === 1 ? word : word + (word.endsWith("x") ? "es" : "s")
  return `${all ? `${count} of ${all}` : number || "no"} ${words}`
}

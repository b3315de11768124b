// What is drawn over a picture: rectangles, and labels where they are wanted.
import { element, svgElement } from "../../js/element.js"
import { makeLabels } from "./labels.js"
/** @import { BoxPath, Item, Judged, Layer, Pane, Part, View } from "../types" */

/**
 * Make a layer over a picture of which `part`, in pixels of the original image, is in sight.
 * @param {HTMLElement} frame holds the picture
 * @param {Part} part
 * @returns {Layer}
 */
export function makeLayer(frame, part) {
  const svg = svgElement("svg", "", null)
  svg.setAttribute("viewBox", `${part.x} ${part.y} ${part.w} ${part.h}`)
  svg.setAttribute("preserveAspectRatio", "none")
  svg.setAttribute("aria-hidden", "true")
  const halo = svgElement("path", "halo", svg)
  const boxes = svgElement("g", "boxes", svg), extra = svgElement("g", "extra", svg)
  const labels = element("span", "labels")
  labels.setAttribute("aria-hidden", "true")
  frame.append(svg, labels)
  return { svg, halo, boxes, extra, labels, frame, part, width: 0, height: 0, measured: -1 }
}

/**
 * Read the size of a layer, which holds until the view's `drawn` is another.
 * @param {Layer} layer
 * @param {number} drawn
 */
export function measure(layer, drawn) {
  layer.width = layer.frame.clientWidth
  layer.height = layer.frame.clientHeight
  layer.measured = drawn
}

/**
 * Draw the boxes and labels of a thumbnail if anything is new since the last time; return whether anything was.
 * @param {View} view
 * @param {Pane} pane
 * @param {Judged[]} states of the models whose boxes are on the picture
 */
export function drawThumbnail(view, pane, states) {
  const { show, at } = view
  const way = [show.truths, show.predictions, show.labels, show.onlyErrors, at, view.iou, pane.layer.measured].join()
  const marks = states.map((state) => [state.count, ...state.truths.map((truth) => truth.mark)].join()).join(";")
  if (pane.drawn === `${way} ${marks}`) return false
  pane.drawn = `${way} ${marks}`
  const shown = shownItems(view, states)
  drawBoxes(pane.layer, shown, states.length > 1)
  pane.layer.labels.replaceChildren(...(show.labels ? makeLabels(view, pane.layer, shown, false) : []))
  return true
}

/**
 * Return what the toggles let be seen: ground truth (of the last of two models) below, predictions above.
 * @param {View} view
 * @param {Judged[]} states
 * @returns {Item[]}
 */
export function shownItems({ show }, states) {
  const truths = show.truths ? states[states.length - 1].truths : []
  const predictions = show.predictions ? states.flatMap((state) => state.predictions) : []
  return [...truths, ...predictions].filter((item) => !item.hidden)
}

/**
 * Draw boxes as rectangles, reusing those that are there; return the element of each.
 * @param {Layer} layer
 * @param {Item[]} items
 * @param {boolean} isPair whether the boxes of two models are over each other
 * @returns {Map<Item, BoxPath>}
 */
export function drawBoxes(layer, items, isPair) {
  const rects = /** @type {HTMLCollectionOf<BoxPath>} */ (layer.boxes.children)
  while (rects.length > items.length) rects[rects.length - 1].remove()
  const fragment = document.createDocumentFragment()
  const drawn = new Map()
  let halo = ""
  items.forEach((item, i) => {
    /** @type {BoxPath} */
    const rect = rects[i] ?? fragment.appendChild(svgElement("path", "", null))
    const { x1, y1, x2, y2 } = item
    const line = `M${x1} ${y1}H${x2}V${y2}H${x1}Z`
    if (rect.line !== line) { rect.setAttribute("d", line); rect.line = line }
    const look = `box ${item.mark}${item.error !== null ? " wrong" : ""}${item.dim ? " dim" : ""}`
      + (isPair && item.prediction && !item.model ? " of-before" : "")
    if (rect.look !== look) { rect.setAttribute("class", look); rect.look = look }
    if (!item.dim) halo += line
    drawn.set(item, rect)
  })
  layer.boxes.append(fragment)
  layer.halo.setAttribute("d", halo) // a dark halo keeps the lines readable on any picture
  return drawn
}

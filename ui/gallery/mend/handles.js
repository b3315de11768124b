// The handles of the chosen label, by which it is moved and resized, and the band that a new one is drawn with.
import { svgElement } from "../../js/element.js"
import { chosenOn, placeOf, pointAt } from "../large/chosen.js"
import { canMend } from "./mend.js"
import { drawLabel, moveLabel } from "./tools.js"
/** @import { Sides } from "./types" */
/** @import { Item, Stage, View } from "../types" */

const REACH = 7 // pixels of the screen around a handle that belong to it
const SIZE = 9 // pixels of the screen of a handle
const CLICK = 3 // pixels that a pointer may move in a click
const CURSORS = { "-1,-1": "nwse-resize", "1,1": "nwse-resize", "1,-1": "nesw-resize", "-1,1": "nesw-resize",
  "-1,0": "ew-resize", "1,0": "ew-resize", "0,-1": "ns-resize", "0,1": "ns-resize", "0,0": "move" }
/** @typedef {[x: -1 | 0 | 1, y: -1 | 0 | 1]} Grip which sides of a box move, as seen from its middle; (0, 0): all */

/**
 * Return the chosen label on a stage, if it can be corrected.
 * @param {View} view
 * @param {Stage} stage
 */
function labelOn(view, stage) {
  if (!canMend(view)) return null
  const item = chosenOn(view, stage)
  return item && !item.prediction ? item : null
}

/**
 * Draw the handles of the chosen label, or the band of the one that is drawn.
 * @param {View} view
 * @param {Stage} stage
 */
export function showHandles(view, stage) {
  const item = labelOn(view, stage), { band, isDrawing } = view.mend, { grips, image, layer } = stage
  grips.replaceChildren()
  stage.root.classList.toggle("drawing", isDrawing && canMend(view))
  const unit = image.w / layer.width // pixels of the image to one of the screen
  if (band) addRect(grips, "band", band)
  if (!item || isDrawing || !layer.width) return
  const half = (SIZE / 2) * unit
  for (const [x, y] of gripsOf(item)) addRect(grips, "grip", [x - half, y - half, x + half, y + half])
}

/**
 * Draw a rectangle.
 * @param {SVGGElement} parent
 * @param {string} className
 * @param {Sides} sides
 */
function addRect(parent, className, [x1, y1, x2, y2]) {
  const rect = svgElement("rect", className, parent)
  for (const [name, value] of Object.entries({ x: x1, y: y1, width: x2 - x1, height: y2 - y1 })) {
    rect.setAttribute(name, String(value))
  }
}

/**
 * Return the places of a label's handles, its corners first.
 * @param {Item} item
 * @returns {[number, number, Grip][]}
 */
function gripsOf({ x1, y1, x2, y2 }) {
  const mx = (x1 + x2) / 2, my = (y1 + y2) / 2
  return [[x1, y1, [-1, -1]], [x2, y1, [1, -1]], [x1, y2, [-1, 1]], [x2, y2, [1, 1]], [mx, y1, [0, -1]], [mx, y2, [0, 1]],
    [x1, my, [-1, 0]], [x2, my, [1, 0]]]
}

/**
 * Return what of the chosen label is under the pointer: a handle, or all of it; null if it is beside it.
 * @param {Stage} stage
 * @param {Item} item
 * @param {PointerEvent} event
 * @returns {Grip | null}
 */
function gripAt(stage, item, event) {
  const [x, y] = placeOf(stage, event), reach = (REACH * stage.image.w) / stage.layer.width
  const near = gripsOf(item).find(([gx, gy]) => Math.abs(x - gx) <= reach && Math.abs(y - gy) <= reach)
  if (near) return near[2]
  return x > item.x1 && x < item.x2 && y > item.y1 && y < item.y2 ? [0, 0] : null
}

/**
 * Return the cursor over a stage where a label can be moved or drawn; "" elsewhere.
 * @param {View} view
 * @param {Stage} stage
 * @param {PointerEvent} event
 */
export function cursorAt(view, stage, event) {
  if (view.mend.isDrawing && canMend(view)) return "crosshair"
  const item = labelOn(view, stage), grip = item && gripAt(stage, item, event)
  return grip ? CURSORS[/** @type {keyof typeof CURSORS} */ (String(grip))] : ""
}

/**
 * Follow a pointer that goes down on a handle or on the chosen label, or draws a new one; return whether it does.
 * @param {View} view
 * @param {Stage} stage
 * @param {PointerEvent} down
 * @param {(event: PointerEvent) => void} onclick what a click is that moves nothing
 */
export function grabLabel(view, stage, down, onclick) {
  if (view.mend.isDrawing && canMend(view)) {
    pointAt(view, stage, null, down)
    drawBand(view, stage, down)
    return true
  }
  const item = labelOn(view, stage), grip = item && gripAt(stage, item, down)
  if (!item || !grip) return false
  const start = placeOf(stage, down), was = /** @type {Sides} */ ([item.x1, item.y1, item.x2, item.y2])
  let isMoved = false
  follow(stage, down, (event) => {
    isMoved ||= Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) > CLICK
    if (!isMoved) return
    if (stage.over) pointAt(view, stage, null, event)
    const [x, y] = placeOf(stage, event)
    const [x1, y1, x2, y2] = moved(was, grip, x - start[0], y - start[1], stage.image)
    Object.assign(item, { x1, y1, x2, y2 })
    view.refresh()
  }, (event) => {
    if (isMoved) moveLabel(view, item)
    else onclick(event)
  })
  return true
}

/**
 * Return a box of which a handle, or all, was moved, as far as the picture goes.
 * @param {Sides} was
 * @param {Grip} grip
 * @param {number} dx
 * @param {number} dy
 * @param {{ w: number, h: number }} picture
 * @returns {Sides}
 */
export function moved([x1, y1, x2, y2], [gx, gy], dx, dy, { w, h }) {
  const inside = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(most, Math.max(0, value))
  if (!gx && !gy) {
    const left = inside(x1 + dx, w - (x2 - x1)), top = inside(y1 + dy, h - (y2 - y1))
    return [left, top, left + x2 - x1, top + y2 - y1]
  }
  const xs = [gx < 0 ? inside(x1 + dx, w) : x1, gx > 0 ? inside(x2 + dx, w) : x2].sort((a, b) => a - b)
  const ys = [gy < 0 ? inside(y1 + dy, h) : y1, gy > 0 ? inside(y2 + dy, h) : y2].sort((a, b) => a - b)
  return [xs[0], ys[0], xs[1], ys[1]]
}

/**
 * Draw a new label from where the pointer went down.
 * @param {View} view
 * @param {Stage} stage
 * @param {PointerEvent} down
 */
function drawBand(view, stage, down) {
  const { mend } = view, [x, y] = placeOf(stage, down)
  follow(stage, down, (event) => {
    const [toX, toY] = placeOf(stage, event)
    mend.band = moved([x, y, x, y], [toX < x ? -1 : 1, toY < y ? -1 : 1], toX - x, toY - y, stage.image)
    view.refresh()
  }, (event) => {
    const { band } = mend
    mend.band = null
    const isBox = Math.min(Math.abs(event.clientX - down.clientX), Math.abs(event.clientY - down.clientY)) > CLICK
    if (band && isBox) {
      mend.isDrawing = false
      drawLabel(view, band)
    }
    view.refresh()
  })
}

/**
 * Follow a pointer until it goes up.
 * @param {Stage} stage
 * @param {PointerEvent} down
 * @param {(event: PointerEvent) => void} onmove
 * @param {(event: PointerEvent) => void} onup not called if the pointer is taken away
 */
function follow({ root }, down, onmove, onup) {
  const { onpointermove } = root
  root.setPointerCapture(down.pointerId)
  root.onpointermove = onmove
  root.onpointerup = root.onpointercancel = (event) => {
    root.onpointermove = onpointermove
    root.onpointerup = root.onpointercancel = null
    if (event.type === "pointerup") onup(event)
  }
}

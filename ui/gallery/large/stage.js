// A picture that can be zoomed and moved, with its boxes. Two stages side by side share one place: moving one moves both.
import { element, svgElement } from "../../js/element.js"
import { cursorAt, grabLabel } from "../mend/handles.js"
import { makeLayer } from "../overlay/layer.js"
import { partOf, source } from "../state.js"
import { choose, hover, itemAt, pointAt } from "./chosen.js"
import { watchPinch } from "./pinch.js"
/** @import { Picture } from "../page" */
/** @import { Stage, View } from "../types" */

const NEAREST = 24 // times the whole picture
const CLICK = 4 // pixels that a pointer may move in a click
const SWIPE = 50 // pixels to the side that a finger moves to another image

/**
 * Make a stage with an image and the boxes of some models.
 * @param {View} view
 * @param {Element} parent
 * @param {Picture} image
 * @param {number[]} models
 * @param {string} caption
 * @param {(step: 1 | -1) => void} turn goes to another image
 */
export function makeStage(view, parent, image, models, caption, turn) {
  const root = element("div", "stage", "", parent)
  const frame = element("span", "frame", "", root)
  const picture = element("img", "", "", frame)
  picture.alt = image.name
  picture.draggable = false
  picture.onerror = () => frame.classList.add("lost")
  picture.src = source(image, 1280, true)
  const heat = element("canvas", "heat", "", frame)
  heat.setAttribute("aria-hidden", "true")
  const layer = makeLayer(frame, partOf({ ...image, crop: null }))
  if (caption) element("span", "stage-caption", caption, root)
  /** @type {Stage} */
  const stage = { root, frame, picture, heat, extra: layer.extra, grips: svgElement("g", "grips", layer.svg), layer, models,
    image, drawn: new Map(), over: null, isSharp: false }
  root.onwheel = (event) => {
    event.preventDefault()
    zoomAt(view, stage, Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event)
  }
  watchPinch(root, (factor, between) => zoomAt(view, stage, factor, between))
  root.onpointerdown = (event) => grab(view, stage, event, turn)
  root.onpointermove = (event) => {
    hover(view, stage, event)
    root.style.cursor = cursorAt(view, stage, event) || (stage.over ? "pointer" : "")
  }
  root.onpointerleave = (event) => pointAt(view, stage, null, event)
  root.ondblclick = (event) => zoomAt(view, stage, view.place.k > 1.01 ? 1 / view.place.k : 3, event)
  return stage
}

/**
 * Return the size at which the whole picture fits into the stage.
 * @param {Stage} stage
 */
function fitted({ root, image }) {
  const width = root.clientWidth, height = root.clientHeight
  const scale = Math.min(width / image.w, height / image.h)
  return { width: image.w * scale, height: image.h * scale, scale }
}

/**
 * Put the picture where `view.place` says.
 * @param {View} view
 * @param {Stage} stage
 */
export function layStage(view, stage) {
  const { k, x, y } = view.place
  const fit = fitted(stage)
  const width = fit.width * k, height = fit.height * k
  const { frame, root, layer } = stage
  const left = root.clientWidth / 2 - x * width, top = root.clientHeight / 2 - y * height
  Object.assign(frame.style, { width: `${width}px`, height: `${height}px`, left: `${left}px`, top: `${top}px` })
  root.classList.toggle("near", k > 1.001)
  root.classList.toggle("drawing", view.mend.isDrawing)
  layer.width = width
  layer.height = height
  if (width * devicePixelRatio > 1400 && stage.image.w > 1280 && !stage.isSharp) {
    stage.isSharp = true
    const large = new Image() // in place once it is there, so that nothing flickers
    large.onload = () => { stage.picture.src = large.src }
    large.src = source(stage.image, 3840, true)
  }
}

/**
 * Zoom so that the point under the pointer stays where it is; without a pointer, the middle.
 * @param {View} view
 * @param {Stage} stage
 * @param {number} factor
 * @param {{ clientX: number, clientY: number }} [pointer]
 */
function zoomAt(view, stage, factor, pointer) {
  const { place } = view
  const k = Math.min(NEAREST, Math.max(1, place.k * factor))
  const fit = fitted(stage), area = stage.root.getBoundingClientRect()
  const dx = pointer ? pointer.clientX - area.left - area.width / 2 : 0
  const dy = pointer ? pointer.clientY - area.top - area.height / 2 : 0
  const x = place.x + dx / (fit.width * place.k) - dx / (fit.width * k)
  const y = place.y + dy / (fit.height * place.k) - dy / (fit.height * k)
  move(view, stage, k, x, y)
}

/**
 * Move to a place, as far as the picture goes.
 * @param {View} view
 * @param {Stage} stage
 * @param {number} k how many times larger than whole
 * @param {number} x which point of the picture, 0 to 1, is in the middle
 * @param {number} y
 */
function move(view, stage, k, x, y) {
  const fit = fitted(stage), { root } = stage
  const within = (/** @type {number} */ value, /** @type {number} */ size, /** @type {number} */ room) => {
    const half = Math.min(0.5, room / 2 / (size * k))
    return Math.min(1 - half, Math.max(half, value))
  }
  view.place = { k, x: within(x, fit.width, root.clientWidth), y: within(y, fit.height, root.clientHeight) }
  view.refresh()
}

/**
 * Follow a pointer that goes down on the picture: what follows moves it, or is a click on a box, or, of a finger on the
 * whole picture, a swipe to another image.
 * @param {View} view
 * @param {Stage} stage
 * @param {PointerEvent} down
 * @param {(step: 1 | -1) => void} turn
 */
function grab(view, stage, down, turn) {
  if (down.button !== 0 || grabLabel(view, stage, down, (event) => choose(view, itemAt(stage, event)))) return
  const { place } = view, { root } = stage, { onpointermove } = root
  const fit = fitted(stage)
  let moved = 0
  root.setPointerCapture(down.pointerId)
  root.onpointermove = (event) => {
    const dx = event.clientX - down.clientX, dy = event.clientY - down.clientY
    moved = Math.max(moved, Math.hypot(dx, dy))
    if (moved > CLICK) {
      move(view, stage, place.k, place.x - dx / (fit.width * place.k), place.y - dy / (fit.height * place.k))
    }
  }
  root.onpointerup = root.onpointercancel = (event) => {
    root.onpointermove = onpointermove
    root.onpointerup = root.onpointercancel = null
    if (event.type !== "pointerup") return
    const dx = event.clientX - down.clientX, dy = event.clientY - down.clientY
    if (moved <= CLICK) choose(view, itemAt(stage, event))
    else if (down.pointerType === "touch" && place.k <= 1.001 && Math.abs(dx) > Math.max(SWIPE, 2 * Math.abs(dy))) {
      turn(dx < 0 ? 1 : -1)
    }
  }
}

/**
 * Zoom in with +, out with -, to the whole picture with 0.
 * @param {View} view
 * @param {string} key
 */
export function zoomByKey(view, key) {
  const stage = view.large.stages[0]
  if (key === "0") move(view, stage, 1, 0.5, 0.5)
  else zoomAt(view, stage, key === "-" ? 1 / 1.5 : 1.5)
}

/**
 * Show one pixel of the picture as a pixel of the screen, or the whole picture again.
 * @param {View} view
 */
export function toggleFullSize(view) {
  const stage = view.large.stages[0]
  const full = 1 / fitted(stage).scale / devicePixelRatio
  const k = full > 1.02 ? full : 3 // a small picture is shown larger than that already: then nearer
  if (view.place.k > 1.01) move(view, stage, 1, 0.5, 0.5)
  else move(view, stage, k, view.place.x, view.place.y)
}

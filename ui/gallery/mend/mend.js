// Correcting labels in the large view: what is asked of the server, and what its answer changes on the page.
import { unpack } from "../overlay/boxes.js"
/** @import { Picture } from "../page" */
/** @import { MendAnswer, MendFigures, MendState } from "./types" */
/** @import { Item, View } from "../types" */

const PATIENCE = 120 // ms after a correction until what all of them change is asked for

/**
 * Return the state of a gallery in which nothing is corrected yet.
 * @returns {MendState}
 */
export function newMend() {
  return { undo: 0, redo: 0, made: 0, figures: null, asked: 0, timer: undefined, message: "", isDrawing: false,
    band: null, className: null, queue: Promise.resolve() }
}

/**
 * Check whether the labels of the image in large can be corrected: of one model's page, at the epoch that it shows.
 * @param {View} view
 */
export function canMend({ data, large }) {
  return Boolean(data.models[0]?.labels) && (data.layout ?? "one") === "one" && large.epoch === null
}

/**
 * Return the chosen box if its labels can be corrected.
 * @param {View} view
 * @returns {Item | null}
 */
export function mendable(view) {
  return canMend(view) && view.large.chosen ? view.large.item : null
}

/**
 * Take up an image that has come in large: how much can be undone, and what all corrections change.
 * @param {View} view
 */
export function lookAt(view) {
  Object.assign(view.mend, { undo: null, redo: null, message: "", isDrawing: false, band: null })
  if (!canMend(view)) return
  ask(view, { do: "look" })
  askFigures(view)
}

/**
 * Have the labels of the image in large corrected, one request after the other; resolves to the label's id.
 * @param {View} view
 * @param {Record<string, string>} what
 * @returns {Promise<string | null>}
 */
export function correct(view, what) {
  return ask(view, what).then((answer) => {
    if (!answer) return null
    view.mend.made += 1
    askFigures(view)
    return answer.id
  })
}

/**
 * Ask for something to be done, and show the image's boxes as they are then, or the sentence that refuses it.
 * @param {View} view
 * @param {Record<string, string>} what
 * @returns {Promise<MendAnswer | null>}
 */
function ask(view, what) {
  const { mend, large, data } = view, image = large.shown
  if (!image) return Promise.resolve(null)
  const url = `${data.models[0].labels}/${image.id}?${new URLSearchParams(what)}`
  const asked = mend.queue.then(() => post(view, url)).then((answer) => {
    if (what.do !== "look" || !answer.error) mend.message = answer.error ?? ""
    if (!answer.model) {
      if (what.do !== "look") ask(view, { do: "look" }) // a box that was dragged goes back
      view.refresh()
      return null
    }
    takeBoxes(view, image, answer)
    return answer
  })
  mend.queue = asked.then(() => {})
  return asked
}

/**
 * Send a request, whose answer may also be a sentence on why it failed.
 * @param {View} view
 * @param {string} url
 * @returns {Promise<any>}
 */
function post(view, url) {
  return fetch(url, { method: "POST", headers: { "X-DETR-Lab-Token": view.token } }).then((answer) => answer.json())
    .catch(() => ({ error: "The app does not answer: is it still running? Nothing was changed." }))
}

/**
 * Show an image's boxes as the server has matched them, wherever on the page the image is.
 * @param {View} view
 * @param {Picture} image
 * @param {MendAnswer} answer
 */
function takeBoxes(view, image, { model, undo, redo }) {
  const { large, cells, data, mend } = view
  for (const cell of cells) {
    if (cell.image.id !== image.id) continue
    cell.boxes.set(0, unpack(data, { ...data.models[0], ...model }, 0, cell.image))
    cell.captioned = null
    for (const pane of cell.panes) pane.drawn = null
  }
  if (large.shown?.id === image.id) Object.assign(mend, { undo, redo })
  large.stamp = ""
  view.refresh()
}

/**
 * Ask, once no more corrections come, what all of them change.
 * @param {View} view
 */
function askFigures(view) {
  const { mend } = view
  clearTimeout(mend.timer)
  mend.timer = setTimeout(() => {
    const number = ++mend.asked
    post(view, `${view.data.models[0].labels}?score=${view.score}`).then((/** @type {MendFigures & {error?: string}} */ a) => {
      if (number !== mend.asked || a.error) return
      mend.figures = a
      view.refresh()
    })
  }, PATIENCE)
}

/**
 * Tell the page's Python, once the large view is closed, that labels were corrected: its numbers are others then.
 * @param {View} view
 */
export function tellCorrections(view) {
  if (!view.mend.made) return
  view.tell("mend", view.mend.made)
  view.mend.made = 0
}

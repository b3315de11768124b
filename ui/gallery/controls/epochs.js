// Which epoch is shown: of all pictures of a page of frames, or of the one in large.
import { forgetWhy } from "../large/ask.js"
import { makeScrubber, pause, setFrames, showFrame } from "./scrubber.js"
/** @import { Frame, Model, Page, Picture } from "../page" */
/** @import { View } from "../types" */

/**
 * Take the frames of a new page. A new epoch of a live run does not move the place, unless it was the end.
 * @param {View} view
 * @param {Page | undefined} before the page before
 */
export function takeFrames(view, before) {
  const { frames, layout } = view.data
  const isFrames = layout === "frames" && frames && frames.length > 0
  view.scrubber.root.hidden = !isFrames
  if (!isFrames) {
    stopPlaying(view)
    view.at = 0
    return
  }
  const epoch = before?.frames?.[view.at]?.epoch
  const wasLast = !before?.frames || view.at >= before.frames.length - 1
  const same = frames.findIndex((frame) => frame.epoch === epoch)
  view.at = wasLast || same < 0 ? frames.length - 1 : same
  setFrames(view.scrubber, frames, view.data.models.map((model) => model.label))
  showFrame(view.scrubber, view.at)
}

/**
 * Show a frame of the page.
 * @param {View} view
 * @param {number} at
 */
export function goTo(view, at) {
  const { frames } = view.data
  if (!frames || at < 0 || at >= frames.length) return
  view.at = at
  view.large.stamp = ""
  showFrame(view.scrubber, at)
  view.refresh()
}

/**
 * Stop playing, on the page and in large.
 * @param {View} view
 */
export function stopPlaying(view) {
  pause(view.scrubber)
  pause(view.large?.scrub ?? null)
}

/**
 * Give the image in large a scrubber: over the page's frames, or over every epoch at which its boxes are kept.
 * @param {View} view
 * @param {Picture} image
 */
export function askEpochs(view, image) {
  const { large, data } = view
  large.epochs.replaceChildren()
  pause(large.scrub)
  large.scrub = null
  if (data.layout === "frames") { // the same epochs as the page
    large.scrub = makeScrubber(large.epochs, (at) => goTo(view, at))
    setFrames(large.scrub, data.frames ?? [], data.models.map((model) => model.label))
    return
  }
  const url = data.layout === "one" || !data.layout ? data.models[0].boxes : null
  if (!url) return
  fetch(`${url}/${image.id}`).then((answer) => (answer.ok ? answer.json() : null)).then((kept) => {
    if (kept && kept.models.length >= 2 && large.shown === image) takeKept(view, kept)
  }).catch(() => {}) // without them there is no scrubber
}

/**
 * Let the user go through the epochs of which an image's boxes are kept.
 * @param {View} view
 * @param {{ models: Model[], frames: Frame[] }} answer
 */
function takeKept(view, { models, frames }) {
  const { large, data } = view
  const page = frames.findIndex((frame) => frame.epoch === data.models[0].epoch)
  large.kept = { models, frames, boxes: [], at: page }
  large.scrub = makeScrubber(large.epochs, (at) => {
    large.epoch = at === page ? null : at // the page's own model can be asked why
    large.stamp = ""
    forgetWhy(view)
    view.refresh()
  })
  setFrames(large.scrub, frames, models.map((model) => model.label))
  view.refresh()
}

/**
 * Show on the scrubber in large which epoch is shown.
 * @param {View} view
 */
export function showEpochs({ large, data, at }) {
  if (!large.scrub) return
  const page = large.kept && large.kept.at >= 0 ? large.kept.at : null
  showFrame(large.scrub, data.layout === "frames" ? at : large.epoch ?? page)
}

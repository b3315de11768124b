// What several parts of the gallery ask of its view, and the marks that both the grid and the large view can set.
/** @import { Picture } from "./page" */
/** @import { Part, View } from "./types" */

/**
 * Return which models are drawn on which picture of a cell.
 * @param {View} view
 */
export function panesOf(view) {
  const { layout } = view.data
  return layout === "beside" ? [[0], [1]] : layout === "over" ? [[0, 1]] : layout === "frames" ? [[view.at]] : [[0]]
}

/**
 * Check whether two models are compared, beside or over each other.
 * @param {View} view
 */
export function isPair({ data: { layout } }) {
  return layout === "over" || layout === "beside"
}

/**
 * Return what of the original image a cell shows.
 * @param {Picture} image
 * @returns {Part}
 */
export function partOf(image) {
  const [x, y, x2, y2] = image.crop ?? [0, 0, image.w, image.h]
  return { x, y, w: x2 - x, h: y2 - y }
}

/**
 * Return the address of a picture of at most `width` pixels, of the part that a cell shows or of the whole image.
 * @param {Picture} image
 * @param {number} width
 */
export function source(image, width, isWhole = false) {
  const crop = image.crop && !isWhole ? `&crop=${image.crop.join(",")}` : ""
  return `${image.source}?w=${width}${crop}`
}

/**
 * Mark an image, or take its mark away.
 * @param {View} view
 * @param {Picture} image
 */
export function toggleMark(view, image) {
  if (!view.canMark) return
  const on = !view.marked.has(image.id)
  if (on) view.marked.add(image.id)
  else view.marked.delete(image.id)
  view.tell("mark", { id: image.id, on })
  view.refresh()
}

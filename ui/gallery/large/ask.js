// The question "Why this box?": of which box it can be asked, and its answer beside the large picture.
import { clearPicture } from "../why/on_picture.js"
import { showWhy } from "../why/why.js"
/** @import { Item, View } from "../types" */

/**
 * Return the question of a box, as `showWhy` takes it; null where it cannot be asked.
 * @param {View} view
 * @param {Item} item
 */
export function whyOf(view, item) {
  const { shown, epoch, kept } = view.large
  const model = epoch !== null && kept ? kept.models[epoch] : view.data.models[item.model]
  if (!shown || !model?.why || (item.crowd && !item.prediction)) return null
  const query = item.prediction ? `query=${item.query}` : `gt=${item.id}`
  return { url: `${model.why}/${shown.id}?${query}`, item, token: view.token }
}

/**
 * Ask of the chosen box, and show the answer.
 * @param {View} view
 */
export function askWhy(view) {
  const { large } = view, { item } = large
  const question = large.chosen && item && whyOf(view, item)
  if (!question || !item) return
  const stage = large.stages.find((one) => one.models.includes(item.model)) ?? large.stages[large.stages.length - 1]
  for (const one of large.stages) clearPicture(one)
  large.isAsked = true
  large.answered = question.url
  large.why.classList.add("open")
  showWhy(view, large.why, stage, question)
}

/**
 * Take an answer away.
 * @param {View} view
 */
export function forgetWhy({ large }) {
  for (const stage of large.stages) clearPicture(stage)
  large.why.replaceChildren()
  large.why.classList.remove("open")
  large.answered = null
  large.item = null
}

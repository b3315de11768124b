// "More like this": asks the page for the boxes that are most like the chosen one, as the model sees them.
import { button, element } from "../../js/element.js"
/** @import { Item, View } from "../types" */

/**
 * Offer it for a box, or say why it cannot be said what is like it; nothing where the page has no such boxes.
 * @param {View} view
 * @param {Item} item
 * @param {HTMLElement} about
 */
export function offerAlike(view, item, about) {
  if (!canAsk(view, item)) return
  const ask = button("turn alike", "More like this", "", about, () => askAlike(view))
  ask.title = "Key s"
}

/**
 * Ask for what is like the chosen box.
 * @param {View} view
 */
export function askAlike(view) {
  const { large, data } = view, { item, shown } = large
  if (!large.chosen || !item || !shown || !canAsk(view, item)) return
  if (data.alike) {
    if (!large.about.querySelector(".why-not")) element("p", "fine why-not", data.alike, large.about)
    return
  }
  const kind = item.prediction ? "query" : "truth", number = item.prediction ? item.query : item.id
  large.large.close()
  view.tell("alike", { kind, image: shown.id, number })
}

/**
 * Check whether a box is one of the page's own model, and no crowd.
 * @param {View} view
 * @param {Item} item
 */
function canAsk({ data, large }, item) {
  const isOwn = large.epoch === null || large.kept?.at === large.epoch
  return typeof data.alike === "string" && isOwn && (item.prediction || !item.crowd)
}

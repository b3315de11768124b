// The start of a run, from the click to its first figures, in the place of the curves: its steps, and the first batch.
import { element } from "../js/element.js"
/** @import { Start, StartPanel, StartStep, View } from "./types" */

/** @type {Record<StartStep["state"], [glyph: string, word: string]>} */
const SIGNS = { done: ["✓", "done"], failed: ["✕", "failed"], now: ["", "in progress"], "": ["", "to come"] }

/**
 * Make the place of the start, out of sight.
 * @param {Element} parent
 * @returns {StartPanel}
 */
export function makeStart(parent) {
  const section = element("section", "dl-start", "", parent)
  section.setAttribute("aria-label", "Start of the training")
  section.hidden = true
  const list = element("ol", "", "", section)
  const figure = element("figure", "", "", section)
  const caption = element("figcaption", "", "", figure)
  const picture = element("img", "", "", figure)
  picture.alt = "The first training batch with its boxes"
  picture.hidden = true
  return { section, list, picture, caption }
}

/**
 * Begin with a run of which nothing is known yet.
 * @param {View} view
 */
export function clearStart({ start }) {
  start.list.replaceChildren()
  start.picture.hidden = true
  start.picture.removeAttribute("src")
  start.caption.textContent = "Here the first training batch is shown, as soon as it is read."
}

/**
 * Show how far the start is, and the curves once it is over.
 * @param {View} view
 * @param {Start | null} news
 */
export function showStart({ start: { section, list, picture, caption }, root }, news) {
  section.hidden = !news
  root.classList.toggle("dl-starts", Boolean(news))
  if (!news) return
  const at = list.querySelector("[data-state=now]")
  news.steps.forEach((step, i) => showStep(/** @type {HTMLElement} */ (list.children[i] ?? makeStep(list)), step))
  while (list.children.length > news.steps.length) list.lastElementChild?.remove()
  if (news.picture && picture.getAttribute("src") !== news.picture) {
    picture.src = news.picture
    picture.hidden = false
    caption.textContent = "The first training batch, as the model sees it."
  }
  const now = /** @type {HTMLElement | null} */ (list.querySelector("[data-state=now]"))
  if (now && now !== at) list.scrollTop = now.offsetTop + now.offsetHeight - list.clientHeight + 8
}

/**
 * Make the line of a step.
 * @param {Element} parent
 */
function makeStep(parent) {
  const line = element("li", "", "", parent)
  element("i", "dl-sign", "", line).setAttribute("role", "img")
  element("b", "", "", line)
  element("span", "", "", line)
  return line
}

/**
 * Bring a step's line up to date, without touching what stays as it is.
 * @param {HTMLElement} line
 * @param {StartStep} step
 */
function showStep(line, { name, state, text }) {
  const [sign, title, words] = /** @type {HTMLElement[]} */ ([...line.children])
  const [glyph, word] = SIGNS[state]
  if (line.dataset.state !== state) {
    line.dataset.state = state
    sign.textContent = glyph
    sign.setAttribute("aria-label", word)
  }
  if (title.textContent !== name) title.textContent = name
  if (words.textContent !== text) words.textContent = text
}

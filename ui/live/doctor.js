// The doctor's remarks on the run, the most urgent first, and the button above the curves that leads to them. The level
// is told by glyph and word, not by colour alone.
import { button, element } from "../js/element.js"
import { whole } from "./format.js"
/** @import { Doctor, News, Remark, View } from "./types" */

/** @type {Record<string, [glyph: string, word: string]>} */
const LEVELS = { critical: ["✕", "critical"], warning: ["!", "warning"], info: ["i", "note"] }

/**
 * Make the place of the remarks, without any.
 * @param {Element} parent
 * @param {HTMLElement} alert the button that leads there
 * @returns {Doctor}
 */
export function makeDoctor(parent, alert) {
  const section = element("section", "dl-doctor", "", parent)
  section.setAttribute("aria-label", "Doctor")
  section.tabIndex = -1
  element("h3", "", "Doctor", section)
  const list = element("div", "dl-remarks", "", section)
  alert.hidden = true
  alert.onclick = () => {
    section.scrollIntoView({ block: "nearest", behavior: "smooth" })
    section.focus({ preventScroll: true })
  }
  return { section, list, mark: "" }
}

/**
 * Take all remarks away.
 * @param {View} view
 */
export function clearDoctor({ doctor, head }) {
  doctor.mark = ""
  doctor.list.replaceChildren()
  head.alert.hidden = true
}

/**
 * Show remarks, which are already in order.
 * @param {View} view
 * @param {NonNullable<News["remarks"]>} remarks
 */
export function showRemarks(view, { mark, list }) {
  const { doctor, head: { alert } } = view
  doctor.mark = mark
  doctor.list.replaceChildren(...(list.length ? list.map((remark) => makeCard(remark, view))
    : [element("p", "dl-fine", "Nothing to remark.")]))
  const counts = Object.entries(LEVELS).map(([level, [glyph, word]]) => ({ level, glyph, word,
    n: list.filter((remark) => remark.level === level).length }))
  const urgent = counts.filter(({ level, n }) => n && level !== "info")
  alert.hidden = !urgent.length
  if (!urgent.length) return
  alert.textContent = urgent.map(({ glyph, word, n }) =>
    `${glyph} ${n} ${word}${n > 1 && word === "warning" ? "s" : ""}`).join(" · ")
  alert.dataset.level = urgent[0].level
  alert.title = "What the doctor says of this run"
}

/**
 * Let the buttons of remarks be clicked again.
 * @param {View} view
 */
export function freeButtons({ doctor }) {
  for (const made of doctor.list.querySelectorAll("button")) made.disabled = false
}

/**
 * Make the card of a remark.
 * @param {Remark} remark
 * @param {View} view
 */
function makeCard(remark, view) {
  const [glyph, word] = LEVELS[remark.level] ?? LEVELS.info
  const card = element("article", "dl-remark")
  card.dataset.level = remark.level in LEVELS ? remark.level : "info"
  const head = element("header", "", "", card)
  element("span", "dl-glyph", glyph, head).setAttribute("aria-hidden", "true")
  const words = element("div", "", "", head)
  element("b", "", remark.title, words)
  element("span", "dl-level", word + (remark.step ? ` · first seen at step ${whole(remark.step)}` : ""), words)
  for (const [label, text] of [["Why", remark.cause], ["Seen", remark.evidence], ["Change", remark.advice]]) {
    if (!text) continue
    const line = element("p", "", "", card)
    element("b", "", label, line)
    element("span", "", text, line)
  }
  const changes = Object.entries(remark.changes ?? {}).map(([name, value]) => `${name} ${value}`).join(", ")
  if (changes) {
    const train = button("dl-advised", `Train with ${changes}`, "", card, () => {
      train.disabled = true // until the page has run: a second click would ask for the same
      view.advise(remark.rule)
    })
    train.title = "Queues a run with these settings, and all others as in this one"
  }
  return card
}

// The doctor's remarks on the run, the most urgent first, and the button above the curves that leads to them; appended
// to curves.js. Level is told by glyph and word, not by colour alone.

const LEVELS = { critical: ["✕", "critical"], warning: ["!", "warning"], info: ["i", "note"] }

function makeDoctor(view, parent) {
  view.doctor = element("section", "dl-doctor", "", parent)
  view.doctor.setAttribute("aria-label", "Doctor")
  view.doctor.tabIndex = -1
  element("h3", "", "Doctor", view.doctor)
  view.said = element("div", "dl-remarks", "", view.doctor)
  view.alert.onclick = () => {
    view.doctor.scrollIntoView({ block: "nearest", behavior: "smooth" })
    view.doctor.focus({ preventScroll: true })
  }
  clearDoctor(view)
}

function clearDoctor(view) {
  view.remarks = "" // the mark of those shown, by which the route knows whether there are others
  view.said.replaceChildren()
  view.alert.hidden = true
}

/** `mark` names these remarks, `list` is already in order. */
function showRemarks(view, { mark, list }) {
  view.remarks = mark
  view.said.replaceChildren(...(list.length ? list.map(remarkCard) : [element("p", "dl-fine", "Nothing to remark.")]))
  const counts = Object.entries(LEVELS).map(([level, [glyph, word]]) => [level, glyph, word,
    list.filter((remark) => remark.level === level).length])
  const urgent = counts.filter(([level, , , n]) => n && level !== "info")
  view.alert.hidden = !urgent.length
  if (!urgent.length) return
  view.alert.textContent = urgent.map(([, glyph, word, n]) =>
    `${glyph} ${n} ${word}${n > 1 && word === "warning" ? "s" : ""}`).join(" · ")
  view.alert.dataset.level = urgent[0][0]
  view.alert.title = "What the doctor says of this run"
}

function remarkCard(remark) {
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
  return card
}

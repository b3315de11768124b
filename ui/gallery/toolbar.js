// Legend, toggles and the score slider; once above the grid and once in the large view, always in step.

const TOGGLES = [ // what is shown, the legend's mark, words, key
  ["truths", "mark-truth", "Ground truth", "g"],
  ["predictions", "mark-prediction", "Predictions", "p"],
  ["labels", "mark-label", "Labels", "l"],
  ["onlyErrors", "", "Only errors", "e"],
]

function button(className, text, name, parent, onclick) {
  const made = element("button", className, text, parent)
  made.type = "button"
  if (name) { made.setAttribute("aria-label", name); made.title = name }
  made.onclick = onclick
  return made
}

function makeToolbar(view, parent) {
  const bar = { root: element("div", "toolbar", "", parent), checks: {} }
  bar.root.setAttribute("role", "group")
  bar.root.setAttribute("aria-label", "What is drawn")
  for (const [key, mark, words, letter] of TOGGLES) {
    const label = element("label", `check check-${key}`, "", bar.root)
    label.title = `Key ${letter}`
    const check = element("input", "", "", label)
    check.type = "checkbox"
    check.onchange = () => toggle(view, key)
    bar.checks[key] = check
    if (mark) makeMark(mark, label)
    element("span", "", words, label)
  }
  for (const [mark, words] of [["mark-missed", "missed"], ["mark-crowd", "crowd"]]) {
    const item = element("span", `legend legend-${words}`, "", bar.root)
    makeMark(mark, item)
    element("span", "", words, item)
  }
  bar.pair = element("span", "legend legend-pair", "", bar.root)
  const right = element("span", "right", "", bar.root)
  const label = element("label", "score", "", right)
  element("span", "", "Show from score", label)
  bar.slider = element("input", "", "", label)
  Object.assign(bar.slider, { type: "range", min: 0.05, max: 0.95, step: 0.01 })
  bar.number = element("output", "", "", label)
  bar.slider.oninput = () => { view.score = Number(bar.slider.value); refresh(view) }
  // without ground truth nothing is counted; what is taken home goes by the score at which the slider is let go
  bar.slider.onchange = () => { if (view.data.bare) view.tell("score", view.score) }
  bar.use = button("use", "Count with it", "", right, () => view.tell("score", view.score))
  bar.use.title = "Counts, filters and order go by this score too."
  button("keys", "?", "Keys", right, () => view.help.showModal())
  view.bars.push(bar)
}

function makeMark(mark, parent) {
  const made = element("i", "mark " + mark, "", parent)
  made.setAttribute("aria-hidden", "true")
  return made
}

/** Whether a toggle means anything where there is only ground truth, or none; gallery.css hides the others. */
function isOffered({ data: { plain, bare } }, key) {
  return key === "labels" || !(plain && key !== "truths" || bare && key !== "predictions")
}

function toggle(view, key) {
  view.show[key] = !view.show[key]
  refresh(view)
}

function refreshToolbars(view) {
  const { models, layout, score } = view.data
  for (const bar of view.bars) {
    for (const [key, check] of Object.entries(bar.checks)) check.checked = view.show[key]
    bar.slider.value = view.score
    bar.number.textContent = view.score.toFixed(2)
    const differs = Math.abs(view.score - score) > 0.004
    bar.use.classList.toggle("idle", !differs) // keeps its place, so that nothing jumps
    bar.use.disabled = !differs
    const pair = layout === "over" || layout === "beside" ? models.map((model) => model.label) : []
    if (bar.pair.dataset.words === pair.join()) continue
    bar.pair.dataset.words = pair.join()
    bar.pair.replaceChildren()
    pair.forEach((words, i) => {
      if (layout === "over") makeMark(i ? "mark-prediction" : "mark-prediction of-before", bar.pair)
      element("span", "", layout === "over" ? words : `${i ? "right" : "left"}: ${words}`, bar.pair)
    })
  }
}

// Beside the large image: the chosen box in words, "Why this box?", and a table of all boxes.

function makeSide(view, side) {
  const tip = element("div", "tip", "", side.parentElement)
  tip.setAttribute("aria-hidden", "true")
  const about = element("section", "about", "", side)
  about.setAttribute("aria-live", "polite")
  const why = element("section", "why", "", side)
  const list = element("div", "list", "", side)
  list.onmouseleave = () => pointTo(view, null) // a row that is replaced under the pointer does not say that it is left
  return { tip, about, why, list }
}

/** The box under the pointer in a line, beside the pointer. */
function showTip(view, item, event) {
  const { tip } = view.large
  tip.classList.toggle("there", Boolean(item))
  if (!item) return
  tip.textContent = inLine(view, item)
  const area = tip.parentElement.getBoundingClientRect()
  tip.style.left = `${Math.min(event.clientX - area.left + 14, area.width - 280)}px`
  tip.style.top = `${event.clientY - area.top + 16}px`
}

/** The row under the pointer, whose box lights up. */
function pointTo(view, item) {
  view.large.pointed = item
  for (const stage of view.large.stages) lightUp(view, stage)
}

function inLine(view, item) {
  const parts = [item.class]
  if (item.prediction) parts.push(`score ${item.score.toFixed(3)}`)
  if (item.iou !== null && item.iou !== undefined && !view.data.bare) parts.push(`IoU ${item.iou.toFixed(2)}`)
  if (item.verdict && (!view.data.plain || item.mark === "mark-crowd")) parts.push(item.verdict)
  parts.push(item.prediction ? `query ${item.query}` : `annotation ${item.id}`)
  return parts.join(" · ")
}

function showSide(view, states) {
  const { large, data } = view
  const stamp = [view.score, data.layout, view.at, large.epoch, JSON.stringify(large.chosen), view.show.onlyErrors,
    view.signature].join()
  if (large.stamp === stamp) return
  large.stamp = stamp
  const rows = states.flatMap((state, i) => (data.layout === "over" || data.layout === "beside") && i < states.length - 1
    ? state.predictions : [...state.predictions, ...state.truths])
  const ofModel = (item) => isKey(item, large.chosen) && item.model === large.chosen.model
  const asked = states.flatMap((state) => state.truths).find(ofModel) ?? rows.find((item) => isKey(item, large.chosen))
  showChosen(view, asked, rows) // a ground truth as the model sees it on whose picture it was clicked
  const focused = [...large.list.querySelectorAll("tbody tr")].indexOf(view.root.getRootNode().activeElement)
  large.list.replaceChildren(makeTable(view, rows.filter((item) => !item.hidden)))
  if (focused >= 0) large.list.querySelectorAll("tbody tr")[focused]?.focus()
}

/** What is known of the chosen box, and the question why. */
function showChosen(view, item, rows) {
  const { about } = view.large
  about.replaceChildren()
  if (!item) {
    const { plain, bare } = view.data
    if (!plain && !bare && rows.length) element("p", "fine", "Click a box for what belongs to it, and why it is there.", about)
    forgetWhy(view)
    return
  }
  const line = element("p", "chosen", "", about)
  makeMark(item.mark, line)
  element("b", "", inLine(view, item), line)
  const partner = rows.find((one) => areOne(one, item) && (!one.prediction || one.model === item.model))
  const words = [item.hint, partner ? (item.prediction ? `Its ground truth: ${inLine(view, partner)}.` : `Its prediction: ${inLine(view, partner)}.`) : ""]
  if (words.some(Boolean)) element("p", "fine", words.filter(Boolean).join(" "), about)
  const asked = whyOf(view, item)
  if (asked) {
    const words = !item.prediction && item.error !== null ? "Why was it missed?" : "Why this box?"
    const ask = button("turn ask", words, "", about, () => askWhy(view))
    ask.title = "Key w"
    ask.setAttribute("aria-pressed", String(Boolean(view.large.asked)))
  }
  if (view.large.answered !== (asked?.url ?? null)) forgetWhy(view)
  view.large.item = item
  if (view.large.asked && !view.large.answered) askWhy(view)
}

/** The question of a box: {url, image, item, classes}; null where it cannot be asked. */
function whyOf(view, item) {
  const { shown, epoch, kept } = view.large
  const model = epoch !== null && kept ? kept.models[epoch] : view.data.models[item.model]
  if (!model?.why || item.crowd && !item.prediction) return null
  const query = item.prediction ? `query=${item.query}` : `gt=${item.id}`
  return { url: `${model.why}/${shown.id}?${query}`, image: shown, item, classes: view.data.classes }
}

function askWhy(view) {
  const { large } = view
  const asked = large.chosen && large.item && whyOf(view, large.item)
  if (!asked) return
  const stage = large.stages.find((one) => one.models.includes(large.item.model)) ?? large.stages.at(-1)
  for (const one of large.stages) hideWhy(one)
  large.asked = true
  large.answered = asked.url
  large.why.classList.add("open")
  showWhy(view, large.why, stage, asked)
}

function forgetWhy(view) {
  const { large } = view
  for (const stage of large.stages) hideWhy(stage)
  large.why.replaceChildren()
  large.why.classList.remove("open")
  large.answered = null
  large.item = null
}

function makeTable(view, rows) {
  const table = element("table")
  const { plain, bare, layout } = view.data
  const head = element("tr", "", "", element("thead", "", "", table))
  const isPair = layout === "over" || layout === "beside"
  const columns = plain ? ["Box", "Class", "Size", "Width × height", ""] : bare ? ["Class", "Score", "Size", "Width × height"]
    : ["Box", "Class", "Score", "IoU", "Size", "Verdict"]
  for (const words of columns) element("th", "", words, head).scope = "col"
  const body = element("tbody", "", "", table)
  for (const item of rows) makeRow(view, body, item, isKey(item, view.large.chosen), isPair)
  if (!rows.length) element("caption", "", plain ? "No objects of these classes." : bare ? "Nothing with this score." :
    "No ground truth, and no prediction with this score.", table)
  return table
}

function makeRow(view, body, item, isChosen, isPair) {
  const { plain, bare, models, layout } = view.data
  const number = (value) => (value == null ? "" : value.toFixed(2))
  const row = element("tr", [item.error !== null && !bare ? "wrong" : "", isChosen ? "chosen" : ""].join(" ").trim(), "", body)
  const sides = `${Math.round(item.x2 - item.x1)} × ${Math.round(item.y2 - item.y1)} px`
  const cell = element("td", "", "", row)
  makeMark(item.mark + (layout === "over" && item.prediction && !item.model ? " of-before" : ""), cell) // as it is drawn
  element("span", "", bare ? item.class : !item.prediction ? "Ground truth" : isPair ? models[item.model].label : "Prediction", cell)
  const cells = plain ? [item.class, item.size, sides, item.mark === "mark-crowd" ? item.verdict : ""]
    : bare ? [number(item.score), item.size, sides] : [item.class, number(item.score), number(item.iou), item.size, item.verdict]
  for (const words of cells) element("td", "", words, row)
  if (item.hint) row.title = item.hint
  row.onmouseenter = () => pointTo(view, item)
  row.onmouseleave = () => pointTo(view, null)
  if (plain) return
  row.tabIndex = 0
  row.setAttribute("aria-selected", String(isChosen))
  row.onclick = () => choose(view, null, item)
  row.onkeydown = (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(view, null, item) } }
}

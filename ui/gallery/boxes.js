// What a box is: from the columns of boxes.py to items with a verdict at the slider's score, and their rectangles.

const SVG = "http://www.w3.org/2000/svg"

/** The boxes of model `m` on a cell's image, made once: { truths, predictions }, predictions by falling score. */
function boxesOf(view, cell, m) {
  if (!cell.boxes.has(m)) cell.boxes.set(m, unpack(view.data, view.data.models[m], cell.index, cell.image))
  return cell.boxes.get(m)
}

/** The boxes of the image at place `index` among those of a model's columns. Scores are float32, written short. */
function unpack(data, model, index, image) {
  const { classes, sizes, types } = data
  const made = { truths: [], predictions: [] }
  const single = (value) => (value === null ? null : Math.fround(value))
  const common = (columns, i) => ({ x1: columns.x1[i], y1: columns.y1[i], x2: columns.x2[i], y2: columns.y2[i],
    c: columns.class[i], s: columns.size[i], class: classes[columns.class[i]], size: sizes[columns.size[i]],
    chosen: columns.chosen ? columns.chosen[i] : true })
  for (const i of placesOf(model.truths, index)) {
    const { crowd, match, pointed, id } = model.truths
    made.truths.push({ ...common(model.truths, i), prediction: false, crowd: crowd[i], match: single(match[i]),
      pointed: single(pointed[i]), id: id[i], error: null })
  }
  for (const i of placesOf(model.predictions, index)) {
    const { score, iou, error, crowd, query, gt } = model.predictions
    const type = data.bare || error[i] === null ? null : types[error[i]]
    made.predictions.push({ ...common(model.predictions, i), prediction: true, score: single(score[i]), iou: iou[i],
      error: type && error[i], crowd: crowd[i], query: query[i], gt: gt[i], mark: "mark-prediction",
      verdict: data.bare ? "" : type ? type.label : crowd[i] ? "In a crowd" : "Correct",
      hint: type ? type.description : "", short: type ? type.short : "" })
  }
  made.partners = new Map(made.truths.map((truth) => [truth.id, truth]))
  if (image.lit) made.lit = [...made.truths, ...made.predictions].find((item) => isLit(item, image.lit))
  return made
}

function placesOf(columns, index) {
  columns.starts ??= columns.n.reduce((starts, n) => [...starts, starts.at(-1) + n], [0])
  return Array.from({ length: columns.n[index] }, (_, i) => columns.starts[index] + i)
}

function isLit(item, [kind, id]) {
  return kind === "truth" ? !item.prediction && item.id === id : item.prediction && item.query === id
}

/** What counts at the slider's score: `count` predictions, the boxes to draw, and how many errors there are. */
function judge(view, boxes, m) {
  const { types, missed, filter } = view.data
  const t = Math.fround(view.score) // scores are float32
  const { truths } = boxes
  for (const item of truths) {
    const found = item.match !== null && item.match >= t
    const lost = !item.crowd && !found && !(item.pointed !== null && item.pointed >= t)
    item.error = lost ? missed : null
    item.mark = item.crowd ? "mark-crowd" : lost ? "mark-missed" : "mark-truth"
    item.verdict = item.crowd ? "Crowd" : found ? "Found" : lost ? types[missed]?.label : "Seen wrongly"
    item.hint = item.crowd ? "Many objects in one box: neither missed nor found." : lost ? types[missed]?.description
      : found ? "" : "A prediction points here, but with the wrong place or class."
  }
  const count = countFrom(boxes.predictions, t)
  const predictions = boxes.predictions.slice(0, count)
  let errors = 0
  const wrong = new Set()
  for (const item of predictions) {
    if (item.error === null) continue
    errors += 1
    if (item.gt !== null) wrong.add(item.gt)
  }
  for (const item of truths) if (item.error !== null) errors += 1
  for (const item of [...truths, ...predictions]) {
    item.dim = !inFilter(filter, item) || Boolean(boxes.lit) && item !== boxes.lit && !areOne(item, boxes.lit)
    item.hidden = view.show.onlyErrors && (item.prediction ? item.error === null : item.error === null && !wrong.has(item.id))
    item.model = m
  }
  return { truths, predictions, errors, count, boxes }
}

/** How many of the predictions, by falling score, reach the score `t`. */
function countFrom(predictions, t) {
  let low = 0, high = predictions.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (predictions[middle].score >= t) low = middle + 1
    else high = middle
  }
  return low
}

/** Is one of the two the object that the other, a prediction, found or points to? */
function areOne(a, b) {
  return a.prediction !== b.prediction && (a.prediction ? a.gt === b.id : b.gt === a.id)
}

/** Does the box belong to what the page's filters ask for? */
function inFilter({ classes, error, sizes }, item) {
  return item.chosen && (!classes.length || classes.includes(item.c)) && (!sizes.length || sizes.includes(item.s))
    && (error === null || item.error === error)
}

// --- rectangles ------------------------------------------------------------------------------------------------

/** What is drawn over a picture of which `part` (x, y, w, h; pixels of the original image) is in sight. */
function makeLayer(frame, part) {
  const svg = document.createElementNS(SVG, "svg")
  svg.setAttribute("viewBox", `${part.x} ${part.y} ${part.w} ${part.h}`)
  svg.setAttribute("preserveAspectRatio", "none")
  svg.setAttribute("aria-hidden", "true")
  const halo = shape("path", "halo", svg), boxes = shape("g", "boxes", svg), extra = shape("g", "extra", svg)
  const labels = element("span", "labels", "", null)
  labels.setAttribute("aria-hidden", "true")
  frame.append(svg, labels)
  return { svg, halo, boxes, extra, labels, frame, part, width: 0, height: 0, measured: -1 }
}

function shape(kind, className, parent) {
  const made = document.createElementNS(SVG, kind)
  if (className) made.setAttribute("class", className)
  if (parent) parent.append(made)
  return made
}

function measure(layer, stamp) {
  layer.width = layer.frame.clientWidth
  layer.height = layer.frame.clientHeight
  layer.measured = stamp
}

/** The boxes and labels of a thumbnail; draws only what is new since the last time, and tells whether anything was. */
function drawThumbnail(view, pane, states, image) {
  const { show, at } = view
  const way = [show.truths, show.predictions, show.labels, show.onlyErrors, at, pane.layer.measured].join()
  const now = states.map((state) => [state.count, ...state.truths.map((truth) => truth.mark)].join()).join(";")
  if (pane.drawn === `${way} ${now}`) return false
  pane.drawn = `${way} ${now}`
  const shown = shownItems(view, states)
  drawBoxes(pane.layer, shown, states.length > 1)
  pane.layer.labels.replaceChildren(...(show.labels ? makeLabels(view, pane.layer, shown, false) : []))
  return true
}

/** What the toggles let be seen: ground truth (of the last of two models) below, predictions above. */
function shownItems(view, states) {
  const { show } = view
  const truths = show.truths ? states.at(-1).truths : []
  const predictions = show.predictions ? states.flatMap((state) => state.predictions) : []
  return [...truths, ...predictions].filter((item) => !item.hidden)
}

/** Draws items as rectangles, reusing those that are there; returns the element of each. */
function drawBoxes(layer, items, isPair) {
  const there = layer.boxes.children
  while (there.length > items.length) layer.boxes.lastChild.remove()
  const fragment = document.createDocumentFragment()
  const drawn = new Map()
  let halo = ""
  items.forEach((item, i) => {
    const rect = there[i] ?? fragment.appendChild(shape("path", "", null))
    const { x1, y1, x2, y2 } = item
    const line = `M${x1} ${y1}H${x2}V${y2}H${x1}Z`
    if (rect.line !== line) { rect.setAttribute("d", line); rect.line = line }
    const name = `box ${item.mark}${item.error !== null ? " wrong" : ""}${item.dim ? " dim" : ""}`
      + (isPair && item.prediction && !item.model ? " of-before" : "")
    if (rect.name !== name) { rect.setAttribute("class", name); rect.name = name }
    if (!item.dim) halo += line
    drawn.set(item, rect)
  })
  layer.boxes.append(fragment)
  layer.halo.setAttribute("d", halo) // a dark halo keeps the lines readable on any picture
  return drawn
}

// Boxes over a picture, as SVG, and their labels; appended to gallery.js.
//
// A ground truth arrives as [x1, y1, x2, y2, class, size, crowd, match score, pointed score], a prediction as
// [x1, y1, x2, y2, class, size, score, IoU, error, only a crowd]: pixels of the original image, indices into the
// lists `classes`, `sizes` and `types`, null where there is none. Where a cell of the confusion matrix was chosen, each
// has one more item: whether it belongs to it.

const SVG = "http://www.w3.org/2000/svg"

/** The boxes that count at the slider's score, each with its class, verdict and marks; `errors` is their number. */
function judge(view, image) {
  const { classes, sizes, types, missed } = view.data
  const t = Math.fround(view.score) // scores are float32
  const truths = image.truths.map(([x1, y1, x2, y2, c, s, crowd, match, pointed, chosen = true]) => {
    const found = match !== null && match >= t
    const lost = !crowd && !found && !(pointed !== null && pointed >= t)
    return { x1, y1, x2, y2, class: classes[c], size: sizes[s], prediction: false, error: lost ? missed : null,
      mark: crowd ? "mark-crowd" : lost ? "mark-missed" : "mark-truth",
      verdict: crowd ? "Crowd" : found ? "Found" : lost ? types[missed].label : "Seen wrongly",
      hint: crowd ? "Many objects in one box: neither missed nor found." : lost ? types[missed].description
        : found ? "" : "A prediction points here, but with the wrong place or class." , c, s, chosen }
  })
  const visible = image.predictions.filter((p) => p[6] >= t)
  const predictions = visible.map(([x1, y1, x2, y2, c, s, score, iou, e, crowd, chosen = true]) => ({
    x1, y1, x2, y2, class: classes[c], size: sizes[s], prediction: true, score, iou, error: e, mark: "mark-prediction",
    verdict: e !== null ? types[e].label : crowd ? "In a crowd" : "Correct", hint: e !== null ? types[e].description : "",
    short: e !== null ? types[e].short : "", c, s, chosen }))
  const all = [...truths, ...predictions]
  for (const item of all) item.dim = !inFilter(view.data.filter, item)
  return { truths, predictions, errors: all.filter((item) => item.error !== null).length }
}

/** Does the box belong to what the page's filters ask for? */
function inFilter({ classes, error, sizes }, item) {
  return item.chosen && (!classes.length || classes.includes(item.c)) && (!sizes.length || sizes.includes(item.s))
    && (error === null || item.error === error)
}

function makeLayer(frame, image) {
  const svg = document.createElementNS(SVG, "svg")
  svg.setAttribute("viewBox", `0 0 ${image.w} ${image.h}`)
  svg.setAttribute("preserveAspectRatio", "none")
  svg.setAttribute("aria-hidden", "true")
  const labels = element("span", "labels", "", null)
  labels.setAttribute("aria-hidden", "true")
  frame.append(svg, labels)
  return { svg, labels, frame, width: 0, height: 0 }
}

function measure(layer) {
  layer.width = layer.frame.clientWidth
  layer.height = layer.frame.clientHeight
}

/** Draws what the toolbar shows into a measured layer; returns the element of each box. */
function drawLayer(view, layer, image, state, large) {
  const drawn = new Map()
  const shown = [...(view.show.truths ? state.truths : []), ...(view.show.predictions ? state.predictions : [])]
  for (const item of shown) drawn.set(item, drawBox(item))
  layer.svg.replaceChildren(...drawn.values())
  const named = large || view.data.plain
  layer.labels.replaceChildren(...(view.show.labels ? makeLabels(layer, image, shown, large, named) : []))
  return drawn
}

function drawBox(item) {
  const group = document.createElementNS(SVG, "g")
  group.setAttribute("class", `box ${item.mark}${item.error !== null ? " wrong" : ""}${item.dim ? " dim" : ""}`)
  for (const layer of ["halo", "line"]) { // a dark halo keeps the line readable on any picture
    const rect = document.createElementNS(SVG, "rect")
    for (const [name, value] of [["x", item.x1], ["y", item.y1], ["width", item.x2 - item.x1],
      ["height", item.y2 - item.y1], ["class", layer]]) rect.setAttribute(name, value)
    group.append(rect)
  }
  return group
}

function labelText(item, named) {
  if (item.prediction) return `${item.class} ${item.score.toFixed(2).replace(/^0/, "")}`
  return named || item.error !== null || item.mark === "mark-crowd" ? item.class : ""
}

/** Errors first, then by score; each label takes the first free place at its box. In a thumbnail one without is left out. */
function makeLabels({ width, height }, image, shown, large, named) {
  const char = large ? 6.7 : 5.6, tall = large ? 18 : 14
  const taken = [], labels = []
  const order = shown.filter((item) => !item.dim).sort((a, b) =>
    (b.error !== null) - (a.error !== null) || (b.score ?? 0.5) - (a.score ?? 0.5))
  for (const item of order) {
    const text = labelText(item, named)
    if (!text) continue
    const wide = Math.min(width, text.length * char + (item.short ? item.short.length * char + 7 : 0) + 9)
    const left = (item.x1 / image.w) * width, right = (item.x2 / image.w) * width
    const top = (item.y1 / image.h) * height, bottom = (item.y2 / image.h) * height
    const rows = item.prediction ? [top - tall, top, bottom - tall, bottom] : [bottom, bottom - tall, top, top - tall]
    const spots = rows.flatMap((y) => [[left, y], [right - wide, y]])
      .map(([x, y]) => [Math.max(0, Math.min(x, width - wide)), Math.max(0, Math.min(y, height - tall))])
    const free = spots.find(([x, y]) => !taken.some((o) =>
      x < o.x + o.w && o.x < x + wide && y < o.y + tall && o.y < y + tall))
    if (!free && !large) continue
    const [x, y] = free ?? spots[0]
    taken.push({ x, y, w: wide })
    const label = element("span", `label ${item.prediction ? "of-prediction" : "of-truth"}`)
    element("span", "", text, label)
    if (item.short) element("b", "", item.short, label)
    label.style.left = `${x}px`
    label.style.top = `${y}px`
    labels.push(label)
  }
  return labels
}

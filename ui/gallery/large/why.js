// Why this box? What one query of the model looked at, what it says, and how its box came about, layer by layer; or
// which queries came nearest to an object that was missed. In the large view: words in its side column, a heat map and
// boxes over its picture. Answers come from ui/gallery/why_route.py, whose form core/inference/worker.py tells.

const WHY_PATIENCE = 200 // ms: an answer that comes sooner follows without a word between
const HEAT_SIDE = 512 // pixels of the heat map's longer side
const HEAT_COLOURS = [ // inferno (matplotlib), perceptually even: from dark over red to light yellow
  [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50],
  [252, 255, 164]]
const HEAT_BASE = 0.45 // of the opacity where nothing is looked at: darker, so that the rest shows on any picture
const MOST_BARS = 6

/** The answer to asked.url in `host`, its heat map and boxes on the stage; `view.why` keeps what was last chosen. */
async function showWhy(view, host, stage, asked) {
  view.why ??= { map: "mean", opacity: 0.8 }
  const root = element("div", "why-root", "")
  host.replaceChildren(root)
  await fillWhy(view, root, stage, asked.url, asked)
}

/** Takes everything that was drawn from the stage. */
function hideWhy(stage) {
  stage.heat.width = stage.heat.height = 0
  stage.extra.replaceChildren()
}

/** The process that answers gets ready: `url` is "/api/why/RUN/MODEL". */
function warmWhy(url) {
  const [run, model] = url.split("/").slice(-2)
  fetch(`/api/why/warm?run=${run}&model=${model}`).catch(() => {})
}

async function fillWhy(view, root, stage, url, asked) {
  root.dataset.url = url
  const isAsked = () => root.isConnected && root.dataset.url === url // else another box was chosen meanwhile
  const waiting = setTimeout(() => {
    if (!isAsked()) return
    element("p", "fine why-waiting", "Asking the model …", emptied(root)).setAttribute("role", "status")
  }, WHY_PATIENCE)
  let answer
  try {
    answer = await (await fetch(url)).json()
  } catch {
    answer = { error: "The app does not answer: is it still running?" }
  }
  clearTimeout(waiting)
  if (!isAsked()) return
  hideWhy(stage)
  emptied(root)
  if (answer.error) return element("p", "why-error", answer.error, root).setAttribute("role", "alert")
  if (answer.near) showNear(view, root, stage, answer, asked)
  else showQuery(view, root, stage, answer, asked)
}

function emptied(root) {
  root.replaceChildren()
  return root
}

// --- a query -----------------------------------------------------------------------------------------------------

function showQuery(view, root, stage, answer, asked) {
  const { layers, maps } = answer
  const last = layers.at(-1)
  element("h3", "", `Query ${answer.query}: ${last.class} ${last.score.toFixed(2)}`, root)
  if (answer.note) element("p", "why-note", answer.note, root)
  const drawn = drawPath(stage, layers, !asked.item.prediction)
  const choices = [...layers.map((_, i) => [i, `${i + 1}`, `Decoder layer ${i + 1}`]),
    ["mean", "Mean", "Mean of the decoder's layers"], ["encoder", "Encoder", "The encoder's last layer"]]
  const heats = { ...maps.decoder.map((map) => unpackHeat(maps, map)), encoder: unpackHeat(maps, maps.encoder) }
  heats.mean = heats[0].map((_, cell) => layers.reduce((sum, __, i) => sum + heats[i][cell], 0) / layers.length)

  const where = whyPart(root, "Where it looked")
  const group = element("div", "why-layers", "", where)
  group.setAttribute("role", "group")
  group.setAttribute("aria-label", "Heat map")
  element("span", "fine", "Decoder layer", group)
  const words = element("p", "fine", "", where)
  words.setAttribute("aria-live", "polite")
  const draw = () => {
    const chosen = heats[view.why.map] ? view.why.map : "mean"
    for (const [key, made] of buttons) made.setAttribute("aria-pressed", String(key === chosen))
    words.textContent = `${heatWords(chosen, maps.sampled, answer.query)} ${heatFigures(maps, heats[chosen], last.box)}`
    drawHeat(stage, maps, heats[chosen], view.why.opacity)
    drawn.bringOut(Number.isInteger(chosen) ? chosen : null)
  }
  const buttons = choices.map(([key, text, name]) =>
    [key, button("turn why-layer", text, name, group, () => { view.why.map = key; draw() })])
  const fade = element("label", "why-opacity fine", "Opacity", where)
  const slider = element("input", "", "", fade)
  Object.assign(slider, { type: "range", min: 0, max: 1, step: 0.05, value: view.why.opacity })
  slider.oninput = () => { view.why.opacity = Number(slider.value); draw() }

  showBars(whyPart(root, "What it says it is"), answer)
  showLayers(whyPart(root, "How its box came about"), stage, layers, drawn)
  draw()
}

function whyPart(root, title) {
  const part = element("section", "why-part", "", root)
  element("h4", "", title, part)
  return part
}

/** What the heat map shows, in a sentence. */
function heatWords(chosen, isSampled, query) {
  if (chosen === "encoder") {
    return "What the encoder's last self-attention ties to the spot under the box's centre: the parts of one thing."
  }
  const who = chosen === "mean" ? "all decoder layers" : `decoder layer ${chosen + 1}`
  if (isSampled) return `The sampling points of ${who} for query ${query}, by their weight.`
  return `Where the cross-attention of ${who} looks for query ${query}, mean of the heads.`
}

/** How much of a map lies inside a box, and its brightest cell. */
function heatFigures({ w, h, cover }, heat, [x1, y1, x2, y2]) {
  const sum = heat.reduce((a, b) => a + b, 0)
  if (!sum) return "It looked beside the picture only."
  const share = (low, high, from, to) => Math.max(0, Math.min(high, to) - Math.max(low, from)) / (high - low)
  const inside = heat.reduce((found, value, i) => {
    const x = (i % w) * (cover[0] / w), y = Math.floor(i / w) * (cover[1] / h)
    return found + value * share(x, x + cover[0] / w, x1, x2) * share(y, y + cover[1] / h, y1, y2)
  }, 0)
  const percent = (value) => `${(100 * value / sum).toFixed(0)} %`
  return `${percent(inside)} of it lies inside the box; its brightest cell has ${percent(Math.max(...heat))}.`
}

/** Probabilities as bars: the highest, and "no object" in any case. */
function showBars(part, { classes, probabilities, softmax }) {
  const order = probabilities.map((p, i) => [p, i]).sort((a, b) => b[0] - a[0])
  const none = order.find(([, i]) => softmax && i === classes.length - 1)
  const shown = order.slice(0, MOST_BARS)
  if (none && !shown.includes(none)) shown[shown.length - 1] = none
  const list = element("dl", "why-bars", "", part)
  for (const [p, i] of shown) {
    const isNone = none?.[1] === i
    element("dt", isNone ? "why-none" : "", classes[i], list)
    const cell = element("dd", "", "", list)
    const bar = element("span", `why-bar${isNone ? " none" : ""}`, "", element("span", "why-track", "", cell))
    bar.style.width = `${100 * p}%`
    element("span", "why-value", p < 0.001 ? "<.001" : p.toFixed(3), cell)
  }
  const rest = order.length - shown.length
  const others = rest ? ` ${rest === 1 ? "One more class is" : `${rest} more classes are`} below these.` : ""
  element("p", "fine", (softmax ? "Its probabilities, which sum to 1 with “no object”." :
    "Each class has a probability of its own; they need not sum to 1.") + others, part)
}

/** The box after each layer: a line each, which brings its box out on the picture. */
function showLayers(part, stage, layers, drawn) {
  const table = whyTable(part, ["Layer", "Class", "Score", "IoU with last", "Moved"])
  layers.forEach(({ box, class: name, score }, i) => {
    const moved = i ? Math.hypot(...centreOf(box).map((at, k) => at - centreOf(layers[i - 1].box)[k])) : null
    const cells = [i + 1, name, score.toFixed(2), overlapOf(box, layers.at(-1).box).toFixed(2),
      moved === null ? "–" : `${moved.toFixed(1)} px`]
    const row = whyRow(table, cells)
    row.onmouseenter = () => drawn.bringOut(i)
    row.onmouseleave = () => drawn.bringOut(null)
  })
  element("p", "fine", "Its box as it stands after each layer. On the picture, thin lines are the earlier ones, and the white "
    + "line is the way of their centres.", part)
}

function whyTable(part, columns) {
  const table = element("table", "why-table", "", part)
  const head = element("tr", "", "", element("thead", "", "", table))
  for (const words of columns) element("th", "", words, head).scope = "col"
  return element("tbody", "", "", table)
}

function whyRow(body, cells) {
  const row = element("tr", "", "", body)
  for (const words of cells) element("td", "", String(words), row)
  return row
}

function centreOf([x1, y1, x2, y2]) {
  return [(x1 + x2) / 2, (y1 + y2) / 2]
}

function overlapOf(a, b) {
  const side = (low, high) => Math.max(0, Math.min(a[high], b[high]) - Math.max(a[low], b[low]))
  const inter = side(0, 2) * side(1, 3)
  const area = (box) => (box[2] - box[0]) * (box[3] - box[1])
  return inter / Math.max(area(a) + area(b) - inter, 1e-9)
}

// --- an object that was missed -----------------------------------------------------------------------------------

function showNear(view, root, stage, { near }, asked) {
  const name = asked.item.class
  element("h3", "", "The nearest queries", root)
  element("p", "fine", nearWords(near[0], name), root)
  const table = whyTable(root, ["Query", "IoU", name, "Says", "No object"])
  const below = element("div", "why-root", "", root)
  const drawn = drawPath(stage, near.toReversed(), true).shapes.toReversed()
  near.forEach((one, i) => {
    const says = `${one.class} ${one.class_score.toFixed(2)}`
    const row = whyRow(table, ["", one.iou.toFixed(2), one.score.toFixed(2), says, one.no_object?.toFixed(2) ?? "–"])
    const ask = button("turn why-ask", `${one.query}`, `Why query ${one.query} is where it is`, row.firstChild, () => {
      for (const other of table.children) other.classList.toggle("chosen", other === row)
      fillWhy(view, below, stage, asked.url.replace(/\?.*/, `?query=${one.query}`), asked)
    })
    row.onclick = (event) => { if (event.target !== ask) ask.click() }
    row.onmouseenter = () => drawn[i].classList.add("out")
    row.onmouseleave = () => drawn[i].classList.remove("out")
  })
  const words = `Those whose boxes overlap the object most; “${name}” is the score that they give its class. `
  element("p", "fine", `${words}Choose one to see what it looked at.`, root).after(below)
}

/** Why the object was missed, as far as the nearest query tells. */
function nearWords(first, name) {
  if (!first) return "The model has no queries."
  if (first.iou < 0.5) {
    return `No query has its box here: the nearest, ${first.query}, overlaps it with IoU ${first.iou.toFixed(2)}.`
  }
  const who = `Query ${first.query} has its box here (IoU ${first.iou.toFixed(2)})`
  if ((first.no_object ?? 0) > first.class_score) return `${who}, but says that there is no object.`
  if (first.class !== name) return `${who}, but takes it for another class: ${first.class}.`
  return `${who} and knows its class, with a score of ${first.class_score.toFixed(2)}.`
}

// --- on the picture ----------------------------------------------------------------------------------------------

/** Boxes of earlier layers, thin and fading, and the way of their centres; with `own`, the last box too. */
function drawPath(stage, layers, own) {
  const shapes = layers.map(({ box: [x1, y1, x2, y2] }, i) => {
    const rect = shape("rect", `why-box${i === layers.length - 1 ? own ? " last" : " hidden" : ""}`, stage.extra)
    const sides = { x: x1, y: y1, width: x2 - x1, height: y2 - y1 }
    for (const [key, value] of Object.entries(sides)) rect.setAttribute(key, value)
    rect.style.setProperty("--age", String((i + 1) / layers.length))
    return rect
  })
  if (layers[0]?.query === undefined) {
    const points = layers.map(({ box }) => centreOf(box).join(",")).join(" ")
    for (const kind of ["why-way halo", "why-way"]) shape("polyline", kind, stage.extra).setAttribute("points", points)
  }
  return { shapes, bringOut: (chosen) => shapes.forEach((rect, i) => rect.classList.toggle("out", i === chosen)) }
}

/** A packed map as numbers, row by row. */
function unpackHeat({ w, h }, { max, data }) {
  const bytes = atob(data)
  return Array.from({ length: w * h }, (_, i) => (bytes.charCodeAt(i) / 255) * max)
}

/** The map over the picture, between its cells' centres bilinear, light where it is highest. */
function drawHeat(stage, { w, h, cover }, heat, opacity) {
  const { image, heat: canvas } = stage
  const scale = HEAT_SIDE / Math.max(image.w, image.h)
  const width = canvas.width = Math.max(1, Math.round(image.w * scale))
  const height = canvas.height = Math.max(1, Math.round(image.h * scale))
  const most = Math.max(...heat) || 1
  const across = spots(width, image.w, cover[0], w), down = spots(height, image.h, cover[1], h)
  const pixels = new ImageData(width, height)
  for (let y = 0, at = 0; y < height; y++) {
    const [above, below, dy] = down[y]
    for (let x = 0; x < width; x++, at += 4) {
      const [left, right, dx] = across[x]
      const upper = heat[above * w + left] * (1 - dx) + heat[above * w + right] * dx
      const lower = heat[below * w + left] * (1 - dx) + heat[below * w + right] * dx
      const value = (upper * (1 - dy) + lower * dy) / most
      const place = value * (HEAT_COLOURS.length - 1), low = Math.min(HEAT_COLOURS.length - 2, Math.floor(place))
      for (let c = 0; c < 3; c++) {
        pixels.data[at + c] = HEAT_COLOURS[low][c] + (HEAT_COLOURS[low + 1][c] - HEAT_COLOURS[low][c]) * (place - low)
      }
      pixels.data[at + 3] = 255 * opacity * (HEAT_BASE + (1 - HEAT_BASE) * value)
    }
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0)
}

/** For each of `pixels` along a side of the image: the two cells that it lies between, and how near the second is. */
function spots(pixels, side, covered, cells) {
  return Array.from({ length: pixels }, (_, pixel) => {
    const at = ((pixel + 0.5) / pixels) * (side / covered) * cells - 0.5
    const low = Math.min(cells - 1, Math.max(0, Math.floor(at)))
    return [low, Math.min(cells - 1, low + 1), Math.min(1, Math.max(0, at - low))]
  })
}

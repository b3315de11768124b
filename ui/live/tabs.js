// What each tab of curves shows; appended to curves.js. A tab's `key` is the group that it asks the route for, a plot's
// `tags(rows)` are the curves that it draws, `traces` makes them, and `legend` says what their lines mean.

const LOSSES = [["loss", "total loss"], ["loss_ce", "class"], ["loss_bbox", "box, L1"], ["loss_giou", "box, GIoU"]]
const RATES = [["train/lr", "transformer", "solid"], ["train/lr_backbone", "backbone", "dash"],
  ["train/lr_head", "heads", "dot"]]
const DASHES = ["solid", "dash", "dot"]
const SYMBOLS = ["circle", "diamond", "square"]
const AP_OF = "val/AP/"
const FEW = 18 // classes; the lines of more are thin
const NOTHING = { x: [], y: [] }

const ONE_OF_EACH = [{ kind: "raw", words: "training, each step" }, { words: "training, smoothed" }]
const TABS = [
  { key: "losses", label: "Losses",
    plots: [{ key: "ap", title: "AP", words: "on the validation images, by epoch", byEpoch: true, fromZero: true,
      tags: () => ["val/AP"], traces: apTraces }, ...LOSSES.map(lossPlot)],
    legend: ({ theme }) => [...ONE_OF_EACH, { kind: "diamond", color: theme.val, words: "validation" },
      { dash: "dash", color: theme.gray, words: "untouched model" }] },
  { key: "layers", label: "Layers", plots: LOSSES.slice(1).map(layerPlot),
    legend: (view, tab) => layers(tab.rows).map((n, i, all) => ({ color: shade(view.theme, i, all.length),
      words: `layer ${n}` + (i === all.length - 1 ? ", the last" : "") })) },
  { key: "rates", label: "Rates",
    plots: [{ key: "lr", title: "Learning rates", words: "by step", log: true, tags: () => RATES.map(([tag]) => tag),
      traces: rateTraces },
    { key: "grad_norm", title: "Gradient norm", words: "before clipping, by step", log: true,
      tags: () => ["train/grad_norm"], traces: normTraces }],
    legend: ({ theme, info }) => [...RATES.map(([, words, dash], i) => ({ words, dash, color: theme.colors[i] })),
      { kind: "raw", words: "norm, each step" }, { words: "norm, smoothed" },
      ...(info?.clip ? [{ dash: "dash", color: theme.gray, words: `clipped to ${info.clip}` }] : [])] },
  { key: "machine", label: "Machine",
    plots: [machinePlot("images_per_second", "Images per second", 1), machinePlot("wait", "Waiting for data, %", 100),
      machinePlot("gpu_memory", "GPU memory, GiB", 2 ** -30), machinePlot("gpu_busy", "GPU busy, %", 100)],
    legend: () => ONE_OF_EACH },
  { key: "classes", label: "Classes", make: makeClasses, clear: clearClasses,
    plots: [{ key: "classes", title: "AP by class", words: "on the validation images, by epoch", byEpoch: true,
      fromZero: true, closest: true, after: listClasses, traces: classTraces,
      tags: (rows) => Object.keys(rows).filter((tag) => tag.startsWith(AP_OF)) }],
    legend: () => [{ kind: "none", words: "Point at a class in the list to see its curve, click to mark it." }] },
]

function lossPlot([tag, words]) {
  return { key: tag, title: tag, words: words + ", by step", tags: () => ["train/" + tag, "val/" + tag],
    traces: (view, rows, range) => [...trainTraces(view, rows["train/" + tag] ?? NOTHING, range),
      { ...(rows["val/" + tag] ?? NOTHING), mode: "lines+markers", name: "validation", hovertemplate: "%{y:.4g}",
        line: { color: view.theme.val, width: 1.5 }, marker: { color: view.theme.val, size: 7, symbol: "diamond" },
        cliponaxis: false }] }
}

/** Each step faintly, and what they are on average. */
function trainTraces(view, own, range) {
  const color = view.theme.train
  return [
    { ...decimate(own, range), mode: "lines", line: { color, width: 1 }, opacity: 0.3, hoverinfo: "skip" },
    { ...decimate(smooth(own), range), mode: "lines", name: "training", hovertemplate: "%{y:.4g}",
      line: { color, width: 2 } },
  ]
}

function level(view, value, name, hovertemplate) {
  const end = view.info.steps || 1
  return { x: value == null ? [] : [0, end], y: value == null ? [] : [value, value], mode: "lines", name, hovertemplate,
    line: { color: view.theme.gray, width: 1.5, dash: "dash" } }
}

function byEpoch(view, { x, y }) {
  const perEpoch = view.info.steps / view.info.epochs || 1
  return { x: x.map((step) => step / perEpoch), y: y.map((value) => (value == null ? null : 100 * value)) }
}

function apTraces(view, rows) {
  const { val } = view.theme, base = view.info.baseline_ap
  const untouched = level(view, base == null ? null : 100 * base, "untouched", "%{y:.1f}")
  return [
    { ...untouched, x: untouched.x.length ? [0, view.info.epochs || 1] : [] },
    { ...byEpoch(view, rows["val/AP"] ?? NOTHING), mode: "lines+markers", name: "AP", hovertemplate: "%{y:.1f}",
      line: { color: val, width: 2 }, marker: { color: val, size: 8, symbol: "diamond" }, cliponaxis: false },
  ]
}

// --- layers: of each loss, what every decoder layer contributes -------------------------------------------------

const layerTag = (loss, n) => `train/${loss}/layer${n}`

function layerPlot([loss, words]) {
  const all = (rows) => layers(rows).map((n) => layerTag(loss, n))
  return { key: loss + "-layers", title: loss, words: words + ", smoothed, by step", tags: all,
    traces: (view, rows, range) => all(rows).map((tag, i, { length }) => ({
      ...decimate(smooth(rows[tag] ?? NOTHING), range), mode: "lines", name: `layer ${layers(rows)[i]}`,
      hovertemplate: "%{y:.4g}", line: { color: shade(view.theme, i, length), width: i === length - 1 ? 2.5 : 1.5 } })) }
}

function layers(rows) {
  const found = new Set(Object.keys(rows).map((tag) => Number(tag.split("/layer")[1])))
  return [...found].sort((a, b) => a - b)
}

/** The i-th of n colours from the first layer's to the last's. */
function shade({ colors }, i, n) {
  const parse = (color) => [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16))
  const share = n > 1 ? i / (n - 1) : 1, [from, to] = [parse(colors[1]), parse(colors[0])]
  return `rgb(${from.map((value, k) => Math.round(value + share * (to[k] - value))).join(",")})`
}

// --- rates and machine -----------------------------------------------------------------------------------------

/** What a logarithmic axis can show. */
const positive = ({ x, y }) => ({ x, y: y.map((value) => (value > 0 ? value : null)) })

function rateTraces(view, rows, range) {
  return RATES.map(([tag, name, dash], i) => ({ ...decimate(positive(rows[tag] ?? NOTHING), range), mode: "lines", name,
    hovertemplate: "%{y:.3g}", line: { color: view.theme.colors[i], width: 2, dash } }))
}

function normTraces(view, rows, range) {
  const clip = level(view, view.info.clip || null, "clipped to", "%{y}")
  return [...trainTraces(view, positive(rows["train/grad_norm"] ?? NOTHING), range), clip]
}

function machinePlot(name, title, times) {
  const tag = "train/" + name
  return { key: name, title, words: "by step", fromZero: true, optional: true, tags: () => [tag],
    traces: (view, rows, range) => {
      const { x, y } = rows[tag] ?? NOTHING
      return trainTraces(view, { x, y: y.map((value) => (value == null ? null : times * value)) }, range)
    } }
}

// --- classes: a line for each, and beside them a list by which one is found -------------------------------------

function makeClasses(view, tab) {
  tab.list = element("div", "dl-classes-list", "", tab.panel)
  tab.marked = new Set()
  tab.hovered = null
  tab.redraw = () => { if (view.tab === tab && tab.plots[0].made) drawOne(view, tab.plots[0]) }
  tab.list.onmouseleave = () => { tab.hovered = null; tab.redraw() }
}

function clearClasses(view, tab) {
  tab.marked.clear()
  tab.hovered = null
  tab.list.replaceChildren()
}

/** Colour, dash and symbol of the i-th class: no two of eighteen look alike. */
const lookOf = ({ colors }, i) => {
  const round = Math.floor(i / colors.length) % DASHES.length
  return { color: colors[i % colors.length], dash: DASHES[round], symbol: SYMBOLS[round] }
}

const inSight = (tab, name) => (tab.hovered ? tab.hovered === name : !tab.marked.size || tab.marked.has(name))

function classTraces(view, rows) {
  const tags = view.tab.plots[0].spec.tags(rows), chosen = view.tab.hovered || view.tab.marked.size
  return tags.map((tag, i) => {
    const name = tag.slice(AP_OF.length), { color, dash, symbol } = lookOf(view.theme, i)
    const bold = tags.length <= FEW || (chosen && inSight(view.tab, name))
    return { ...byEpoch(view, rows[tag]), mode: bold || rows[tag].x.length < 2 ? "lines+markers" : "lines",
      name: plain(name), cliponaxis: false, hovertemplate: "%{y:.1f}", opacity: inSight(view.tab, name) ? 1 : 0.12,
      line: { color, dash, width: bold ? 2 : 1 }, marker: { color, symbol, size: 6 } }
  })
}

/** A class's name comes from a file, and Plotly takes some of HTML for markup. */
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")

function listClasses(view, tab) {
  const tags = tab.plots[0].spec.tags(tab.rows)
  const found = tags.map((tag, i) => {
    const { x, y } = tab.rows[tag]
    return { i, name: tag.slice(AP_OF.length), now: y.at(-1), base: x[0] === 0 ? y[0] : null }
  })
  found.sort((a, b) => (b.now ?? -1) - (a.now ?? -1))
  const entries = found.map(({ i, name, now, base }) => {
    const entry = element("button", "dl-class")
    entry.type = "button"
    entry.dataset.name = name
    const { color, dash } = lookOf(view.theme, i)
    const key = element("i", "dl-key", "", entry)
    key.style.cssText = `border-top-color: ${color}; border-top-style: ${dash === "dash" ? "dashed" : dash === "dot" ?
      "dotted" : "solid"}`
    element("span", "dl-name", name, entry).title = name
    element("b", "", asAP(now), entry)
    const { sign, text } = tab.rows[AP_OF + name].x.length > 1 ? gain(now, base) : { sign: "", text: "" }
    element("span", "dl-more", text, entry).dataset.sign = sign
    entry.setAttribute("aria-pressed", String(tab.marked.has(name)))
    entry.onmouseenter = entry.onfocus = () => { tab.hovered = name; tab.redraw() }
    entry.onblur = () => { tab.hovered = null; tab.redraw() }
    entry.onclick = () => {
      if (!tab.marked.delete(name)) tab.marked.add(name)
      entry.setAttribute("aria-pressed", String(tab.marked.has(name)))
      tab.redraw()
    }
    return entry
  })
  const focused = document.activeElement?.closest?.(".dl-class")?.dataset.name
  tab.list.replaceChildren(...entries)
  if (focused) entries.find((entry) => entry.dataset.name === focused)?.focus({ preventScroll: true })
}

// Curves of several runs over each other: one metric, by step, epoch or minutes. Fetches each run's curve once and, of
// those that train, what is new; smoothing, axes and zoom are drawn from what is there. Below it the runs' numbers.
import { CONFIG, resolve } from "../../core/charts/draw.js"
import { makeComponent } from "../js/component.js"
import { element, tableBody } from "../js/element.js"
import { loadPlotly } from "../js/plotly.js"
import { readTheme } from "../js/theme.js"
import { cut, decimate, positive, scaled, smooth } from "../live/traces.js"
/** @import { Json, Theme } from "../../core/charts/draw.js" */
/** @import { Curve, Range } from "../live/types" */

/** @typedef {{ id: string, name: string }} Run */
/** @typedef {"step" | "epoch" | "minutes"} Unit */
/** @typedef {{ runs: Run[], tag: string, title: string, unit: string, scale: number, by: Unit, smoothing: number,
 *   log: boolean }} Data what the page asks for */
/** @typedef {{ steps: number[], values: (number | null)[], minutes: (number | null)[] | null, clock: string,
 *   last: number, live: boolean, per_epoch: number | null }} News what /api/curves answers (curves_route.py) */

/**
 * A run's curve as it has come. `x` are steps; `minutes` is a curve of them, where they were asked for; `perEpoch` the
 * steps of an epoch, null where they are unknown; `isGone` says that there is no such run any more.
 * @typedef {Curve & { minutes: (number | null)[], clock: string, last: number, live: boolean, perEpoch: number | null,
 *   isGone: boolean }} Kept
 */

/**
 * The curves on the page; `kept` has a curve for each run, metric and clock by `keyOf`.
 * @typedef {{ root: HTMLElement, box: PlotlyBox, note: HTMLElement, rows: HTMLElement, data: Data, theme: Theme,
 *   kept: Map<string, Kept>, isMade: boolean, isZoomed: boolean, isBusy: boolean, isGone: boolean, fails: number,
 *   timer?: ReturnType<typeof setTimeout>, wake: () => void, resizer: ResizeObserver }} View
 */

const PAUSE = 1000, LONGEST_PAUSE = 10000 // ms between two questions; after several without an answer
const DASHES = ["solid", "dash", "dot"], COLORS = 6 // of the theme
const MARKED = 60 // points of a curve at most that are marked one by one
/** @type {Record<string, string>} */
const CLOCKS = { estimated: "its minutes are placed evenly between its evaluations",
  unknown: "it has no times, so it is not drawn by minutes" }

export default makeComponent({
  root: ".dl-run-curves",
  make: makeView,
  signature: (/** @type {Data} */ { runs, tag, by }) => JSON.stringify([runs.map(({ id }) => id), tag, by === "minutes"]),
  connect: (view, data) => {
    if (view.data && view.data.by !== data.by) view.isZoomed = false
    view.data = data
  },
  take: (view) => {
    const wanted = new Set(view.data.runs.map(({ id }) => keyOf(view.data, id)))
    for (const key of view.kept.keys()) if (!wanted.has(key)) view.kept.delete(key)
    view.isZoomed = false
  },
  show: (view) => {
    view.theme = readTheme(view.root)
    draw(view)
    view.wake()
  },
  leave: (view) => {
    view.isGone = true
    clearTimeout(view.timer)
    document.removeEventListener("visibilitychange", view.wake)
    view.resizer.disconnect()
    if (view.isMade) window.Plotly.purge(view.box)
  },
})

/**
 * Make a view without curves.
 * @param {HTMLElement} root
 * @returns {View}
 */
function makeView(root) {
  const box = /** @type {PlotlyBox} */ (element("div", "dlr-plot", "", root))
  box.setAttribute("role", "img")
  const note = element("p", "dlr-note", "", root)
  note.setAttribute("role", "status")
  const place = element("div", "dlr-table", "", root)
  const rows = tableBody("", ["Run", "Points", "First", "Last", "Lowest", "Highest"], place)
  /** @type {Partial<View>} */
  const state = { root, box, note, rows, kept: new Map(), isMade: false, isZoomed: false, isBusy: false, isGone: false,
    fails: 0 }
  const view = /** @type {View} */ (state) // data and theme follow with the first call
  view.wake = () => { poll(view) }
  document.addEventListener("visibilitychange", view.wake)
  view.resizer = new ResizeObserver(() => { if (view.isMade && box.clientWidth) window.Plotly.Plots.resize(box) })
  view.resizer.observe(box)
  return view
}

/**
 * Return under which name a run's curve is kept.
 * @param {Data} data
 * @param {string} id
 */
function keyOf({ tag, by }, id) {
  return JSON.stringify([id, tag, by === "minutes"])
}

// --- fetching ----------------------------------------------------------------------------------------------------

/**
 * Fetch what is missing or new, draw it, and go on as long as a run trains.
 * @param {View} view
 */
async function poll(view) {
  if (view.isGone || view.isBusy || document.hidden || !view.data) return
  clearTimeout(view.timer)
  view.isBusy = true
  const { data } = view
  const due = data.runs.map(({ id }) => ({ id, kept: view.kept.get(keyOf(data, id)) }))
    .filter(({ kept }) => !kept || (kept.live && !kept.isGone))
  const answers = await Promise.allSettled(due.map(({ id, kept }) => fetchOne(view, data, id, kept)))
  view.isBusy = false
  if (view.isGone) return
  const isLost = answers.some(({ status }) => status === "rejected")
  view.fails = isLost ? view.fails + 1 : 0
  if (due.length) draw(view)
  const all = view.data.runs.map(({ id }) => view.kept.get(keyOf(view.data, id)))
  const wait = Math.min(PAUSE * 2 ** view.fails, LONGEST_PAUSE)
  if (!isLost && !all.every(Boolean)) view.wake() // others were chosen meanwhile
  else if (isLost || all.some((kept) => kept?.live)) view.timer = setTimeout(view.wake, wait)
}

/**
 * Fetch what is new of a run, and keep it.
 * @param {View} view
 * @param {Data} data
 * @param {string} id
 * @param {Kept | undefined} before
 */
async function fetchOne(view, data, id, before) {
  const asked = new URLSearchParams({ tag: data.tag, after: String(before?.last ?? 0) })
  if (data.by === "minutes") asked.set("clock", "1")
  const answer = await fetch(`/api/curves/${encodeURIComponent(id)}?${asked}`)
  /** @type {Kept} */
  const kept = before ?? { x: [], y: [], minutes: [], clock: "", last: 0, live: false, perEpoch: null, isGone: false }
  if (answer.status === 404) Object.assign(kept, { isGone: true, live: false })
  else if (!answer.ok) throw new Error(String(answer.status))
  else take(kept, await answer.json())
  view.kept.set(keyOf(data, id), kept)
}

/**
 * Append what is new to a curve; a resumed run repeats the steps after its checkpoint, and what is new counts.
 * @param {Kept} kept
 * @param {News} news
 */
function take(kept, { steps, values, minutes, clock, last, live, per_epoch: perEpoch }) {
  if (steps.length) cut(kept, (step) => step >= steps[0])
  kept.minutes.length = kept.x.length
  for (let i = 0; i < steps.length; i++) {
    kept.x.push(steps[i])
    kept.y.push(values[i])
    kept.minutes.push(minutes ? minutes[i] : null)
  }
  Object.assign(kept, { clock, last, live, perEpoch })
}

// --- drawing -----------------------------------------------------------------------------------------------------

/**
 * Draw what is there, as soon as Plotly is.
 * @param {View} view
 */
function draw(view) {
  loadPlotly().then(() => { if (!view.isGone) drawNow(view) }).catch((error) => { view.note.textContent = error.message })
}

/**
 * Draw the curves, the note and the numbers.
 * @param {View} view
 */
function drawNow(view) {
  const { data, box } = view
  const curves = data.runs.map(({ id }) => view.kept.get(keyOf(data, id)))
  const full = box.layout
  /** @type {Range} */
  const range = view.isMade && view.isZoomed && full.xaxis?.range ? full.xaxis.range : null
  const traces = curves.flatMap((kept, i) => (kept ? tracesOf(data, data.runs[i], i, kept, range) : []))
  const xTitle = data.by === "minutes" ? "minutes since the run's first record" : data.by
  const layout = { xaxis: { title: xTitle }, yaxis: { title: data.unit, type: data.log ? "log" : "linear",
    ...(data.log ? { exponentformat: "power" } : {}) }, margin: { t: 28 } }
  const drawn = resolve({ traces, layout, key: data.by }, view.theme)
  window.Plotly.react(box, drawn.data, drawn.layout, CONFIG)
  box.setAttribute("aria-label", `${data.title} by ${data.by} of ${data.runs.length} runs; the table below has numbers.`)
  view.note.textContent = noteOf(view, curves)
  showNumbers(view, curves)
  if (view.isMade) return
  view.isMade = true
  box.on("plotly_relayout", (change) => { // a zoom shows the detail that was decimated away
    if (!Object.keys(change).some((key) => key.startsWith("xaxis"))) return
    view.isZoomed = !change["xaxis.autorange"]
    drawNow(view)
  })
}

/**
 * Return a run's traces: its curve, or where it is smoothed the curve faintly and its mean.
 * @param {Data} data
 * @param {Run} run
 * @param {number} i its place, by which it has colour and dash
 * @param {Kept} kept
 * @param {Range} range in sight, null for all
 * @returns {Json[]}
 */
function tracesOf(data, { id, name }, i, kept, range) {
  const show = (/** @type {Curve} */ curve) => {
    const placed = placeOf(data, kept, scaled(curve, data.scale))
    return decimate(data.log ? positive(placed) : placed, range)
  }
  const look = { color: `@${(i % COLORS) + 1}`, dash: DASHES[Math.floor(i / COLORS) % DASHES.length] }
  const digits = data.by === "step" ? "" : ".4~g"
  const common = { type: "scatter", name, legendgroup: id, line: { ...look, width: 2 }, marker: { color: look.color, size: 6 },
    hovertemplate: `%{fullData.name}<br>${data.by} %{x:${digits || ",d"}}: %{y:.5~g}<extra></extra>` }
  const mode = kept.x.length <= MARKED ? "lines+markers" : "lines"
  const raw = { ...common, ...show(kept), mode }
  if (!data.smoothing) return [raw]
  return [
    { ...raw, line: { ...look, width: 1 }, opacity: 0.25, hoverinfo: "skip", hovertemplate: undefined, showlegend: false },
    { ...common, ...show(smooth(kept, data.smoothing)), mode },
  ]
}

/**
 * Return a curve by the unit that is asked for; points whose place is unknown are left out.
 * @param {Data} data
 * @param {Kept} kept
 * @param {Curve} curve by step
 * @returns {Curve}
 */
function placeOf({ by }, { minutes, perEpoch }, { x, y }) {
  if (by === "step") return { x, y }
  if (by === "epoch") return perEpoch ? { x: x.map((step) => step / perEpoch), y } : { x: [], y: [] }
  /** @type {Curve} */
  const placed = { x: [], y: [] }
  minutes.forEach((minute, i) => { if (minute !== null) { placed.x.push(minute); placed.y.push(y[i]) } })
  return placed
}

// --- words -------------------------------------------------------------------------------------------------------

/**
 * Say what is not as it seems: runs without the metric, without times, or gone, and whether the app answers.
 * @param {View} view
 * @param {(Kept | undefined)[]} curves
 */
function noteOf({ data, fails }, curves) {
  /** @type {string[]} */
  const said = fails > 1 ? ["No answer from the app, trying again …"] : []
  curves.forEach((kept, i) => {
    const { name } = data.runs[i]
    if (kept?.isGone) said.push(`${name} is deleted meanwhile.`)
    else if (kept && !kept.x.length) said.push(`${name} has recorded no ${data.title}.`)
    else if (kept && data.by === "epoch" && !kept.perEpoch) said.push(`${name} has no epochs, so it is not drawn by epoch.`)
    else if (kept && data.by === "minutes" && CLOCKS[kept.clock]) said.push(`Of ${name}: ${CLOCKS[kept.clock]}.`)
  })
  return said.join(" ")
}

/**
 * Show the numbers of each run as they were recorded, not smoothed.
 * @param {View} view
 * @param {(Kept | undefined)[]} curves
 */
function showNumbers({ data, rows }, curves) {
  rows.replaceChildren()
  curves.forEach((kept, i) => {
    const row = element("tr", "", "", rows)
    element("th", "", data.runs[i].name, row).scope = "row"
    const values = (kept?.y ?? []).filter((value) => value !== null).map((value) => value * data.scale)
    const number = (/** @type {number | undefined} */ value) => (value === undefined ? "–" : `${Number(value.toPrecision(5))}`)
    const sorted = [...values].sort((a, b) => a - b)
    const shown = [kept?.x.length.toLocaleString("en") ?? "…",
      ...[values[0], values.at(-1), sorted[0], sorted.at(-1)].map(number)]
    for (const text of shown) element("td", "", text, row)
  })
}

// The live run: status, figures and curves. Fetches only the rows that are new and draws in place, so that a zoom,
// the page's scroll position and everything else on it stay as they are. One `view` object for each mounted component.
// plots.js, which draws, and element.js are appended to this file.

const views = new WeakMap()
const LOSSES = [
  ["loss", "total loss"],
  ["loss_ce", "class"],
  ["loss_bbox", "box, L1"],
  ["loss_giou", "box, GIoU"],
]
const GLYPHS = { queued: "◌", starting: "◌", running: "●", finished: "✓", stopped: "■", failed: "✕", interrupted: "!" }

export default function (component) {
  const { parentElement, data, setTriggerValue } = component
  let view = views.get(parentElement)
  if (!view) {
    view = makeView(parentElement.querySelector(".dl-curves"))
    views.set(parentElement, view)
  }
  if (view.run !== data.run) reset(view, data.run)
  view.status = data.status // what the rest of the page shows; a rerun brings it up to date
  view.tell = (status) => { view.status = status; setTriggerValue("status", status) }
  readTheme(view)
  loadPlotly().then(() => draw(view, true))
  view.wake()
  return () => {
    view.gone = true
    clearTimeout(view.timer)
    document.removeEventListener("visibilitychange", view.wake)
    view.resizer.disconnect()
    views.delete(parentElement)
  }
}

// --- the page's elements ---------------------------------------------------------------------------------------

function makeView(root) {
  const view = { root, gone: false, plots: [], cards: {} }
  const head = element("div", "dl-head", "", root)
  view.chip = element("span", "dl-chip", "", head)
  view.chip.setAttribute("role", "status")
  view.place = element("span", "dl-place", "", head)
  view.doing = element("span", "dl-note", "", head)
  view.note = element("span", "dl-note", "", head)
  view.bar = element("div", "dl-bar", "", root)
  view.bar.setAttribute("role", "progressbar")
  view.bar.setAttribute("aria-label", "Progress of the training")
  element("i", "", "", view.bar)
  const cards = element("div", "dl-cards", "", root)
  for (const [key, label] of [["base", "AP, untouched model"], ["now", "AP now"], ["best", "Best AP"],
    ["speed", "Images per second"], ["left", "Time left"]]) view.cards[key] = makeCard(label, cards)
  const plots = element("div", "dl-plots", "", root)
  view.plots.push(makePlot("AP", "on the validation images, by epoch", "ap", plots))
  for (const [tag, words] of LOSSES) view.plots.push(makePlot(tag, words + ", by step", tag, plots))
  const legend = element("div", "dl-legend", "", root)
  for (const [kind, words] of [["raw", "training, each step"], ["smooth", "training, smoothed"], ["val", "validation"],
    ["base", "untouched model"]]) {
    element("i", "dl-key dl-" + kind, "", legend).setAttribute("aria-hidden", "true")
    element("span", "", words, legend)
  }
  element("span", "dl-hint", "Drag to zoom, double-click to see all.", legend)
  view.wake = () => poll(view)
  document.addEventListener("visibilitychange", view.wake)
  view.resizer = new ResizeObserver(() => resize(view))
  view.resizer.observe(plots)
  return view
}

function makeCard(label, parent) {
  const card = element("div", "dl-card", "", parent)
  element("span", "dl-label", label, card)
  const line = element("span", "dl-line", "", card)
  return { value: element("b", "", "–", line), more: element("span", "dl-more", "", line) }
}

function makePlot(title, words, tag, parent) {
  const figure = element("figure", "dl-plot dl-plot-" + tag, "", parent)
  const caption = element("figcaption", "", "", figure)
  element("b", "", title, caption)
  element("span", "", words, caption)
  const box = element("div", "dl-canvas", "", figure)
  box.setAttribute("role", "img")
  box.setAttribute("aria-label", `Chart of ${title}, ${words}`)
  return { tag, box, count: -1, made: false, empty: element("span", "dl-empty", "", figure) }
}

function resize(view) {
  if (!window.Plotly || view.gone) return
  for (const plot of view.plots) if (plot.made && plot.box.clientWidth) window.Plotly.Plots.resize(plot.box)
}

function readTheme(view) {
  const style = getComputedStyle(view.root)
  const get = (name) => style.getPropertyValue(name).trim()
  const [train, val] = get("--st-chart-categorical-colors").split(",")
  view.root.style.setProperty("--dl-train", train)
  view.root.style.setProperty("--dl-val", val)
  view.theme = { text: get("--st-text-color"), line: get("--st-border-color"), back: get("--st-background-color"),
    gray: get("--st-gray-color"), train, val, font: get("--st-font") || "sans-serif" }
}

// --- fetching --------------------------------------------------------------------------------------------------

function reset(view, run) {
  Object.assign(view, { run, last: 0, rows: {}, info: null, live: false, fails: 0, turn: (view.turn || 0) + 1 })
  clearTimeout(view.timer)
  view.busy = false
  for (const plot of view.plots) plot.count = -1
}

async function poll(view) {
  if (view.gone || view.busy || document.hidden) return
  clearTimeout(view.timer)
  const turn = view.turn
  view.busy = true
  let wait = 1000
  try {
    const answer = await fetch(`/api/metrics/${encodeURIComponent(view.run)}?after=${view.last}`)
    if (turn !== view.turn || view.gone) return
    if (answer.status === 404) { view.busy = false; return }
    if (!answer.ok) throw new Error(String(answer.status))
    const news = await answer.json()
    if (turn !== view.turn || view.gone) return
    view.fails = 0
    take(view, news)
    wait = view.live ? 1000 : -1
  } catch {
    if (turn !== view.turn) return
    view.fails += 1
    wait = Math.min(1000 * 2 ** view.fails, 10000)
  }
  view.busy = false
  view.note.textContent = view.fails > 1 ? "No answer from the app: the training goes on, trying again …" : ""
  if (wait >= 0) view.timer = setTimeout(view.wake, wait)
}

function take(view, news) {
  for (const [tag, [steps, values]] of Object.entries(news.rows)) {
    const kept = (view.rows[tag] ??= { x: [], y: [] })
    // a resumed run repeats the steps after its checkpoint: what it records now counts
    while (kept.x.length && kept.x.at(-1) >= steps[0]) { kept.x.pop(); kept.y.pop() }
    for (let i = 0; i < steps.length; i++) { kept.x.push(steps[i]); kept.y.push(values[i]) }
  }
  view.last = news.last
  view.live = news.run.live
  view.info = news.run
  showInfo(view)
  loadPlotly().then(() => draw(view, false))
  if (news.run.status !== view.status) view.tell(news.run.status)
}

// --- the figures above the curves ------------------------------------------------------------------------------

const asAP = (value) => (value == null ? "–" : (100 * value).toFixed(1))
const whole = (value) => (value ?? 0).toLocaleString("en")

function duration(seconds) {
  if (seconds == null) return "–"
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}

function showInfo(view) {
  const run = view.info
  const chip = `${GLYPHS[run.status] ?? "●"} ${run.label}`
  if (view.chip.textContent !== chip) view.chip.textContent = chip
  view.chip.dataset.status = run.status
  const epoch = run.live && run.step < run.steps ? run.epoch + 1 : run.epoch // `epoch` counts those that are done
  view.place.textContent = run.steps ? `Epoch ${epoch} of ${run.epochs} · step ${whole(run.step)} of ${whole(run.steps)}` : ""
  // failed and interrupted runs have their sentence above, on the page
  view.doing.textContent = run.live || run.status === "stopped" ? run.message ?? "" : ""
  const share = run.steps ? Math.min(1, run.step / run.steps) : 0
  view.bar.firstChild.style.width = `${100 * share}%`
  view.bar.setAttribute("aria-valuenow", String(Math.round(100 * share)))
  view.bar.dataset.status = run.status
  const { base, now, best, speed, left } = view.cards
  base.value.textContent = asAP(run.baseline_ap)
  now.value.textContent = asAP(run.ap)
  const gain = run.ap == null || run.baseline_ap == null ? null : 100 * (run.ap - run.baseline_ap)
  const sign = gain == null ? "" : Math.abs(gain) < 0.05 ? "same" : gain < 0 ? "down" : "up"
  now.more.textContent = sign && { same: "±", down: "▼ −", up: "▲ +" }[sign] + Math.abs(gain).toFixed(1)
  now.more.dataset.sign = sign
  best.value.textContent = asAP(run.best_ap)
  best.more.textContent = run.best_epoch ? `epoch ${run.best_epoch}` : ""
  speed.value.textContent = run.images_per_second ? run.images_per_second.toFixed(1) : "–"
  left.value.textContent = run.live ? duration(run.seconds_left) : "–"
}

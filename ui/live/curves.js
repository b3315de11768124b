// The live run: status, figures, curves by tab and the doctor's remarks. Fetches only what is new for the tab in sight
// and draws in place, so that a zoom, the page's scroll position and everything else on it stay as they are. One `view`
// object for each mounted component. Appended to this file: head.js (status and figures), tabs.js (what each tab
// shows), plots.js (drawing), doctor.js and element.js.

const views = new WeakMap()

export default function (component) {
  const { parentElement, data, setTriggerValue } = component
  let view = views.get(parentElement)
  if (!view) {
    view = makeView(parentElement.querySelector(".dl-curves"))
    views.set(parentElement, view)
  }
  if (view.run !== data.run) reset(view, data.run)
  view.version = data.version // what the rest of the page shows; a rerun brings it up to date
  view.tell = (version) => { view.version = version; setTriggerValue("version", version) }
  readTheme(view)
  showLegend(view)
  loadPlotly().then(() => draw(view, true))
  view.wake()
  return whenGone(parentElement, () => {
    view.gone = true
    clearTimeout(view.timer)
    document.removeEventListener("visibilitychange", view.wake)
    view.resizer.disconnect()
    views.delete(parentElement)
  })
}

// --- the page's elements ---------------------------------------------------------------------------------------

function makeView(root) {
  const view = { root, gone: false, tabs: [], turn: 0 }
  makeHead(view)
  view.list = element("div", "dl-tabs", "", root)
  view.list.setAttribute("role", "tablist")
  view.list.setAttribute("aria-label", "Curves")
  const body = element("div", "dl-body", "", root)
  const left = element("div", "dl-left", "", body)
  view.resizer = new ResizeObserver(() => resize(view))
  for (const spec of TABS) view.tabs.push(makeTab(view, spec, left))
  view.legend = element("div", "dl-legend", "", left)
  makeDoctor(view, body)
  view.wake = () => poll(view)
  document.addEventListener("visibilitychange", view.wake)
  view.list.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (!step) return
    const next = view.tabs.at((view.tabs.indexOf(view.tab) + step) % view.tabs.length)
    next.button.focus()
    choose(view, next)
  }
  choose(view, view.tabs[0])
  return view
}

function makeTab(view, spec, parent) {
  const tab = { spec, rows: {}, last: 0, plots: [] }
  tab.button = element("button", "dl-tab", spec.label, view.list)
  tab.button.type = "button"
  tab.button.setAttribute("role", "tab")
  tab.button.onclick = () => choose(view, tab)
  tab.panel = element("div", "dl-plots dl-" + spec.key, "", parent)
  tab.panel.setAttribute("role", "tabpanel")
  tab.panel.setAttribute("aria-label", spec.label)
  for (const plot of spec.plots) tab.plots.push(makePlot(plot, tab.panel))
  if (spec.make) spec.make(view, tab)
  view.resizer.observe(tab.panel)
  return tab
}

/** Shows a tab; what it lacks is asked for at once, and not the rows of the tab before. */
function choose(view, chosen) {
  if (view.tab === chosen) return
  view.tab = chosen
  for (const tab of view.tabs) {
    const here = tab === chosen
    tab.panel.hidden = !here
    tab.button.setAttribute("aria-selected", String(here))
    tab.button.tabIndex = here ? 0 : -1
  }
  if (!view.run) return
  showLegend(view)
  draw(view, true)
  view.turn += 1
  view.busy = false
  poll(view)
}

function makePlot(spec, parent) {
  const figure = element("figure", "dl-plot dl-plot-" + spec.key, "", parent)
  const caption = element("figcaption", "", "", figure)
  element("b", "", spec.title, caption)
  element("span", "", spec.words, caption)
  const box = element("div", "dl-canvas", "", figure)
  box.setAttribute("role", "img")
  box.setAttribute("aria-label", `Chart of ${spec.title}, ${spec.words}`)
  return { spec, figure, box, drawn: -1, made: false, empty: element("span", "dl-empty", "", figure) }
}

function resize(view) {
  if (!window.Plotly || view.gone) return
  for (const plot of view.tab.plots) if (plot.made && plot.box.clientWidth) window.Plotly.Plots.resize(plot.box)
}

function readTheme(view) {
  const style = getComputedStyle(view.root)
  const get = (name) => style.getPropertyValue(name).trim()
  const colors = get("--st-chart-categorical-colors").split(",").map((color) => color.trim())
  view.theme = { text: get("--st-text-color"), line: get("--st-border-color"), back: get("--st-background-color"),
    gray: get("--st-gray-color"), train: colors[0], val: colors[1], colors, font: get("--st-font") || "sans-serif" }
}

// --- fetching --------------------------------------------------------------------------------------------------

function reset(view, run) {
  Object.assign(view, { run, info: null, live: false, fails: 0, turn: view.turn + 1, busy: false })
  clearTimeout(view.timer)
  for (const tab of view.tabs) {
    Object.assign(tab, { rows: {}, last: 0 })
    for (const plot of tab.plots) Object.assign(plot, { drawn: -1, zoomed: false })
    if (tab.spec.clear) tab.spec.clear(view, tab)
  }
  clearDoctor(view)
}

async function poll(view) {
  if (view.gone || view.busy || document.hidden) return
  clearTimeout(view.timer)
  const { turn, tab } = view
  view.busy = true
  let wait = 1000
  try {
    const asked = new URLSearchParams({ after: tab.last, group: tab.spec.key, remarks: view.remarks })
    const answer = await fetch(`/api/metrics/${encodeURIComponent(view.run)}?${asked}`)
    if (turn !== view.turn || view.gone) return
    if (answer.status === 404) { // deleted meanwhile: the page shows another run
      view.busy = false
      if (view.version !== "gone") view.tell("gone")
      return
    }
    if (!answer.ok) throw new Error(String(answer.status))
    const news = await answer.json()
    if (turn !== view.turn || view.gone) return
    view.fails = 0
    take(view, tab, news)
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

function take(view, tab, news) {
  const first = Math.min(...Object.values(news.rows).map(([steps]) => steps[0]))
  // a resumed run repeats the steps after its checkpoint: what it records now counts
  for (const kept of Object.values(tab.rows)) cut(kept, (step) => step > first)
  for (const [tag, [steps, values]] of Object.entries(news.rows)) {
    const kept = (tab.rows[tag] ??= { x: [], y: [], changes: 0 })
    cut(kept, (step) => step >= steps[0])
    kept.changes += 1
    for (let i = 0; i < steps.length; i++) { kept.x.push(steps[i]); kept.y.push(values[i]) }
  }
  tab.last = news.last
  view.live = news.run.live
  view.info = news.run
  if (news.remarks) showRemarks(view, news.remarks)
  showInfo(view)
  showLegend(view)
  loadPlotly().then(() => draw(view, false))
  if (news.version !== view.version) view.tell(news.version)
}

function cut(kept, gone) {
  while (kept.x.length && gone(kept.x.at(-1))) { kept.x.pop(); kept.y.pop(); kept.changes += 1 }
}

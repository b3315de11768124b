// The live run: status, figures, curves by tab and the doctor's remarks. Fetches only what is new for the tab in sight
// and draws in place, so that a zoom, the page's scroll position and everything else on it stay as they are.
import { makeComponent } from "../js/component.js"
import { button, element } from "../js/element.js"
import { loadPlotly } from "../js/plotly.js"
import { readTheme } from "../js/theme.js"
import { freeButtons, makeDoctor } from "./doctor.js"
import { poll, reset } from "./feed.js"
import { makeHead } from "./head.js"
import { draw, makePlot, resize, showLegend } from "./plots.js"
import { makeStart } from "./start.js"
import { makeTabs } from "./tabs.js"
/** @import { Data, Tab, TabSpec, View } from "./types" */

export default makeComponent({
  root: ".dl-curves",
  make: makeView,
  signature: (/** @type {Data} */ data) => data.run,
  connect: (view, data, tell) => {
    view.version = data.version // what the rest of the page shows; a rerun brings it up to date
    view.tell = (version) => { view.version = version; tell("version", version) }
    view.advise = (rule) => tell("advised", { run: view.run, rule })
    freeButtons(view)
  },
  take: (view, data) => reset(view, data),
  show: (view) => {
    takeTheme(view)
    loadPlotly().then(() => draw(view, true))
    view.wake()
  },
  print: (view, isPrinting) => {
    view.isPrinting = isPrinting
    takeTheme(view)
    draw(view, true)
    if (!isPrinting) resize(view)
  },
  leave: (view) => {
    view.isGone = true
    clearTimeout(view.timer)
    document.removeEventListener("visibilitychange", view.wake)
    view.resizer.disconnect()
  },
})

/**
 * Take the colours that hold now.
 * @param {View} view
 */
function takeTheme(view) {
  const theme = readTheme(view.root)
  view.theme = { ...theme, train: theme.colors[0], val: theme.colors[1] }
  showLegend(view)
}

/**
 * Make a view without a run.
 * @param {HTMLElement} root
 * @param {Data} data
 */
function makeView(root, { metrics }) {
  /** @type {Partial<View>} */
  const state = { root, isGone: false, isPrinting: false, tabs: [], turn: 0, run: "" }
  const view = /** @type {View} */ (state) // the elements follow, and the run with `reset`
  view.head = makeHead(root)
  view.list = element("div", "dl-tabs", "", root)
  view.list.setAttribute("role", "tablist")
  view.list.setAttribute("aria-label", "Curves")
  const body = element("div", "dl-body", "", root)
  const left = element("div", "dl-left", "", body)
  view.start = makeStart(left)
  view.resizer = new ResizeObserver(() => resize(view))
  for (const spec of makeTabs(metrics)) view.tabs.push(makeTab(view, spec, left))
  view.legend = element("div", "dl-legend", "", left)
  view.doctor = makeDoctor(body, view.head.alert)
  view.wake = () => poll(view)
  document.addEventListener("visibilitychange", view.wake)
  view.list.onkeydown = (event) => {
    if (event.key !== "ArrowRight" && event.key !== "ArrowLeft") return
    const step = event.key === "ArrowRight" ? 1 : -1, n = view.tabs.length
    const next = view.tabs[(view.tabs.indexOf(view.tab) + step + n) % n]
    next.button.focus()
    choose(view, next)
  }
  choose(view, view.tabs[0])
  return view
}

/**
 * Make a tab and its plots, without curves.
 * @param {View} view
 * @param {TabSpec} spec
 * @param {Element} parent
 */
function makeTab(view, spec, parent) {
  const made = button("dl-tab", spec.label, "", view.list, () => choose(view, tab))
  made.setAttribute("role", "tab")
  const panel = element("div", "dl-plots dl-" + spec.key, "", parent)
  panel.setAttribute("role", "tabpanel")
  panel.setAttribute("aria-label", spec.label)
  /** @type {Tab} */
  const tab = { spec, rows: {}, last: 0, plots: spec.plots.map((plot) => makePlot(plot, panel)), button: made, panel }
  spec.make?.(view, tab)
  view.resizer.observe(panel)
  return tab
}

/**
 * Show a tab; what it lacks is asked for at once, and not the rows of the tab before.
 * @param {View} view
 * @param {Tab} chosen
 */
function choose(view, chosen) {
  if (view.tab === chosen) return
  view.tab = chosen
  for (const tab of view.tabs) {
    const isChosen = tab === chosen
    tab.panel.hidden = !isChosen
    tab.button.setAttribute("aria-selected", String(isChosen))
    tab.button.tabIndex = isChosen ? 0 : -1
  }
  if (!view.run) return
  showLegend(view)
  draw(view, true)
  view.turn += 1
  view.isBusy = false
  poll(view)
}

// Fetches what is new for the tab in sight, while a run trains or waits and the page is seen.
import { loadPlotly } from "../js/plotly.js"
import { clearDoctor, showRemarks } from "./doctor.js"
import { showInfo } from "./head.js"
import { draw, showLegend } from "./plots.js"
import { clearStart, showStart } from "./start.js"
import { cut } from "./traces.js"
/** @import { Data, News, Tab, View } from "./types" */

const PAUSE = 1000 // ms between two questions
const SHORT_PAUSE = 250 // while a run starts, until its first step
const LONGEST_PAUSE = 10000 // after several without an answer

/**
 * Begin with a run.
 * @param {View} view
 * @param {Data} data
 */
export function reset(view, { run, start }) {
  Object.assign(view, { run, info: null, isLive: false, fails: 0, turn: view.turn + 1, isBusy: false })
  clearTimeout(view.timer)
  for (const tab of view.tabs) {
    Object.assign(tab, { rows: {}, last: 0 })
    for (const plot of tab.plots) Object.assign(plot, { drawn: -1, isZoomed: false })
    tab.spec.clear?.(view, tab)
  }
  clearStart(view)
  showStart(view, start)
  clearDoctor(view)
}

/**
 * Ask for what is new, and again as long as any run trains or waits.
 * @param {View} view
 */
export async function poll(view) {
  if (view.isGone || view.isBusy || document.hidden) return
  clearTimeout(view.timer)
  const { turn, tab } = view
  view.isBusy = true
  let wait
  try {
    const news = await fetchNews(view, tab)
    if (turn !== view.turn || view.isGone) return
    if (!news) { // deleted meanwhile: the page shows another run
      view.isBusy = false
      if (view.version !== "gone") view.tell("gone")
      return
    }
    view.fails = 0
    take(view, tab, news)
    const isStarting = news.start?.soon || (news.run.status === "running" && !news.run.step)
    // the queue beside an ended run goes on
    wait = isStarting ? SHORT_PAUSE : view.isLive || news.busy ? PAUSE : -1
  } catch {
    if (turn !== view.turn) return
    view.fails += 1
    wait = Math.min(PAUSE * 2 ** view.fails, LONGEST_PAUSE)
  }
  view.isBusy = false
  view.head.note.textContent = view.fails > 1 ? "No answer from the app: the training goes on, trying again …" : ""
  if (wait >= 0) view.timer = setTimeout(view.wake, wait)
}

/**
 * Return what is new for a tab; null if there is no such run any more.
 * @param {View} view
 * @param {Tab} tab
 * @returns {Promise<News | null>}
 */
async function fetchNews({ run, doctor }, tab) {
  const asked = new URLSearchParams({ after: String(tab.last), group: tab.spec.key, remarks: doctor.mark })
  const answer = await fetch(`/api/metrics/${encodeURIComponent(run)}?${asked}`)
  if (answer.status === 404) return null
  if (!answer.ok) throw new Error(String(answer.status))
  return await answer.json()
}

/**
 * Take what is new, and show it.
 * @param {View} view
 * @param {Tab} tab
 * @param {News} news
 */
function take(view, tab, news) {
  const first = Math.min(...Object.values(news.rows).map(([steps]) => steps[0]))
  // a resumed run repeats the steps after its checkpoint: what it records now counts
  for (const kept of Object.values(tab.rows)) kept.changes += cut(kept, (step) => step > first)
  for (const [tag, [steps, values]] of Object.entries(news.rows)) {
    const kept = (tab.rows[tag] ??= { x: [], y: [], changes: 0 })
    kept.changes += 1 + cut(kept, (step) => step >= steps[0])
    for (let i = 0; i < steps.length; i++) { kept.x.push(steps[i]); kept.y.push(values[i]) }
  }
  tab.last = news.last
  view.isLive = news.run.live
  view.info = news.run
  if (news.remarks) showRemarks(view, news.remarks)
  showInfo(view.head, news.run)
  showStart(view, news.start)
  showLegend(view)
  loadPlotly().then(() => draw(view, false))
  if (news.version !== view.version) view.tell(news.version)
}

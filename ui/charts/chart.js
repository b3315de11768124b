// One chart: title, note, the plot (or its figures as a table) and on how much it rests. draw.js, plotly.js and
// element.js are appended to this file; texts from files are only ever set as textContent, or made plain by draw.js.
// One `view` object for each mounted component. The place is as high before Plotly has loaded as it is then, and what
// is out of sight (further down, or in a tab that is not chosen) is drawn when it comes into sight.

const MOST_ROWS = 500 // of the table; the CSV has all
const views = new WeakMap()

export default function (component) {
  const { parentElement, data, setTriggerValue } = component
  let view = views.get(parentElement)
  if (!view) {
    view = makeView(parentElement.querySelector(".dl-chart"))
    views.set(parentElement, view)
  }
  view.open = data.clickable ? (target) => setTriggerValue("open", target) : null
  if (view.signature !== data.signature) {
    view.signature = data.signature
    view.chart = JSON.parse(data.chart)
    fill(view)
  }
  view.theme = readTheme(view.root)
  draw(view)
  return whenGone(parentElement, () => {
    view.gone = true
    view.sight.disconnect()
    view.resizer.disconnect()
    if (view.drawn) window.Plotly.purge(view.box)
    views.delete(parentElement)
  })
}

// --- the page's elements ---------------------------------------------------------------------------------------

function makeView(root) {
  const view = { root, inSight: false, gone: false, drawn: null }
  const head = element("div", "dlc-head", "", root)
  view.title = element("h4", "", "", head)
  view.buttons = element("div", "dlc-buttons", "", head)
  view.tableButton = button(view, "Table", () => showTable(view, view.table.hidden))
  view.csvButton = button(view, "CSV", () => saveCsv(view.chart))
  view.pngButton = button(view, "PNG", () => savePicture(view))
  view.note = element("p", "dlc-note", "", root)
  view.area = element("div", "dlc-area", "", root)
  view.box = element("div", "dlc-plot", "", view.area)
  view.box.setAttribute("role", "img")
  view.table = element("div", "dlc-table", "", view.area)
  view.table.hidden = true
  view.table.tabIndex = 0
  view.few = element("p", "dlc-few", "", view.area)
  view.foot = element("p", "dlc-foot", "", root)
  view.sight = new IntersectionObserver((entries) => {
    view.inSight = entries.at(-1).isIntersecting
    draw(view)
  }, { rootMargin: "300px" })
  view.sight.observe(view.area)
  view.resizer = new ResizeObserver(() => {
    if (!view.drawn) draw(view) // it may have had no width when it came into sight
    else if (view.box.clientWidth) window.Plotly.Plots.resize(view.box).then(() => placeLegend(view))
  })
  view.resizer.observe(view.box)
  return view
}

function button(view, text, onclick) {
  const made = element("button", "", text, view.buttons)
  made.type = "button"
  made.onclick = onclick
  return made
}

function fill(view) {
  const { title, note, caption, few, height, rows } = view.chart
  view.targets = view.open ? targetsOfRows(view.chart) : []
  view.title.textContent = title
  view.note.textContent = note
  view.area.style.height = height + "px"
  view.box.setAttribute("aria-label", note ? `${title}. ${note}` : title)
  view.table.setAttribute("role", "region")
  view.table.setAttribute("aria-label", `${title}, as a table`)
  view.root.classList.toggle("dlc-greyed", few)
  sayFew(view)
  const opens = view.open && view.chart.traces.some(({ customdata }) => [customdata].flat(3).some(isObject))
  view.foot.textContent = [few ? "" : caption, opens ? view.chart.click : ""].filter(Boolean).join(" · ")
  for (const [made, name] of [[view.tableButton, `Show ${title} as a table`], [view.csvButton,
    `Download ${title} as CSV`], [view.pngButton, `Download ${title} as PNG`]]) {
    made.setAttribute("aria-label", name)
    made.title = name
  }
  view.tableButton.disabled = view.csvButton.disabled = !rows.length
  showTable(view, !view.table.hidden && rows.length > 0)
}

// --- the plot --------------------------------------------------------------------------------------------------

function readTheme(root) {
  const style = getComputedStyle(root)
  const get = (name) => style.getPropertyValue(name).trim()
  return { text: get("--st-text-color"), line: get("--st-border-color"), back: get("--st-background-color"),
    gray: get("--st-gray-color"), good: get("--st-green-color"), bad: get("--st-red-color"),
    font: get("--st-font") || "sans-serif",
    colors: get("--st-chart-categorical-colors").split(",").map((color) => color.trim()) }
}

/** Whether Plotly could be loaded; if not, the chart says so until it can. */
async function plotlyIsThere(view) {
  try {
    await loadPlotly()
  } catch {
    view.few.textContent = "The chart could not be drawn: reload the page. Its figures are in the table."
    return false
  }
  sayFew(view)
  return true
}

function sayFew({ few, chart }) {
  few.textContent = chart.few ? chart.caption : ""
}

/** Plotly leaves it where the width before had it, over the bars if it needs fewer lines now. */
function placeLegend(view) {
  if (!view.gone && view.box.querySelector(".legend")) window.Plotly.redraw(view.box)
}

async function savePicture(view) {
  if (await plotlyIsThere(view)) await savePng(view.chart, view.theme, view.area)
}

async function draw(view) {
  const wanted = view.signature + JSON.stringify(view.theme)
  if (!view.inSight || view.drawn === wanted || !view.box.clientWidth) return
  if (!(await plotlyIsThere(view))) return
  if (view.gone || view.drawn === wanted || wanted !== view.signature + JSON.stringify(view.theme)) return
  const { data, layout } = resolve(view.chart, view.theme)
  const first = !view.drawn
  view.drawn = wanted
  window.Plotly.react(view.box, data, layout, CONFIG)
  if (!first) return
  const target = ({ points }) => view.open && targetOf(view.chart, points[0])
  view.box.on("plotly_click", (event) => { if (target(event)) view.open(target(event)) })
  view.box.on("plotly_hover", (event) => view.box.classList.toggle("dlc-target", Boolean(target(event))))
  view.box.on("plotly_unhover", () => view.box.classList.remove("dlc-target"))
}

// --- the table -------------------------------------------------------------------------------------------------

/** The figures in the plot's place, each row with a button for what a click on its point opens. */
function showTable(view, shown) {
  view.table.hidden = !shown
  view.box.hidden = shown
  view.tableButton.setAttribute("aria-pressed", String(shown))
  view.table.replaceChildren()
  if (shown) fillTable(view)
  else draw(view)
}

function fillTable(view) {
  const { columns, rows } = view.chart, opens = view.targets.some(Boolean)
  const table = element("table", "", "", view.table)
  const head = element("tr", "", "", element("thead", "", "", table))
  for (const [i, name] of (opens ? [...columns, "boxes"] : columns).entries()) {
    element("th", rows.some((row) => typeof row[i] === "number") ? "dlc-number" : "", name, head).scope = "col"
  }
  const body = element("tbody", "", "", table)
  rows.slice(0, MOST_ROWS).forEach((row, i) => {
    const line = element("tr", "", "", body)
    for (const value of row) element("td", typeof value === "number" ? "dlc-number" : "", asText(value), line)
    if (!opens) return
    const cell = element("td", "", "", line)
    if (!view.targets[i]) return
    const show = element("button", "", "Show", cell)
    show.type = "button"
    show.setAttribute("aria-label", "Show the boxes of " + row.filter((value) => typeof value === "string").join(", "))
    show.onclick = () => view.open(view.targets[i])
  })
  if (rows.length > MOST_ROWS) {
    element("p", "", `The first ${MOST_ROWS} of ${rows.length.toLocaleString("en")} rows; the CSV has all.`, view.table)
  }
}

function asText(value) {
  if (typeof value !== "number") return value == null ? "–" : String(value)
  return value.toLocaleString("en", Number.isInteger(value) ? {} : { maximumSignificantDigits: 4 })
}

// Draws the live run's curves; appended to curves.js. `Plotly.react` with a `uirevision` keeps the user's zoom.

const POINTS = 1000 // drawn per curve at most

let plotly
function loadPlotly() {
  plotly ??= window.Plotly ? Promise.resolve() : new Promise((done, fail) => {
    const script = element("script")
    script.src = "/api/plotly.js"
    script.onload = done
    script.onerror = () => { plotly = undefined; fail(new Error("plotly.js did not load")) }
    document.head.append(script)
  })
  return plotly
}

/** At most `POINTS` of the points inside `range`: of each stretch its lowest and its highest. */
function decimate({ x, y }, range) {
  let from = 0, to = x.length
  if (range) { // one point more on either side, so that lines run to the border
    while (from < to && x[from] < range[0]) from++
    while (to > from && x[to - 1] > range[1]) to--
    from = Math.max(0, from - 1); to = Math.min(x.length, to + 1)
  }
  if (to - from <= POINTS) return { x: x.slice(from, to), y: y.slice(from, to) }
  const out = { x: [], y: [] }, buckets = POINTS / 2
  for (let b = 0; b < buckets; b++) {
    const start = from + Math.floor((b * (to - from)) / buckets)
    const end = from + Math.floor(((b + 1) * (to - from)) / buckets)
    let low = start, high = start
    for (let i = start + 1; i < end; i++) {
      if (y[i] < y[low]) low = i
      if (y[i] > y[high]) high = i
    }
    for (const i of low < high ? [low, high] : low > high ? [high, low] : [low]) { out.x.push(x[i]); out.y.push(y[i]) }
  }
  return out
}

/** Exponential mean over about a fortieth of the run, unbiased at its start. */
function smooth({ x, y }) {
  const keep = 1 - 1 / Math.max(8, y.length / 40)
  const out = new Array(y.length)
  let sum = 0, weight = 0
  for (let i = 0; i < y.length; i++) {
    if (y[i] != null) { sum = keep * sum + y[i]; weight = keep * weight + 1 }
    out[i] = weight ? sum / weight : null
  }
  return { x, y: out }
}

function draw(view, themed) {
  if (view.gone || !view.info || !window.Plotly) return
  for (const plot of view.plots) {
    const tag = plot.tag === "ap" ? "val/AP" : plot.tag
    const count = ["train/" + tag, "val/" + tag, tag].reduce((n, t) => n + (view.rows[t]?.x.length ?? 0), 0)
    plot.empty.textContent = count ? "" : view.live ? "Waiting for the first figures …" : "Nothing was recorded."
    if (count === plot.count && !themed) continue
    plot.count = count
    if (count) drawOne(view, plot)
    else if (plot.made) {
      window.Plotly.purge(plot.box)
      plot.made = plot.zoomed = false
    }
  }
}

function drawOne(view, plot) {
  const full = plot.box.layout
  const range = plot.made && full.xaxis?.autorange !== true && plot.zoomed ? full.xaxis.range : null
  window.Plotly.react(plot.box, plot.tag === "ap" ? apTraces(view) : lossTraces(view, plot.tag, range),
    layout(view, plot), { displayModeBar: false, doubleClick: "reset", showTips: false })
  if (plot.made) return
  plot.made = true
  // a zoom shows the detail that was decimated away
  plot.box.on("plotly_relayout", (change) => {
    if (!Object.keys(change).some((key) => key.startsWith("xaxis"))) return
    plot.zoomed = !change["xaxis.autorange"]
    drawOne(view, plot)
  })
}

function lossTraces(view, tag, range) {
  const { train, val } = view.theme
  const own = view.rows["train/" + tag] ?? { x: [], y: [] }
  const hover = "%{y:.4g}"
  return [
    { ...decimate(own, range), mode: "lines", line: { color: train, width: 1 }, opacity: 0.3, hoverinfo: "skip" },
    { ...decimate(smooth(own), range), mode: "lines", name: "training", hovertemplate: hover,
      line: { color: train, width: 2 } },
    { ...(view.rows["val/" + tag] ?? { x: [], y: [] }), mode: "lines+markers", name: "validation",
      hovertemplate: hover, line: { color: val, width: 1.5 }, marker: { color: val, size: 7, symbol: "diamond" },
      cliponaxis: false },
  ]
}

function apTraces(view) {
  const { val, gray } = view.theme
  const { x, y } = view.rows["val/AP"] ?? { x: [], y: [] }
  const perEpoch = view.info.steps / view.info.epochs || 1
  const epochs = x.map((step) => step / perEpoch)
  const base = view.info.baseline_ap == null ? null : 100 * view.info.baseline_ap
  return [
    { x: base == null ? [] : [0, view.info.epochs || 1], y: base == null ? [] : [base, base], mode: "lines",
      name: "untouched", hovertemplate: "%{y:.1f}", line: { color: gray, width: 1.5, dash: "dash" } },
    { x: epochs, y: y.map((v) => (v == null ? null : 100 * v)), mode: "lines+markers", name: "AP",
      hovertemplate: "%{y:.1f}", line: { color: val, width: 2 }, marker: { color: val, size: 8, symbol: "diamond" },
      cliponaxis: false },
  ]
}

function layout(view, plot) {
  const { text, line, back, font } = view.theme
  const ap = plot.tag === "ap"
  const end = ap ? view.info.epochs : view.info.steps
  const axis = { gridcolor: line, linecolor: line, zeroline: false, tickfont: { size: 11 }, automargin: false }
  return {
    uirevision: view.run, showlegend: false, dragmode: "zoom", hovermode: "x unified", autosize: true,
    margin: { l: 42, r: 10, t: 6, b: 26 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: font, color: text, size: 12 },
    hoverlabel: { bgcolor: back, bordercolor: line, font: { family: font, color: text, size: 12 } },
    // the whole run is laid out from the start, so that the axis does not creep
    xaxis: { ...axis, showgrid: false, ...(end ? { range: [-0.02 * end, 1.02 * end] } : {}),
      ...(ap ? { dtick: end > 12 ? undefined : 1 } : {}), title: undefined },
    yaxis: { ...axis, rangemode: ap ? "tozero" : "normal", nticks: ap ? 8 : 5 },
  }
}

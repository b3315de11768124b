// Draws the curves of the tab in sight; appended to curves.js. `Plotly.react` with a `uirevision` keeps the user's zoom.

const POINTS = 1000 // drawn per curve at most

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
  const { plots, rows } = view.tab
  const kept = plots.map((plot) => plot.spec.tags(rows).map((tag) => rows[tag]).filter(Boolean))
  const counts = kept.map((curves) => curves.reduce((n, { x }) => n + x.length, 0))
  const changes = kept.map((curves) => curves.reduce((n, curve) => n + curve.changes, 0))
  // a machine without a GPU has nothing to say of one; the plots that remain share its place
  const hidden = plots.map(({ spec }, i) => Boolean(spec.optional && !counts[i] && (counts.some(Boolean) || i)))
  const moved = plots.some((plot, i) => plot.figure.hidden !== hidden[i])
  plots.forEach((plot, i) => { plot.figure.hidden = hidden[i] })
  if (moved) resize(view)
  plots.forEach((plot, i) => {
    plot.empty.textContent = counts[i] ? "" : view.live ? "Waiting for the first figures …" : "Nothing was recorded."
    if (changes[i] === plot.drawn && !themed) return
    plot.drawn = changes[i]
    if (counts[i]) {
      drawOne(view, plot)
      if (plot.spec.after) plot.spec.after(view, view.tab)
    } else if (plot.made) {
      window.Plotly.purge(plot.box)
      plot.made = plot.zoomed = false
    }
  })
}

function drawOne(view, plot) {
  const full = plot.box.layout
  const range = plot.made && full.xaxis?.autorange !== true && plot.zoomed ? full.xaxis.range : null
  const traces = plot.spec.traces(view, view.tab.rows, range)
  window.Plotly.react(plot.box, traces, layout(view, plot, traces),
    { displayModeBar: false, doubleClick: "reset", showTips: false })
  if (plot.made) return
  plot.made = true
  // a zoom shows the detail that was decimated away
  plot.box.on("plotly_relayout", (change) => {
    if (!Object.keys(change).some((key) => key.startsWith("xaxis"))) return
    plot.zoomed = !change["xaxis.autorange"]
    drawOne(view, plot)
  })
}

function layout(view, { spec }, traces) {
  const { text, line, back, font } = view.theme
  const end = spec.byEpoch ? view.info.epochs : view.info.steps
  const axis = { gridcolor: line, linecolor: line, zeroline: false, tickfont: { size: 11 }, automargin: false }
  return {
    uirevision: view.run, showlegend: false, dragmode: "zoom", hovermode: spec.closest ? "closest" : "x unified",
    autosize: true, margin: { l: 42, r: 10, t: 6, b: 26 }, paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)", font: { family: font, color: text, size: 12 },
    hoverlabel: { bgcolor: back, bordercolor: line, font: { family: font, color: text, size: 12 } },
    // the whole run is laid out from the start, so that the axis does not creep
    xaxis: { ...axis, showgrid: false, ...(end ? { range: [-0.02 * end, 1.02 * end] } : {}),
      ...(spec.byEpoch ? { dtick: end > 12 ? undefined : 1 } : {}), title: undefined },
    yaxis: { ...axis, rangemode: spec.fromZero ? "tozero" : "normal", nticks: spec.byEpoch ? 8 : 5,
      ...(spec.log ? decades(traces) : {}) },
  }
}

/** A logarithmic axis that shows each curve's highest thousandth, not the endless way of a cosine down to 0. */
function decades(traces) {
  const tops = traces.map(({ y }) => Math.max(...y.filter((value) => value > 0))).filter((top) => top > 0)
  const lows = traces.flatMap(({ y }) => y.filter((value) => value > 0))
  if (!tops.length) return { type: "log" }
  const low = Math.max(lows.reduce((a, b) => Math.min(a, b)), Math.min(...tops) / 1000)
  const range = [Math.log10(low) - 0.15, Math.log10(Math.max(...tops)) + 0.15]
  return { type: "log", range, autorange: false, dtick: range[1] - range[0] > 1.5 ? 1 : "D2", exponentformat: "power" }
}

function showLegend(view) {
  if (!view.theme) return
  const { train } = view.theme
  const keys = view.tab.spec.legend(view, view.tab)
  const signature = JSON.stringify([keys, train, view.tab.spec.key])
  if (view.legendShown === signature) return
  view.legendShown = signature
  view.legend.replaceChildren()
  for (const { kind, color, dash, words } of keys) {
    const item = element("span", "dl-item", "", view.legend)
    if (kind !== "none") {
      const key = element("i", "dl-key" + (kind ? " dl-" + kind : ""), "", item)
      key.setAttribute("aria-hidden", "true")
      key.style.color = color ?? train
      if (dash) key.style.borderTopStyle = { solid: "solid", dash: "dashed", dot: "dotted" }[dash]
    }
    element("span", "", words, item)
  }
  element("span", "dl-hint", "Drag to zoom, double-click to see all.", view.legend)
}

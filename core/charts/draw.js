// Draws a core.charts.chart.Chart with Plotly for a theme, and saves it as CSV and PNG. Plain declarations, appended to other
// scripts. `chart` is what draw.py's `to_json` writes, parsed. Into an element, with Plotly loaded before:
//
//   const { data, layout } = resolve(chart, theme)
//   Plotly.react(box, data, layout, CONFIG)   // again after a change of chart or theme: the user's zoom stays
//
// `box` has a width and, as its height, `chart.height` pixels. `theme` is { text, gray, line, back, good, bad: colours,
// as #rrggbb, so that heat maps keep their text readable; font: a CSS font family; colors: the six of "@1" to "@6" }.
//
// Names come from files, and Plotly takes some of HTML for markup: nothing in a chart is markup but the tags of KEPT in
// the templates, and line breaks ("\n" or <br>) everywhere. Names belong into text, x, y or customdata, which templates
// show by %{…}, never into a template itself.

const CONFIG = { displayModeBar: false, doubleClick: "reset", showTips: false, responsive: false }
const TEMPLATES = new Set(["hovertemplate", "texttemplate"])
const KEPT = /<(?!(?:br|\/?b|\/?i|\/?extra)>)/g
const TEXT = /<(?!br>)/g
const CONTRAST = 4.5 // of text on a heat map's cells, as WCAG asks
const LONGEST = 32 // characters of a name on an axis or in a legend
const SIGNED = ",>+" // Plotly spoils a format that begins with "+" by a "~" before it, but none with a fill
const AXIS = /^[xy]axis\d*$/

/** Plotly's traces and layout, with the theme's colours and nothing of a name taken for markup or a number. */
function resolve({ traces, layout, key }, theme) {
  const colors = tokens(theme)
  const data = filled(traces.map(shortNamed), "", colors).map((trace) => withErrors(withBar(trace, theme), theme))
  const own = filled(layout, "", colors), merged = merge(themedLayout(own, data, key, theme), own)
  for (const [name, axis] of Object.entries(merged)) if (AXIS.test(name)) nameCategories(axis, name, traces, own)
  return { data, layout: merged }
}

function tokens(theme) {
  const { text, gray, line, back, good, bad, colors } = theme
  const [strong, best, worst] = [colors[0], good, bad].map((color) => underText(color, theme))
  const found = { "@text": text, "@grey": gray, "@line": line, "@back": back, "@good": good, "@bad": bad,
    "@scale": [[0, back], [1, strong]], "@diverging": [[0, worst], [0.5, back], [1, best]] }
  colors.forEach((color, i) => { found["@" + (i + 1)] = color })
  return found
}

/** As much of a colour, over the background, as leaves text on it readable: that of a heat map's cells. */
function underText(color, { back, text }) {
  if (![color, back, text].every((hex) => /^#[0-9a-f]{6}$/i.test(hex))) return color
  const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
  const [from, to, ink] = [back, color, text].map(parse)
  for (let share = 1; share > 0; share -= 0.02) {
    const mixed = from.map((value, i) => Math.round(value + share * (to[i] - value)))
    if (contrast(mixed, ink) >= CONTRAST) return `rgb(${mixed.join(",")})`
  }
  return back
}

/** WCAG 2's contrast ratio of two colours, 1 to 21. */
function contrast(one, other) {
  const linear = (value) => (value <= 10 ? value / 3295 : ((value / 255 + 0.055) / 1.055) ** 2.4)
  const [dark, light] = [one, other].map((color) => color.map(linear))
    .map(([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue).sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

/** A copy with the colours' names replaced, where a colour stands, and every other text made plain. */
function filled(value, key, colors) {
  if (typeof value === "string") {
    if (/color/i.test(key)) return colors[value] ?? value
    if (key.endsWith("format")) return value.replace(/^\+/, SIGNED)
    const text = TEMPLATES.has(key) ? plainText(value, KEPT).replace(/(?<=%\{[^}:]+:)\+/g, SIGNED) : plainText(value)
    return key === "title" ? { text } : text
  }
  if (Array.isArray(value)) return value.map((entry) => filled(entry, key, colors))
  if (!value || typeof value !== "object") return value
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, filled(entry, name, colors)]))
}

function plainText(text, markup = TEXT) {
  return text.replaceAll("&", "&amp;").replace(markup, "&lt;").replaceAll("\n", "<br>")
}

/** The lower one of two nested objects, with everything that the upper one says. */
function merge(lower, upper) {
  const out = { ...lower }
  for (const [name, value] of Object.entries(upper)) {
    const both = isObject(value) && isObject(out[name])
    out[name] = both ? merge(out[name], value) : value
  }
  return out
}

const isObject = (value) => Boolean(value) && typeof value === "object" && !Array.isArray(value)

function themedLayout(own, data, key, { text, line, back, font }) {
  const axis = { gridcolor: line, linecolor: line, zeroline: false, zerolinecolor: line, automargin: true, ticks: "",
    showgrid: !data.some(({ type }) => type === "heatmap"), tickfont: { size: 11 },
    title: { font: { size: 12 }, standoff: 8 } }
  const axes = ["xaxis", "yaxis", ...Object.keys(own).filter((name) => AXIS.test(name))]
  return {
    ...Object.fromEntries(axes.map((name) => [name, { ...axis }])),
    uirevision: key, autosize: true, hovermode: "closest", dragmode: "zoom", margin: { l: 8, r: 12, t: 10, b: 8 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: font, color: text, size: 12 },
    hoverlabel: { bgcolor: back, bordercolor: line, namelength: -1, align: "left",
      font: { family: font, color: text, size: 12 } },
    showlegend: data.filter(({ name, showlegend }) => name && showlegend !== false).length > 1,
    legend: { orientation: "h", x: 0, y: 1, xanchor: "left", yanchor: "bottom", bgcolor: "rgba(0,0,0,0)",
      font: { size: 11 } },
  }
}

/** A heat map with its scale's bar as plain as the axes, and with thin lines between cells that are large enough. */
function withBar(trace, { font, text }) {
  if (trace.type !== "heatmap") return trace
  const bar = { outlinewidth: 0, thickness: 10, len: 1, tickfont: { size: 11, family: font, color: text } }
  const gap = trace.z.length > 30 ? 0 : 1
  const own = { xgap: gap, ygap: gap, hoverongaps: false, textfont: { color: text } }
  return { ...merge(own, trace), colorbar: merge(bar, trace.colorbar ?? {}) }
}

/** Error bars in the text's colour unless they have one: Plotly's own is dark on any ground. */
function withErrors(trace, { text }) {
  const bars = ["error_x", "error_y"].filter((name) => isObject(trace[name]))
  return { ...trace, ...Object.fromEntries(bars.map((name) => [name, { color: text, ...trace[name] }])) }
}

const short = (text) => (text.length > LONGEST ? text.slice(0, LONGEST - 1) + "…" : text)
const shortNamed = (trace) => (trace.name ? { ...trace, name: short(String(trace.name)) } : trace)

/** Texts on an axis are categories, so that classes named 1 and 10 are no numbers; a very long one is cut short. */
function nameCategories(axis, name, traces, own) {
  const letter = name[0], id = letter + name.slice(5)
  const here = traces.filter((trace) => (trace[letter + "axis"] ?? letter) === id)
  const texts = here.flatMap((trace) => trace[letter] ?? []).filter((value) => typeof value === "string")
  if (!texts.length) return
  axis.type ??= "category"
  if (letter === "x") axis.showgrid = Boolean(own[name]?.showgrid) // a line through the middle of a bar tells nothing
  const long = texts.filter((text) => text.length > LONGEST)
  axis.labelalias ??= Object.fromEntries(long.map((text) => [plainText(text), plainText(short(text))]))
}

// --- what can be opened, and what can be saved -------------------------------------------------------------------

/** The `customdata` of the point that Plotly's event names, if it is an object: what a click on it opens. */
function targetOf({ traces }, { curveNumber, pointNumber }) {
  const found = [pointNumber].flat().reduce((list, i) => list?.[i], traces[curveNumber]?.customdata)
  return isObject(found) ? found : null
}

/** What each row of the chart opens, null for nothing: rows and points belong together by order, if as many. */
function targetsOfRows({ traces, rows }) {
  const points = traces.map(({ customdata, z }) => (Array.isArray(customdata) ? customdata.flat(z ? 1 : 0) : []))
  const asMany = [points.flat(), ...points].find((list) => list.length === rows.length && list.some(isObject))
  return rows.map((row, i) => (isObject(asMany?.[i]) ? asMany[i] : null))
}

function toCsv(columns, rows) {
  const cell = (value) => {
    const text = value == null ? "" : String(value)
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return [columns, ...rows].map((row) => row.map(cell).join(",") + "\n").join("")
}

function saveCsv({ key, columns, rows }) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([toCsv(columns, rows)], { type: "text/csv" }))
  link.download = key + ".csv"
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

/** Saves the chart as it is in `box`, at twice the pixels, with its title and on how much it rests. */
function savePng(chart, theme, box) {
  // a picture is drawn without the page's own fonts
  const { data, layout } = resolve(chart, { ...theme, font: "Helvetica, Arial, sans-serif" })
  const title = { text: plainText(chart.title), subtitle: { text: plainText(chart.caption) }, automargin: true,
    font: { size: 15 }, xref: "container", x: 0, yref: "container", y: 1, yanchor: "top", pad: { t: 12, b: 10, l: 12 } }
  const figure = { data, layout: { ...layout, title, paper_bgcolor: theme.back }, config: CONFIG }
  return window.Plotly.downloadImage(figure, { format: "png", scale: 2, filename: chart.key,
    width: Math.max(480, box.clientWidth), height: chart.height + 60 })
}

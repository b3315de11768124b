// Draws a core.charts.chart.Chart with Plotly for a theme, and saves it as CSV and PNG. `chart` is what to_json.py's
// `to_json` writes, parsed. Into an element, with Plotly loaded before:
//
//   const { data, layout } = resolve(chart, theme)
//   Plotly.react(box, data, layout, CONFIG)   // again after a change of chart or theme: the user's zoom stays
//
// `box` has a width and, as its height, `chart.height` pixels; its place has `chart.area`. The module imports nothing: the
// report has it inside.
//
// Names come from files, and Plotly takes some of HTML for markup: nothing in a chart is markup but the tags of KEPT in
// the templates, and line breaks ("\n" or <br>) everywhere. Names belong into text, x, y or customdata, which templates
// show by %{…}, never into a template itself.

/**
 * The colours of a page, as #rrggbb, so that heat maps keep their text readable; `font` is a CSS font family, `colors`
 * are the six of "@1" to "@6".
 * @typedef {{ text: string, gray: string, line: string, back: string, good: string, bad: string, font: string,
 *   colors: string[] }} Theme
 */

/** @typedef {Record<string, any>} Json an object as it came from JSON: of a trace, an axis, a layout */

/**
 * @typedef {{ key: string, title: string, note: string, caption: string, few: boolean, click: string, height: number,
 *   area: number, traces: Json[], layout: Json, columns: string[], rows: unknown[][] }} Chart
 */

export const CONFIG = { displayModeBar: false, doubleClick: "reset", showTips: false, responsive: false }
const TEMPLATES = new Set(["hovertemplate", "texttemplate"])
const KEPT = /<(?!(?:br|\/?b|\/?i|\/?extra)>)/g
const TEXT = /<(?!br>)/g
const CONTRAST = 4.5 // of text on a heat map's cells, as WCAG asks
const LONGEST = 32 // characters of a name on an axis or in a legend
const SIGNED = ",>+" // Plotly spoils a format that begins with "+" by a "~" before it, but none with a fill
const AXIS = /^[xy]axis\d*$/

/**
 * Return Plotly's traces and layout, with the theme's colours and nothing of a name taken for markup or a number.
 * @param {Pick<Chart, "traces" | "layout" | "key">} chart
 * @param {Theme} theme
 * @returns {{ data: Json[], layout: Json }}
 */
export function resolve({ traces, layout, key }, theme) {
  const colors = namedColors(theme)
  const data = resolveValue(traces.map(withShortName), "", colors)
    .map((/** @type {Json} */ trace) => withErrorBars(withColorBar(trace, theme), theme))
  const given = resolveValue(layout, "", colors), merged = merge(themedLayout(given, data, key, theme), given)
  for (const [name, axis] of Object.entries(merged)) if (AXIS.test(name)) nameCategories(axis, name, traces, given)
  return { data, layout: merged }
}

// --- colours -----------------------------------------------------------------------------------------------------

/**
 * Return what each name of a colour stands for: a colour, or a scale of several.
 * @param {Theme} theme
 * @returns {Json}
 */
function namedColors(theme) {
  const { text, gray, line, back, good, bad, colors } = theme
  const [strong, best, worst] = [colors[0], good, bad].map((color) => underText(color, theme))
  /** @type {Json} */
  const named = { "@text": text, "@grey": gray, "@line": line, "@back": back, "@good": good, "@bad": bad,
    "@scale": [[0, back], [1, strong]], "@diverging": [[0, worst], [0.5, back], [1, best]] }
  colors.forEach((color, i) => { named["@" + (i + 1)] = color })
  return named
}

/**
 * Return as much of a colour, over the background, as leaves text on it readable: that of a heat map's cells.
 * @param {string} color
 * @param {Theme} theme
 */
function underText(color, { back, text }) {
  if (![color, back, text].every((hex) => /^#[0-9a-f]{6}$/i.test(hex))) return color
  const [from, to, ink] = [back, color, text].map(parseHex)
  for (let share = 1; share > 0; share -= 0.02) {
    const mixed = mix(from, to, share)
    if (contrast(mixed, ink) >= CONTRAST) return `rgb(${mixed.join(",")})`
  }
  return back
}

/**
 * Return red, green and blue of a colour, 0 to 255.
 * @param {string} hex as #rrggbb
 */
export function parseHex(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16))
}

/**
 * Return the colour that lies at `share`, 0 to 1, between two.
 * @param {number[]} from red, green and blue
 * @param {number[]} to
 * @param {number} share
 */
export function mix(from, to, share) {
  return from.map((value, i) => Math.round(value + share * (to[i] - value)))
}

/**
 * Return WCAG 2's contrast ratio of two colours, 1 to 21.
 * @param {number[]} one red, green and blue
 * @param {number[]} other
 */
function contrast(one, other) {
  const linear = (/** @type {number} */ value) =>
    (value <= 10 ? value / 3295 : ((value / 255 + 0.055) / 1.055) ** 2.4)
  const [dark, light] = [one, other].map((color) => color.map(linear))
    .map(([red, green, blue]) => 0.2126 * red + 0.7152 * green + 0.0722 * blue).sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

// --- text --------------------------------------------------------------------------------------------------------

/**
 * Return a copy with the colours' names replaced, where a colour stands, and every other text made plain.
 * @param {any} value
 * @param {string} key under which it stands
 * @param {Json} colors
 * @returns {any}
 */
function resolveValue(value, key, colors) {
  if (typeof value === "string") {
    if (/color/i.test(key)) return colors[value] ?? value
    if (key.endsWith("format")) return value.replace(/^\+/, SIGNED)
    const text = TEMPLATES.has(key) ? plainText(value, KEPT).replace(/(?<=%\{[^}:]+:)\+/g, SIGNED) : plainText(value)
    return key === "title" ? { text } : text
  }
  if (Array.isArray(value)) return value.map((entry) => resolveValue(entry, key, colors))
  if (!value || typeof value !== "object") return value
  return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, resolveValue(entry, name, colors)]))
}

/**
 * Return a text in which Plotly finds no markup but line breaks.
 * @param {string} text
 * @param {RegExp} markup what is none
 */
function plainText(text, markup = TEXT) {
  return escapeMarkup(text, markup).replaceAll("\n", "<br>")
}

/**
 * Return a text in which Plotly finds no markup.
 * @param {string} text
 * @param {RegExp} markup what is escaped
 */
export function escapeMarkup(text, markup = /</g) {
  return text.replaceAll("&", "&amp;").replace(markup, "&lt;")
}

const short = (/** @type {string} */ text) => (text.length > LONGEST ? text.slice(0, LONGEST - 1) + "…" : text)
const withShortName = (/** @type {Json} */ trace) =>
  (trace.name ? { ...trace, name: short(String(trace.name)) } : trace)

// --- layout ------------------------------------------------------------------------------------------------------

/**
 * Return the lower one of two nested objects, with everything that the upper one says.
 * @param {Json} lower
 * @param {Json} upper
 */
function merge(lower, upper) {
  const merged = { ...lower }
  for (const [name, value] of Object.entries(upper)) {
    const areBoth = isObject(value) && isObject(merged[name])
    merged[name] = areBoth ? merge(merged[name], value) : value
  }
  return merged
}

/**
 * Check whether a value is an object, and no list.
 * @param {any} value
 */
export const isObject = (value) => Boolean(value) && typeof value === "object" && !Array.isArray(value)

/**
 * Return the layout that a chart has where it says nothing itself.
 * @param {Json} given the chart's own
 * @param {Json[]} data
 * @param {string} key
 * @param {Theme} theme
 */
function themedLayout(given, data, key, { text, line, back, font }) {
  const axis = { gridcolor: line, linecolor: line, zeroline: false, zerolinecolor: line, automargin: true, ticks: "",
    showgrid: !data.some(({ type }) => type === "heatmap"), tickfont: { size: 11 },
    title: { font: { size: 12 }, standoff: 8 } }
  const axes = ["xaxis", "yaxis", ...Object.keys(given).filter((name) => AXIS.test(name))]
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

/**
 * Return a heat map with its scale's bar as plain as the axes, and thin lines between cells that are large enough.
 * @param {Json} trace any; another than a heat map stays
 * @param {Theme} theme
 */
function withColorBar(trace, { font, text }) {
  if (trace.type !== "heatmap") return trace
  const bar = { outlinewidth: 0, thickness: 10, len: 1, tickfont: { size: 11, family: font, color: text } }
  const gap = trace.z.length > 30 ? 0 : 1
  const defaults = { xgap: gap, ygap: gap, hoverongaps: false, textfont: { color: text } }
  return { ...merge(defaults, trace), colorbar: merge(bar, trace.colorbar ?? {}) }
}

/**
 * Return a trace whose error bars have the text's colour unless they have one: Plotly's own is dark on any ground.
 * @param {Json} trace
 * @param {Theme} theme
 */
function withErrorBars(trace, { text }) {
  const bars = ["error_x", "error_y"].filter((name) => isObject(trace[name]))
  return { ...trace, ...Object.fromEntries(bars.map((name) => [name, { color: text, ...trace[name] }])) }
}

/**
 * Make texts on an axis categories, so that classes named 1 and 10 are no numbers; a very long one is cut short.
 * @param {Json} axis
 * @param {string} name "xaxis", "yaxis2"
 * @param {Json[]} traces
 * @param {Json} given the chart's own layout
 */
function nameCategories(axis, name, traces, given) {
  const letter = name[0], id = letter + name.slice(5)
  const onAxis = traces.filter((trace) => (trace[letter + "axis"] ?? letter) === id)
  const texts = onAxis.flatMap((trace) => trace[letter] ?? []).filter((value) => typeof value === "string")
  if (!texts.length) return
  axis.type ??= "category"
  if (letter === "x") axis.showgrid = Boolean(given[name]?.showgrid) // a line through the middle of a bar tells nothing
  const long = texts.filter((text) => text.length > LONGEST)
  axis.labelalias ??= Object.fromEntries(long.map((text) => /** @type {const} */ ([plainText(text),
    plainText(short(text))])))
}

// --- saving -------------------------------------------------------------------------------------------------------

// what begins a formula in some spreadsheet, and what begins so and is a number: as core/wording.py has them
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|^[-+]?(inf|nan)$/

/**
 * Return rows as CSV with a head; a text that a spreadsheet would take for a formula begins with an apostrophe.
 * @param {string[]} columns
 * @param {unknown[][]} rows
 */
function toCsv(columns, rows) {
  const cell = (/** @type {unknown} */ value) => {
    const isFormula = typeof value === "string" && FORMULA.test(value) && !NUMBER.test(value)
    const text = value === null || value === undefined ? "" : (isFormula ? "'" : "") + value
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return [columns, ...rows].map((row) => row.map(cell).join(",") + "\n").join("")
}

/**
 * Save the rows of a chart.
 * @param {Chart} chart
 */
export function saveCsv({ key, columns, rows }) {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(new Blob([toCsv(columns, rows)], { type: "text/csv" }))
  link.download = key + ".csv"
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

/**
 * Save the chart as it is in `box`, at twice the pixels, with its title and on how much it rests.
 * @param {Chart} chart
 * @param {Theme} theme
 * @param {HTMLElement} box
 */
export function savePng(chart, theme, box) {
  // a picture is drawn without the page's own fonts
  const { data, layout } = resolve(chart, { ...theme, font: "Helvetica, Arial, sans-serif" })
  const title = { text: plainText(chart.title), subtitle: { text: plainText(chart.caption) }, automargin: true,
    font: { size: 15 }, xref: "container", x: 0, yref: "container", y: 1, yanchor: "top", pad: { t: 12, b: 10, l: 12 } }
  const figure = { data, layout: { ...layout, title, paper_bgcolor: theme.back }, config: CONFIG }
  return window.Plotly.downloadImage(figure, { format: "png", scale: 2, filename: chart.key,
    width: Math.max(480, box.clientWidth), height: chart.height + 60 })
}

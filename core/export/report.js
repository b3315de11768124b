// Draws the report's charts, in the theme of the reader's system and, on paper, in the light one. Appended to draw.js.

const charts = JSON.parse(document.getElementById("charts").textContent)
const figures = [...document.querySelectorAll(".chart")]
const plots = figures.map((figure) => figure.querySelector(".plot"))
const root = document.documentElement

function readTheme() {
  const get = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim()
  const theme = { font: getComputedStyle(root).fontFamily, colors: [1, 2, 3, 4, 5, 6].map((i) => get("series-" + i)) }
  for (const name of ["text", "gray", "line", "back", "good", "bad"]) theme[name] = get(name)
  return theme
}

function drawOne(i, theme) {
  const { data, layout } = resolve(charts[i], theme)
  window.Plotly.newPlot(plots[i], data, layout, CONFIG) // `react` would leave the legend where another width had it
}

/** All at once: paper does not wait. */
function drawAll() {
  const theme = readTheme()
  for (const i of plots.keys()) drawOne(i, theme)
}

async function drawInTurn() {
  for (const i of plots.keys()) {
    drawOne(i, readTheme())
    await new Promise((next) => setTimeout(next))
  }
  const resizer = new ResizeObserver((entries) => {
    for (const { target } of entries) if (target.clientWidth) window.Plotly.Plots.resize(target)
  })
  for (const plot of plots) resizer.observe(plot)
  root.dataset.drawn = String(plots.length)
}

figures.forEach((figure, i) => {
  figure.querySelector("[data-save=csv]").onclick = () => saveCsv(charts[i])
  figure.querySelector("[data-save=png]").onclick = () => savePng(charts[i], readTheme(), plots[i])
})
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll)
// what is drawn for a screen is too wide for a sheet and, in the dark theme, too bright for it
addEventListener("beforeprint", () => { root.classList.add("paper"); drawAll() })
addEventListener("afterprint", () => { root.classList.remove("paper"); drawAll() })
drawInTurn()

// Loads plotly.js once for the page, when the first curve or chart is drawn. Appended to curves.js and to chart.js.

function loadPlotly() {
  window.detrLabPlotly ??= window.Plotly ? Promise.resolve() : new Promise((done, fail) => {
    const script = element("script")
    script.src = "/api/plotly.js"
    script.onload = done
    script.onerror = () => { window.detrLabPlotly = undefined; fail(new Error("plotly.js did not load")) }
    document.head.append(script)
  })
  return window.detrLabPlotly
}

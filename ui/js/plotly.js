// Loads Plotly for the page, once it is needed.
import { element } from "./element.js"

/**
 * Load Plotly once for the page, when the first curve or chart is drawn; it is `window.Plotly` then.
 * @returns {Promise<unknown>}
 */
export function loadPlotly() {
  window.detrLabPlotly ??= window.Plotly ? Promise.resolve() : new Promise((done, fail) => {
    const script = element("script")
    script.src = "/api/plotly.js"
    script.onload = done
    script.onerror = () => { window.detrLabPlotly = undefined; fail(new Error("plotly.js did not load")) }
    document.head.append(script)
  })
  return window.detrLabPlotly
}

// The theme that Streamlit gives its components, as CSS variables.
/** @import { Theme } from "../../core/charts/draw.js" */

/**
 * Return the colours and the font that hold at an element now.
 * @param {Element} root
 * @returns {Theme}
 */
export function readTheme(root) {
  const style = getComputedStyle(root)
  const get = (/** @type {string} */ name) => style.getPropertyValue(name).trim()
  return { text: get("--st-text-color"), line: get("--st-border-color"), back: get("--st-background-color"),
    gray: get("--st-gray-color"), good: get("--st-green-color"), bad: get("--st-red-color"),
    font: get("--st-font") || "sans-serif",
    colors: get("--st-chart-categorical-colors").split(",").map((color) => color.trim()) }
}

/**
 * Say of the whole page whether it is light or dark: Streamlit says it of the app alone, not of popovers and dialogs.
 */
export function spreadScheme() {
  const app = document.querySelector(".stApp")
  if (app) document.documentElement.style.colorScheme = getComputedStyle(app).colorScheme
}

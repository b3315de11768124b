// The page on paper: components draw all that they have, in the light colours of ui/assets/page.css, as wide as paper.

export const PAPER = 640 // pixels that every paper and margin has room for

const root = document.documentElement
/** @type {Set<(isPrinting: boolean) => void>} */
const listeners = new Set()
let isPrinting = false

/**
 * Call a function before the page is printed (true) and after it (false), at once and without waiting: what it draws later
 * is not on the paper. Return a function that takes it back.
 * @param {(isPrinting: boolean) => void} act
 */
export function onPrint(act) {
  listeners.add(act)
  return () => listeners.delete(act)
}

/**
 * Turn to paper, or back to the screen.
 * @param {boolean} toPaper
 */
function turn(toPaper) {
  if (isPrinting === toPaper) return
  isPrinting = toPaper
  const app = document.querySelector(".stApp")
  const isDark = toPaper && app !== null && getComputedStyle(app).colorScheme.includes("dark")
  root.classList.toggle("dl-paper-dark", isDark) // what only a picture shows, as Streamlit's tables, is turned round
  root.classList.toggle("dl-paper", toPaper)
  for (const act of listeners) act(toPaper)
}

addEventListener("beforeprint", () => turn(true))
addEventListener("afterprint", () => turn(false))
matchMedia("print").addEventListener("change", (event) => turn(event.matches)) // a browser's preview of the print styles

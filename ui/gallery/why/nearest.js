// Why an object was missed: which queries came nearest to it, and what they say.
import { button, element, tableBody } from "../../js/element.js"
import { drawRects } from "./on_picture.js"
/** @import { Canvas, NearQuery } from "./types" */

/**
 * Show the nearest queries, each of which can be asked why it is where it is.
 * @param {Element} root
 * @param {Canvas} canvas
 * @param {NearQuery[]} near the nearest first
 * @param {string} name the object's class
 * @param {(host: HTMLElement, query: number) => void} ask shows the answer about a query below
 */
export function showNearest(root, canvas, near, name, ask) {
  element("h3", "", "The nearest queries", root)
  element("p", "fine", nearWords(near[0], name), root)
  const body = tableBody("why-table", ["Query", "IoU", name, "Says", "No object"], root)
  const shapes = drawRects(canvas, near.toReversed(), true).shapes.toReversed() // the nearest above the others
  const below = element("div", "why-root")
  near.forEach((one, i) => {
    const says = `${one.class} ${one.class_score.toFixed(2)}`
    const row = element("tr", "", "", body), first = element("td", "", "", row)
    for (const words of [one.iou.toFixed(2), one.score.toFixed(2), says, one.no_object?.toFixed(2) ?? "–"]) {
      element("td", "", words, row)
    }
    const asked = button("turn why-ask", `${one.query}`, `Why query ${one.query} is where it is`, first, () => {
      for (const other of body.children) other.classList.toggle("chosen", other === row)
      ask(below, one.query)
    })
    row.onclick = (event) => { if (event.target !== asked) asked.click() }
    row.onmouseenter = () => shapes[i].classList.add("out")
    row.onmouseleave = () => shapes[i].classList.remove("out")
  })
  const words = `Those whose boxes overlap the object most; “${name}” is the score that they give its class. `
  element("p", "fine", `${words}Choose one to see what it looked at.`, root).after(below)
}

/**
 * Return why the object was missed, as far as the nearest query tells.
 * @param {NearQuery | undefined} first
 * @param {string} name
 */
function nearWords(first, name) {
  if (!first) return "The model has no queries."
  if (first.iou < 0.5) {
    return `No query has its box here: the nearest, ${first.query}, overlaps it with IoU ${first.iou.toFixed(2)}.`
  }
  const who = `Query ${first.query} has its box here (IoU ${first.iou.toFixed(2)})`
  if ((first.no_object ?? 0) > first.class_score) return `${who}, but says that there is no object.`
  if (first.class !== name) return `${who}, but takes it for another class: ${first.class}.`
  return `${who} and knows its class, with a score of ${first.class_score.toFixed(2)}.`
}

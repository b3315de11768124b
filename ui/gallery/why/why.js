// Why this box? What one query of the model looked at, what it says, and how its box came about, layer by layer; or
// which queries came nearest to an object that was missed. In the large view: words in its side column, a heat map and
// boxes over its picture. Answers come from ui/gallery/why_route.py, whose form core/inference/worker.py tells.
import { element } from "../../js/element.js"
import { showNearest } from "./nearest.js"
import { clearPicture } from "./on_picture.js"
import { showQuery } from "./query.js"
/** @import { Answer, Canvas, Chooser, Question } from "./types" */

const PATIENCE = 200 // ms: an answer that comes sooner follows without a word between

/**
 * Show the answer to a question in `host`, its heat map and boxes on the picture.
 * @param {Chooser} view keeps which map was last chosen
 * @param {Element} host
 * @param {Canvas} canvas
 * @param {Question} question
 */
export async function showWhy(view, host, canvas, question) {
  const root = element("div", "why-root")
  host.replaceChildren(root)
  await fill(view, root, canvas, question.url, question)
}

/**
 * Let the process that answers load a model.
 * @param {string} url "/api/why/RUN/MODEL"
 * @param {string} token of the page
 */
export function warmWhy(url, token) {
  const [run, model] = url.split("/").slice(-2)
  ask(`/api/why/warm?run=${run}&model=${model}`, token).catch(() => {})
}

/**
 * Fetch an answer and show it, unless another question has been asked in this place meanwhile.
 * @param {Chooser} view
 * @param {HTMLElement} root
 * @param {Canvas} canvas
 * @param {string} url
 * @param {Question} question what the user asked; of a missed object `url` may be about one of the nearest queries
 */
async function fill(view, root, canvas, url, question) {
  root.dataset.url = url
  const isAsked = () => root.isConnected && root.dataset.url === url // else another box was chosen meanwhile
  const waiting = setTimeout(() => {
    if (!isAsked()) return
    root.replaceChildren()
    element("p", "fine why-waiting", "Asking the model …", root).setAttribute("role", "status")
  }, PATIENCE)
  const answer = await fetchAnswer(url, question.token)
  clearTimeout(waiting)
  if (!isAsked()) return
  clearPicture(canvas)
  root.replaceChildren()
  const { item } = question
  if (answer.error !== undefined) {
    element("p", "why-error", answer.error, root).setAttribute("role", "alert")
  } else if (answer.near) {
    showNearest(root, canvas, answer.near, item.class, (host, query) =>
      fill(view, host, canvas, question.url.replace(/\?.*/, `?query=${query}`), question))
  } else {
    showQuery(view, root, canvas, answer, !item.prediction) // the gallery draws a prediction's box
  }
}

/**
 * Return the app's answer; that there is none is one, too.
 * @param {string} url
 * @param {string} token
 * @returns {Promise<Answer>}
 */
async function fetchAnswer(url, token) {
  try {
    return await (await ask(url, token)).json()
  } catch {
    return { error: "The app does not answer: is it still running?" }
  }
}

/**
 * Send a request that only the app's own pages may send.
 * @param {string} url
 * @param {string} token
 */
function ask(url, token) {
  return fetch(url, { method: "POST", headers: { "X-DETR-Lab-Token": token } })
}

// Where a click on a chart leads: comes into sight when `asked` has risen, and does nothing at the first look.
import { makeComponent } from "../js/component.js"

/** @typedef {{ asked: number }} Data how often it was clicked */

export default makeComponent({
  root: ".dl-here",
  make: (root) => ({ root, asked: /** @type {number | null} */ (null) }),
  signature: (/** @type {Data} */ { asked }) => String(asked),
  take: (view, { asked }) => {
    if (view.asked !== null && asked > view.asked) view.root.scrollIntoView({ behavior: "smooth", block: "start" })
    view.asked = asked
  },
})

// The keys, and the list of them that `?` shows.

const KEYS = [
  ["← →", "previous, next image; over the end, the next page"],
  ["Enter", "the image that has the focus in large"],
  ["f", "the image under the pointer in large; there, full size and back"],
  ["+ − 0", "in large: nearer, further, whole"],
  ["g", "ground truth on, off"],
  ["p", "predictions on, off"],
  ["l", "labels on, off"],
  ["e", "only errors"],
  ["m", "mark the image"],
  ["Tab", "in large: from box to box in the table; Enter chooses one"],
  ["w", "why this box?"],
  ["Esc", "close"],
  ["?", "this list"],
]

function makeHelp(view) {
  const help = element("dialog", "help", "", view.root)
  help.setAttribute("aria-label", "Keys")
  element("h2", "", "Keys", help)
  const list = element("dl", "", "", help)
  for (const [key, words] of KEYS) {
    element("kbd", "", key, element("dt", "", "", list))
    element("dd", "", words, list)
  }
  button("turn", "Close", "", help, () => help.close())
  help.onclick = (event) => { if (event.target === help) help.close() }
  view.help = help
}

function onKey(view, event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented || !view.data) return
  const target = event.composedPath()[0]
  if (target instanceof Element && target.closest("input:not([type=checkbox], [type=range]), textarea, select, [contenteditable]")) return
  if (view.help.open) return
  const inLarge = view.open !== null
  if (!inLarge && document.querySelector("[role=dialog]")) return // Streamlit's own
  if (!inLarge && !isInSight(view)) return
  if (act(view, event.key, inLarge, target)) event.preventDefault()
}

/** A page may have two galleries, or one in a tab that is closed. */
function isInSight({ root }) {
  const { width, top, bottom } = root.getBoundingClientRect()
  return width > 0 && bottom > 0 && top < innerHeight
}

/** Does what the key says; tells whether it says anything. */
function act(view, key, inLarge, target) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[key]
  if (step) return turn(view, step, inLarge, target)
  if (inLarge && { "+": 1, "=": 1, "-": 1, 0: 1 }[key]) return zoomKey(view, key)
  const letter = TOGGLES.find(([, , , own]) => own === key)
  if (letter && isOffered(view, letter[0])) toggle(view, letter[0])
  else if (key === "?") view.help.showModal()
  else if (key === "m") markKey(view, inLarge)
  else if (key === "f") fullKey(view, inLarge)
  else if (key === "w" && inLarge) askWhy(view)
  else return false
  return true
}

function turn(view, step, inLarge, target) {
  const own = "[type=range], [role]:not(dialog):not([role=group]):not([role=region]):not([role=navigation])" // what has a use for arrows itself
  if (target instanceof Element && target.closest(own)) return false
  if (inLarge) { turnLarge(view, step); return true }
  const { page, pages } = view.data
  const focused = view.root.getRootNode().activeElement
  const next = view.cells.findIndex(({ cell }) => cell === focused) + step
  if (focused?.classList.contains("cell") && view.cells[next]) view.cells[next].cell.focus()
  else if (view.data.layout === "frames") scrub(view, view.at + step)
  else if (page + step >= 1 && page + step <= pages) view.tell("turn", step)
  return true
}

/** The image that a key means: the one in large, that with the focus, or that under the pointer. */
function meant(view, inLarge) {
  if (inLarge) return view.open
  const focused = view.root.getRootNode().activeElement
  const index = view.cells.findIndex(({ cell }) => cell === focused)
  return index >= 0 ? index : view.hovered
}

function markKey(view, inLarge) {
  const index = meant(view, inLarge)
  if (index !== null) toggleMark(view, view.cells[index].image)
}

function fullKey(view, inLarge) {
  if (inLarge) return fullSize(view)
  const index = meant(view, false) ?? (view.cells.length ? 0 : null)
  if (index !== null) openLarge(view, index)
}

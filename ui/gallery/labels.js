// The words at boxes: class, score and kind of error, where they cover little.

const MOST_NAMED = 4 // in a thumbnail, where words hide what they are about
const FEW = 3 // so many predictions are named whether right or wrong

function labelText(item, named) {
  if (!named && item.error === null && item.mark !== "mark-crowd") return ""
  return item.prediction ? `${item.class} ${item.score.toFixed(2).replace(/^0/, "")}` : item.class
}

/** Errors first, then by score; each takes the first free place at its box. In a thumbnail one without is left out. */
function makeLabels(view, layer, shown, large) {
  const { width, height, part } = layer
  const char = large ? 6.7 : 5.6, tall = large ? 18 : 14
  const all = large || view.data.plain
  const few = shown.filter((item) => item.prediction && !item.dim).length <= FEW
  const taken = [], labels = []
  const order = shown.filter((item) => !item.dim).sort((a, b) =>
    (b.error !== null) - (a.error !== null) || (b.score ?? 0.5) - (a.score ?? 0.5))
  for (const item of order) {
    if (!all && labels.length >= MOST_NAMED) break
    const text = labelText(item, all || view.data.bare || item.prediction && few) // bare: there are no errors to name
    if (!text) continue
    const wide = Math.min(width, text.length * char + (item.short ? item.short.length * char + 7 : 0) + 9)
    const [left, right] = [item.x1, item.x2].map((x) => ((x - part.x) / part.w) * width)
    const [top, bottom] = [item.y1, item.y2].map((y) => ((y - part.y) / part.h) * height)
    if (right < 0 || left > width || bottom < 0 || top > height) continue
    const rows = item.prediction ? [top - tall, top, bottom - tall, bottom] : [bottom, bottom - tall, top, top - tall]
    const spots = rows.flatMap((y) => [[left, y], [right - wide, y]])
      .map(([x, y]) => [Math.max(0, Math.min(x, width - wide)), Math.max(0, Math.min(y, height - tall))])
    const free = spots.find(([x, y]) => !taken.some((o) =>
      x < o.x + o.w && o.x < x + wide && y < o.y + tall && o.y < y + tall))
    if (!free && !large) continue
    const [x, y] = free ?? spots[0]
    taken.push({ x, y, w: wide })
    labels.push(makeLabel(item, text, x, y, view.data.layout === "over" && item.prediction && !item.model))
  }
  return labels
}

function makeLabel(item, text, x, y, isBefore) {
  const label = element("span", `label ${isBefore ? "of-before" : item.prediction ? "of-prediction" : "of-truth"}`)
  element("span", "", text, label)
  if (item.short) element("b", "", item.short, label)
  label.style.transform = `translate(${x}px, ${y}px)`
  return label
}

// The line with the run's status and place, its progress bar and the figures above the curves; appended to curves.js.

const GLYPHS = { queued: "◌", starting: "◌", running: "●", finished: "✓", stopped: "■", failed: "✕", interrupted: "!" }
const CARDS = [["base", "AP, untouched model"], ["now", "AP now"], ["best", "Best AP"], ["speed", "Images per second"],
  ["left", "Time left"]]

function makeHead(view) {
  const head = element("div", "dl-head", "", view.root)
  view.chip = element("span", "dl-chip", "", head)
  view.chip.setAttribute("role", "status")
  view.place = element("span", "dl-place", "", head)
  view.doing = element("span", "dl-note", "", head)
  view.note = element("span", "dl-note", "", head)
  view.alert = element("button", "dl-alert", "", head)
  view.alert.type = "button"
  view.bar = element("div", "dl-bar", "", view.root)
  view.bar.setAttribute("role", "progressbar")
  view.bar.setAttribute("aria-label", "Progress of the training")
  element("i", "", "", view.bar)
  const cards = element("div", "dl-cards", "", view.root)
  view.cards = Object.fromEntries(CARDS.map(([key, label]) => [key, makeCard(label, cards)]))
}

function makeCard(label, parent) {
  const card = element("div", "dl-card", "", parent)
  element("span", "dl-label", label, card)
  const line = element("span", "dl-line", "", card)
  return { value: element("b", "", "–", line), more: element("span", "dl-more", "", line) }
}

const asAP = (value) => (value == null ? "–" : (100 * value).toFixed(1))
const whole = (value) => (value ?? 0).toLocaleString("en")

function duration(seconds) {
  if (seconds == null) return "–"
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}

/** Where the run is. Its `epoch` counts those that are done; an evaluation belongs to the epoch that ended. */
function place(run) {
  if (!run.steps) return ""
  const steps = `step ${whole(run.step)} of ${whole(run.steps)}`
  const evaluates = run.live && (run.message ?? "").startsWith("Evaluating")
  if (evaluates && !run.epoch) return `Untouched model · ${steps}`
  const epoch = run.live && !evaluates && run.step < run.steps ? run.epoch + 1 : run.epoch
  return `Epoch ${epoch} of ${run.epochs} · ${steps}`
}

/** How an AP differs from the untouched model's, in words for the reader and a sign for the colour. */
function gain(value, base) {
  if (value == null || base == null) return { sign: "", text: "" }
  const points = 100 * (value - base)
  const sign = Math.abs(points) < 0.05 ? "same" : points < 0 ? "down" : "up"
  return { sign, text: { same: "±", down: "▼ −", up: "▲ +" }[sign] + Math.abs(points).toFixed(1) }
}

function showInfo(view) {
  const run = view.info
  const chip = `${GLYPHS[run.status] ?? "●"} ${run.label}`
  if (view.chip.textContent !== chip) view.chip.textContent = chip
  view.chip.dataset.status = run.status
  view.place.textContent = place(run)
  // failed and interrupted runs have their sentence above, on the page
  view.doing.textContent = run.live || run.status === "stopped" ? run.message ?? "" : ""
  view.doing.title = view.doing.textContent
  const share = run.steps ? Math.min(1, run.step / run.steps) : 0
  view.bar.firstChild.style.width = `${100 * share}%`
  view.bar.setAttribute("aria-valuenow", String(Math.round(100 * share)))
  view.bar.dataset.status = run.status
  const { base, now, best, speed, left } = view.cards
  base.value.textContent = asAP(run.baseline_ap)
  now.value.textContent = asAP(run.ap)
  const { sign, text } = gain(run.ap, run.baseline_ap)
  now.more.textContent = text
  now.more.dataset.sign = sign
  best.value.textContent = asAP(run.best_ap)
  best.more.textContent = run.best_epoch ? `epoch ${run.best_epoch}` : ""
  speed.value.textContent = run.images_per_second ? run.images_per_second.toFixed(1) : "–"
  left.value.textContent = run.live ? duration(run.seconds_left) : "–"
}

// Epochs: a scrubber with a play button over the curves of the same run, for a page of images and for one in large.

const PLAY_SECONDS = 0.9 // an epoch
const CURVES = [["AP", "AP", 100, 1], ["loss_ce", "loss_ce", 1, 3], ["loss_bbox", "loss_bbox", 1, 3]] // key, label, times, digits

/** Above the grid: of every frame of the page. */
function makeScrubber(view, parent) {
  const made = makeScrub(parent, (at) => scrub(view, at))
  made.root.hidden = true
  return made
}

/** After a new page: which epoch is shown. A new epoch of a live run does not move the place, unless it was the end. */
function takeFrames(view, before) {
  const { frames, layout } = view.data
  const isFrames = layout === "frames" && frames?.length > 0
  view.scrubber.root.hidden = !isFrames
  if (!isFrames) { stopPlaying(view); view.at = 0; return }
  const old = before?.frames?.[view.at]?.epoch
  const wasLast = !before?.frames || view.at >= before.frames.length - 1
  const same = frames.findIndex((frame) => frame.epoch === old)
  view.at = wasLast || same < 0 ? frames.length - 1 : same
  setScrub(view.scrubber, frames, view.data.models.map((model) => model.label))
  showScrub(view.scrubber, view.at)
}

function scrub(view, at) {
  const { frames } = view.data
  if (!frames || at < 0 || at >= frames.length) return
  view.at = at
  view.large.stamp = ""
  showScrub(view.scrubber, at)
  refresh(view)
}

function stopPlaying(view) {
  stopScrub(view.scrubber)
  stopScrub(view.large?.scrub)
}

/** In large: the image's boxes at every epoch of which they are kept. */
function askEpochs(view, image) {
  const { large, data } = view
  large.epochs.replaceChildren()
  stopScrub(large.scrub)
  large.scrub = null
  if (data.layout === "frames") { // the same epochs as the page
    large.scrub = makeScrub(large.epochs, (at) => scrub(view, at))
    setScrub(large.scrub, data.frames, data.models.map((model) => model.label))
    return
  }
  const url = data.layout === "one" || !data.layout ? data.models[0].boxes : null
  if (!url) return
  fetch(`${url}/${image.id}`).then((answer) => (answer.ok ? answer.json() : null)).then((kept) => {
    if (!kept || kept.models.length < 2 || large.shown !== image) return
    large.kept = { ...kept, boxes: [] }
    large.kept.at = kept.frames.findIndex((frame) => frame.epoch === data.models[0].epoch)
    large.scrub = makeScrub(large.epochs, (at) => {
      large.epoch = at === large.kept.at ? null : at // the page's own model can be asked why
      large.stamp = ""
      forgetWhy(view)
      refresh(view)
    })
    setScrub(large.scrub, kept.frames, kept.models.map((model) => model.label))
    refresh(view)
  }).catch(() => {}) // without them there is no scrubber
}

function showEpochs(view) {
  const { large } = view
  if (!large.scrub) return
  const isFrames = view.data.layout === "frames"
  const own = isFrames || large.kept.at < 0 ? null : large.kept.at
  showScrub(large.scrub, isFrames ? view.at : large.epoch ?? own)
}

// --- the control -----------------------------------------------------------------------------------------------

function makeScrub(parent, onmove) {
  const root = element("div", "scrub", "", parent)
  root.setAttribute("role", "group")
  root.setAttribute("aria-label", "Epochs")
  const made = { root, onmove, timer: null, at: 0 }
  made.play = button("turn play", "▶", "Play", root, () => (made.timer ? stopScrub(made) : playScrub(made)))
  made.slider = element("input", "", "", root)
  Object.assign(made.slider, { type: "range", min: 0, step: 1 })
  made.slider.setAttribute("aria-label", "Epoch")
  made.slider.oninput = () => { stopScrub(made); made.onmove(Number(made.slider.value)) }
  made.name = element("output", "epoch", "", root)
  made.curves = element("div", "scrub-curves", "", root)
  return made
}

function setScrub(made, frames, labels) {
  Object.assign(made, { frames, labels })
  made.slider.max = frames.length - 1
  made.plots = CURVES.filter(([key]) => frames.some((frame) => frame[key] != null)).map(([key, label, times, digits]) => {
    const values = frames.map((frame) => (frame[key] == null ? null : times * frame[key]))
    return { ...drawCurve(values, label), values, digits }
  })
  made.curves.replaceChildren(...made.plots.map((plot) => plot.root))
}

/** A line over the frames with a mark at one of them, 100 × 24. */
function drawCurve(values, label) {
  const root = element("figure", "scrub-curve")
  const caption = element("figcaption", "", "", root)
  element("span", "", label, caption)
  const number = element("b", "", "", caption)
  const svg = shape("svg", "", null)
  svg.setAttribute("viewBox", "0 0 100 24")
  svg.setAttribute("preserveAspectRatio", "none")
  svg.setAttribute("aria-hidden", "true")
  const known = values.filter((value) => value !== null)
  const low = Math.min(...known), span = Math.max(...known) - low || 1
  const place = (value, i) => [values.length > 1 ? (100 * i) / (values.length - 1) : 50, 21 - (18 * (value - low)) / span]
  const points = values.map((value, i) => (value === null ? null : place(value, i)))
  shape("path", "", svg).setAttribute("d", "M" + points.filter(Boolean).map((point) => point.join(" ")).join("L"))
  root.append(svg)
  const dot = element("i", "dot", "", root)
  return { root, number, points, dot }
}

function showScrub(made, at) {
  const frame = at === null ? null : made.frames[at]
  made.at = at ?? made.frames.length - 1
  made.slider.value = made.at
  made.name.textContent = frame ? made.labels[at] : "as on the page"
  made.slider.setAttribute("aria-valuetext", made.name.textContent)
  for (const { number, values, points, digits, dot } of made.plots) {
    const value = at === null ? null : values[at]
    number.textContent = value == null ? "–" : value.toFixed(digits)
    dot.hidden = value == null
    if (value != null) {
      dot.style.left = `${points[at][0]}%`
      dot.style.setProperty("--y", points[at][1] / 24)
    }
  }
}

function playScrub(made) {
  made.play.textContent = "❚❚"
  made.play.setAttribute("aria-label", "Pause")
  let at = made.at >= made.frames.length - 1 ? -1 : made.at
  const step = () => {
    at += 1
    made.onmove(at)
    if (at >= made.frames.length - 1) stopScrub(made)
  }
  made.timer = setInterval(step, 1000 * PLAY_SECONDS)
  step()
}

function stopScrub(made) {
  if (!made?.timer) return
  clearInterval(made.timer)
  made.timer = null
  made.play.textContent = "▶"
  made.play.setAttribute("aria-label", "Play")
}

// One image in large: its stage or stages, and beside them what is known of its boxes.

function makeLarge(view) {
  const large = element("dialog", "large", "", view.root)
  const head = element("header", "", "", large)
  const title = element("h2", "", "", head)
  const place = element("span", "place", "", head)
  const mark = button("turn mark-it", "☆ Mark", "", head, () => toggleMark(view, view.large.shown))
  mark.title = "Key m"
  button("turn", "−", "Further away", head, () => zoomKey(view, "-"))
  button("turn", "+", "Nearer", head, () => zoomKey(view, "+"))
  button("turn", "1:1", "Full size", head, () => fullSize(view))
  const previous = button("turn", "‹", "Previous image", head, () => turnLarge(view, -1))
  const next = button("turn", "›", "Next image", head, () => turnLarge(view, 1))
  button("turn", "✕", "Close", head, () => large.close())
  makeToolbar(view, large)
  const body = element("div", "body", "", large)
  const left = element("div", "left", "", body)
  const stages = element("div", "stages", "", left)
  const epochs = element("div", "epochs", "", left)
  const side = element("div", "side", "", body)
  large.onclick = (event) => { if (event.target === large) large.close() }
  large.onclose = () => closeLarge(view)
  view.place = { k: 1, x: 0.5, y: 0.5 }
  view.large = { large, title, place, mark, previous, next, holder: stages, epochs, stages: [], shown: null,
    chosen: null, ...makeSide(view, side) }
  new ResizeObserver(() => { if (view.open !== null) refresh(view) }).observe(stages)
}

function openLarge(view, index) {
  view.open = index
  view.large.shown = null
  if (!view.large.large.open) view.large.large.showModal()
  getReady(view)
  refresh(view)
}

/** By the time somebody asks why, the model is there; it needs some seconds the first time. */
function getReady(view) {
  const why = view.data.models.findLast((model) => model.why)?.why
  if (why) warmWhy(why)
  view.ready = why
}

function closeLarge(view) {
  if (view.open === null) return
  const cell = view.cells[view.open]
  view.open = null
  view.large.shown = null
  view.large.asked = false
  view.arriveAt = null // who closes it while the next page comes does not want it back
  stopScrub(view.large.scrub)
  if (view.large.large.open) view.large.large.close()
  cell?.cell.focus()
}

/** After a new page: the image stays open if it is there, with what was chosen and where it was zoomed to. */
function keepLarge(view) {
  const { large } = view
  const place = view.cells.findIndex(({ image }) => image.source === large.shown?.source && `${image.crop}` === `${large.shown.crop}`)
  if (place < 0) return closeLarge(view)
  view.open = place
  large.shown = view.cells[place].image
  large.stamp = ""
  tellPlace(view, large.shown)
  askEpochs(view, large.shown)
}

/** The next image of the page, or of the page after. */
function turnLarge(view, step) {
  const { page, pages, layout } = view.data
  const isOver = !view.cells[view.open + step]
  if (isOver && (layout === "frames" || page + step < 1 || page + step > pages)) return
  if (isOver) {
    if (view.arriveAt) return // it is on its way
    view.arriveAt = step > 0 ? "first" : "last"
    return view.tell("turn", step)
  }
  view.open += step
  refresh(view)
}

function showLarge(view) {
  const { large } = view
  const cell = view.cells[view.open]
  if (!cell) return closeLarge(view)
  if (large.shown !== cell.image) bringImage(view, cell)
  const marked = view.marked.has(cell.image.id)
  large.mark.hidden = !view.canMark
  large.mark.textContent = marked ? "★ Marked" : "☆ Mark"
  large.mark.setAttribute("aria-pressed", String(marked))
  const states = [], isFrames = view.data.layout === "frames"
  if (isFrames && large.chosen) large.chosen.model = view.at // a query keeps its number over the epochs
  for (const stage of large.stages) {
    if (isFrames) stage.models = [view.at]
    const judged = stage.models.map((m) => judge(view, boxesInLarge(view, cell, m), m))
    layStage(view, stage)
    const shown = shownItems(view, judged)
    for (const item of shown) item.dim = !inFilter(view.data.filter, item)
    stage.drawn = drawBoxes(stage.layer, shown, judged.length > 1)
    const own = chosenIn(view, stage) // once a box is chosen, only it and what belongs to it are named
    const named = own ? shown.filter((item) => item === own || areOne(item, own)) : shown
    stage.layer.labels.replaceChildren(...(view.show.labels ? makeLabels(view, stage.layer, named, true) : []))
    lightUp(view, stage)
    states.push(...judged)
  }
  showSide(view, states)
  showEpochs(view)
}

/** Another image than before. */
function bringImage(view, cell) {
  const { large, data } = view
  const { image } = cell
  large.shown = image
  large.chosen = null
  large.stamp = ""
  large.kept = null // its boxes at other epochs
  large.epoch = null
  view.place = { k: 1, x: 0.5, y: 0.5 }
  large.title.textContent = image.name
  large.large.setAttribute("aria-label", image.name)
  tellPlace(view, image)
  large.holder.replaceChildren()
  const isBeside = data.layout === "beside"
  large.stages = panesOf(view).map((models, i) =>
    makeStage(view, large.holder, image, models, isBeside ? data.models[i].label : ""))
  for (const stage of large.stages) {
    stage.root.onpointermove = (event) => hover(view, stage, event)
    stage.root.onpointerleave = () => pointAt(view, stage, null)
  }
  showTip(view, null)
  forgetWhy(view)
  if (image.lit) {
    const boxes = boxesOf(view, cell, panesOf(view).at(-1).at(-1))
    if (boxes.lit) large.chosen = { ...keyOf(boxes.lit), model: panesOf(view).at(-1).at(-1) }
  }
  askEpochs(view, image)
}

/** Where the image is among all, and whether there is one before and after it. */
function tellPlace({ large, data, open, cells }, image) {
  const number = (data.first + open).toLocaleString("en")
  large.place.textContent = `${image.w} × ${image.h} px · ${number} of ${data.total.toLocaleString("en")}`
  const isEnd = (step) => !cells[open + step] && (data.layout === "frames" || data.page + step < 1 || data.page + step > data.pages)
  large.previous.disabled = isEnd(-1)
  large.next.disabled = isEnd(1)
}

/** As in the grid, unless another epoch was chosen; a box in large is whole, not of a part. */
function boxesInLarge(view, cell, m) {
  const { kept, epoch } = view.large
  if (kept && epoch !== null) {
    kept.boxes[epoch] ??= unpack({ ...view.data, ...kept }, kept.models[epoch], 0, { ...cell.image, lit: null })
    return kept.boxes[epoch]
  }
  const boxes = boxesOf(view, cell, m)
  return { ...boxes, lit: null }
}

// --- a box under the pointer, and the chosen one ---------------------------------------------------------------

function keyOf(item) {
  return item.prediction ? { query: item.query } : { truth: item.id }
}

/** Of two models each has its own queries, but both have the same ground truth. */
function isKey(item, key) {
  return Boolean(key) && (item.prediction ? key.query === item.query && key.model === item.model : key.truth === item.id)
}

function hover(view, stage, event) {
  const item = itemAt(view, stage, event)
  if (stage.over !== item) pointAt(view, stage, item, event)
}

function pointAt(view, stage, item, event) {
  stage.over = item
  stage.root.style.cursor = item ? "pointer" : ""
  showTip(view, item, event)
  lightUp(view, stage)
}

/** The chosen box, if it is drawn on this stage: a prediction on its model's, a ground truth on every one. */
function chosenIn(view, stage) {
  return [...stage.drawn.keys()].find((item) => isKey(item, view.large.chosen)) ?? null
}

/** Brings out the chosen box, the one under the pointer, and what belongs to them. */
function lightUp(view, stage) {
  const own = chosenIn(view, stage)
  stage.layer.halo.classList.toggle("faded", Boolean(own))
  for (const [item, rect] of stage.drawn) {
    const lit = [own, stage.over, view.large.pointed].filter(Boolean)
    rect.classList.toggle("hot", lit.includes(item))
    rect.classList.toggle("partner", lit.some((one) => areOne(item, one)))
    rect.classList.toggle("faded", Boolean(own) && item !== own && !areOne(item, own) && !lit.includes(item))
  }
}

function choose(view, stage, item) {
  const same = item && isKey(item, view.large.chosen)
  view.large.chosen = item && !same ? { ...keyOf(item), model: item.model } : null
  view.large.stamp = ""
  if (!view.large.chosen) forgetWhy(view)
  refresh(view)
}

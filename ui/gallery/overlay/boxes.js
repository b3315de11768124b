// What a box is: from the columns of columns.py to items with a verdict at the sliders' score and IoU.
import { levelOf, takeLevel } from "./iou.js"
/** @import { Columns, Filter, Lit, Model, Page, Picture, PredictionColumns } from "../page" */
/** @import { Boxes, Cell, GivenPrediction, Item, Judged, Numbers, PredictionItem, TruthItem, View } from "../types" */

/**
 * Return the boxes of model `m` on a cell's image, made once.
 * @param {View} view
 * @param {Cell} cell
 * @param {number} m
 */
export function boxesOf(view, cell, m) {
  const kept = cell.boxes.get(m)
  if (kept) return kept
  const made = unpack(view.data, view.data.models[m], cell.index, cell.image)
  cell.boxes.set(m, made)
  return made
}

/**
 * Return the boxes of the image at place `index` among those of a model's columns. Scores are float32, written short.
 * @param {Page} data
 * @param {Model} model
 * @param {number} index
 * @param {Picture} image
 * @returns {Boxes}
 */
export function unpack(data, model, index, image) {
  /** @type {TruthItem[]} */
  const truths = []
  /** @type {PredictionItem[]} */
  const predictions = []
  const single = (/** @type {number | null} */ value) => (value === null ? null : Math.fround(value))
  for (const i of placesOf(model.truths, index)) {
    const { crowd, match, pointed, id } = model.truths
    const given = { match: single(match[i]), pointed: single(pointed[i]) }
    truths.push({ ...commonOf(data, model.truths, i), prediction: false, crowd: crowd[i], ...given, given, id: id[i],
      error: null, listed: null, mark: "", verdict: "", hint: "" })
  }
  for (const i of placesOf(model.predictions, index)) {
    const { score, query } = model.predictions, given = givenOf(data, model.predictions, i)
    predictions.push({ ...commonOf(data, model.predictions, i), prediction: true, score: Math.fround(score[i]),
      query: query[i], ...given, given, listed: given.error, mark: "mark-prediction", verdict: "", hint: "", short: "" })
  }
  const { lit } = image
  return { truths, predictions, level: -1, lit: lit && [...truths, ...predictions].find((item) => isLit(item, lit)) }
}

/**
 * Return what the columns say of prediction `i`, at IoU 0.5 and beyond.
 * @param {Page} data
 * @param {PredictionColumns} columns
 * @param {number} i
 * @returns {GivenPrediction}
 */
function givenOf({ bare }, { iou, error, crowd, gt, verdicts, moved }, i) {
  return { iou: iou[i], error: bare ? null : error[i], crowd: crowd[i], gt: gt[i], verdicts: verdicts[i],
    moved: moved[i] }
}

/**
 * Return what ground truths and predictions have in common, of box `i` of the columns.
 * @param {Page} data
 * @param {Columns} columns
 * @param {number} i
 */
function commonOf({ classes, sizes }, columns, i) {
  return { x1: columns.x1[i], y1: columns.y1[i], x2: columns.x2[i], y2: columns.y2[i], c: columns.class[i],
    s: columns.size[i], class: classes[columns.class[i]], size: sizes[columns.size[i]],
    chosen: columns.chosen ? columns.chosen[i] : true, dim: false, hidden: false, model: 0 }
}

/**
 * Return where the boxes of an image stand in the columns.
 * @param {Columns} columns
 * @param {number} index
 */
function placesOf(columns, index) {
  if (!columns.starts) {
    let start = 0
    columns.starts = columns.n.map((n) => { start += n; return start - n })
  }
  const first = columns.starts[index]
  return Array.from({ length: columns.n[index] }, (_, i) => first + i)
}

/**
 * Check whether a box is what a part of an image is about.
 * @param {Item} item
 * @param {Lit} lit
 */
export function isLit(item, [kind, id]) {
  return kind === "truth" ? !item.prediction && item.id === id : item.prediction && item.query === id
}

/**
 * Return the score from which the predictions of model `m` count: models that are compared may each have their own.
 * @param {View} view
 * @param {number} m
 */
export function scoreOf(view, m) {
  return view.score + (view.data.models[m].offset ?? 0)
}

/**
 * Return what counts at the sliders' score and IoU; sets the verdict of each box and whether it steps back or is hidden.
 * @param {View} view
 * @param {Boxes} boxes
 * @param {number} m the model
 * @returns {Judged}
 */
export function judge(view, boxes, m) {
  const { filter } = view.data
  const score = Math.fround(scoreOf(view, m)) // scores are float32
  const { truths, lit } = boxes
  takeLevel(view.data, boxes, levelOf(view.iou))
  for (const truth of truths) judgeTruth(view.data, truth, score)
  const count = countFrom(boxes.predictions, score)
  const predictions = boxes.predictions.slice(0, count)
  const wrong = new Set()
  for (const item of predictions) if (item.error !== null && item.gt !== null) wrong.add(item.gt)
  const all = { objects: 0, predictions: 0, errors: 0 }, selected = { ...all }
  for (const item of [...truths, ...predictions]) {
    const isSelected = inFilter(filter, item)
    addTo(all, item)
    if (isSelected) addTo(selected, item)
    item.dim = !isSelected || (lit ? item !== lit && !areOne(item, lit) : false)
    item.hidden = view.show.onlyErrors && item.error === null && (item.prediction || !wrong.has(item.id))
    item.model = m
  }
  return { truths, predictions, selected, all, count }
}

/**
 * Add a box, with its verdict, to the numbers of boxes.
 * @param {Numbers} numbers
 * @param {Item} item
 */
function addTo(numbers, item) {
  if (item.prediction) numbers.predictions += 1
  else numbers.objects += 1
  if (item.error !== null) numbers.errors += 1
}

/**
 * Set the verdict of a ground truth at a score.
 * @param {Page} data
 * @param {TruthItem} truth
 * @param {number} score
 */
function judgeTruth({ types, missed }, truth, score) {
  const isFound = truth.match !== null && truth.match >= score
  const isMissed = isMissedAt(truth, truth, score)
  truth.error = isMissed ? missed : null
  truth.listed = isMissedAt(truth, truth.given, score) ? missed : null
  truth.mark = truth.crowd ? "mark-crowd" : isMissed ? "mark-missed" : "mark-truth"
  truth.verdict = truth.crowd ? "Crowd" : isFound ? "Found" : isMissed ? types[missed]?.label : "Seen wrongly"
  truth.hint = truth.crowd ? "Many objects in one box: neither missed nor found."
    : isMissed ? types[missed]?.description
      : isFound ? "" : "A prediction points here, but with the wrong place or class."
}

/**
 * Check whether a ground truth is missed at a score.
 * @param {TruthItem} truth
 * @param {TruthItem["given"]} scores from which it is found, or pointed to
 * @param {number} score
 */
function isMissedAt({ crowd }, { match, pointed }, score) {
  return !crowd && !(match !== null && match >= score) && !(pointed !== null && pointed >= score)
}

/**
 * Return how many of the predictions, by falling score, reach a score.
 * @param {PredictionItem[]} predictions
 * @param {number} score
 */
function countFrom(predictions, score) {
  let low = 0, high = predictions.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (predictions[middle].score >= score) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Check whether one of the two is the object that the other, a prediction, found or points to.
 * @param {Item} a
 * @param {Item} b
 */
export function areOne(a, b) {
  return a.prediction !== b.prediction && (a.prediction ? a.gt === b.id : b.gt === a.id)
}

/**
 * Check whether the page is about some boxes of its images only.
 * @param {Page} data
 */
export function isFiltered({ filter: { classes, error, sizes }, models: [{ truths }] }) {
  return classes.length > 0 || sizes.length > 0 || error !== null || Boolean(truths.chosen || truths.total)
}

/**
 * Check whether the box belongs to what the page's filters ask for; as they, by its error at IoU 0.5.
 * @param {Filter} filter
 * @param {Item} item
 */
export function inFilter({ classes, error, sizes }, item) {
  return item.chosen && (!classes.length || classes.includes(item.c)) && (!sizes.length || sizes.includes(item.s))
    && (error === null || item.listed === error)
}

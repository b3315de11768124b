// What boxes are at another IoU than 0.5, from which a prediction finds an object: looked up, as the server matched them.
/** @import { Page } from "../page" */
/** @import { Boxes, PredictionItem } from "../types" */

export const LEAST = 0.5, MOST = 0.95, STEP = 0.05 // of the slider; the table, and so all filters, go by the least
const IN_CROWD = 1 // after the code "correct", which follows those of the error types

/**
 * Return the place of an IoU among those at which boxes were matched.
 * @param {number} iou
 */
export function levelOf(iou) {
  return Math.round((iou - LEAST) / STEP)
}

/**
 * Make boxes what they are at a level: each prediction's error, IoU and object, and from which score objects are found.
 * @param {Page} data
 * @param {Boxes} boxes
 * @param {number} level
 */
export function takeLevel(data, boxes, level) {
  if (boxes.level === level || data.plain || data.bare) return
  boxes.level = level
  for (const item of boxes.predictions) takeVerdict(data, item, level)
  for (const truth of boxes.truths) Object.assign(truth, level ? { match: null, pointed: null } : truth.given)
  if (!level) return
  const byId = new Map(boxes.truths.map((truth) => [truth.id, truth]))
  for (const item of boxes.predictions) { // by falling score: the first decides
    const truth = item.gt === null ? undefined : byId.get(item.gt)
    if (!truth) continue
    if (item.error === null && !item.crowd) truth.match ??= item.score
    else if (item.error !== null && data.types[item.error].points) truth.pointed ??= item.score
  }
}

/**
 * Set what a prediction is at a level.
 * @param {Page} data
 * @param {PredictionItem} item
 * @param {number} level
 */
function takeVerdict({ types }, item, level) {
  const { given } = item
  const code = Number(given.verdicts[level])
  const [gt, iou] = (level && given.moved?.[level]) || [given.gt, given.iou]
  Object.assign(item, { gt, iou }, level
    ? { error: code < types.length ? code : null, crowd: code === types.length + IN_CROWD }
    : { error: given.error, crowd: given.crowd })
  const type = item.error === null ? null : types[item.error]
  item.verdict = type ? type.label : item.crowd ? "In a crowd" : "Correct"
  item.hint = type ? hintAt(type.description, level) : ""
  item.short = type ? type.short : ""
}

/**
 * Return the description of an error type, which names the IoU 0.5, at a level.
 * @param {string} description
 * @param {number} level
 */
function hintAt(description, level) {
  return description.replace("0.1 to 0.5)", `0.1 to ${(LEAST + level * STEP).toFixed(2).replace(/0$/, "")})`)
}

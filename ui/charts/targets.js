// What a click on a chart opens: the `customdata` of its points, in the plot and in the table's rows.
import { isObject } from "../../core/charts/draw.js"
/** @import { Chart, Json } from "../../core/charts/draw.js" */

/**
 * Return the `customdata` of the point that Plotly's event names, if it is an object: what a click on it opens.
 * @param {Chart} chart
 * @param {{ curveNumber: number, pointNumber: number | number[] }} point
 * @returns {Json | null}
 */
export function targetOf({ traces }, { curveNumber, pointNumber }) {
  const target = [pointNumber].flat().reduce((list, i) => list?.[i], traces[curveNumber]?.customdata)
  return isObject(target) ? target : null
}

/**
 * Return what each row of the chart opens, null for nothing: rows and points belong together by order, if as many; or
 * rows and those points that open something.
 * @param {Chart} chart
 * @returns {(Json | null)[]}
 */
export function targetsOfRows({ traces, rows }) {
  const points = traces.map(({ customdata, z }) => (Array.isArray(customdata) ? customdata.flat(z ? 1 : 0) : []))
  const all = points.flat()
  const asMany = [all, ...points, all.filter(isObject)].find((list) => list.length === rows.length && list.some(isObject))
  return rows.map((_, i) => (isObject(asMany?.[i]) ? asMany?.[i] : null))
}

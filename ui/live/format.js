// Numbers of a run in words.

/**
 * Return an AP in percent.
 * @param {number | null | undefined} value
 */
export function asAP(value) {
  return value === null || value === undefined ? "–" : (100 * value).toFixed(1)
}

/**
 * Return a whole number with separators.
 * @param {number | null | undefined} value
 */
export function whole(value) {
  return (value ?? 0).toLocaleString("en")
}

/**
 * Return a time in two units at most.
 * @param {number | null} seconds
 */
export function duration(seconds) {
  if (seconds === null) return "–"
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}

/**
 * Return how an AP differs from the baseline's, in words for the reader and a sign for the colour.
 * @param {number | null | undefined} value
 * @param {number | null | undefined} base
 * @returns {{ sign: "" | "same" | "down" | "up", text: string }}
 */
export function gain(value, base) {
  if (value === null || value === undefined || base === null || base === undefined) return { sign: "", text: "" }
  const points = 100 * (value - base)
  const sign = Math.abs(points) < 0.05 ? "same" : points < 0 ? "down" : "up"
  return { sign, text: { same: "±", down: "▼ −", up: "▲ +" }[sign] + Math.abs(points).toFixed(1) }
}

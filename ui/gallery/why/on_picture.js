// What an answer draws on the picture: a heat map, and the boxes of layers or queries.
import { svgElement } from "../../js/element.js"
/** @import { Canvas, Corners, DrawnPath, Maps, PackedMap } from "./types" */

const LONGER_SIDE = 512 // pixels of the heat map
const COLOURS = [ // inferno (matplotlib), perceptually even: from dark over red to light yellow
  [0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50],
  [252, 255, 164]]
const BASE = 0.45 // of the opacity where nothing is looked at: darker, so that the rest shows on any picture

/**
 * Take everything that was drawn away.
 * @param {Canvas} canvas
 */
export function clearPicture({ heat, extra }) {
  heat.width = heat.height = 0
  extra.replaceChildren()
}

/**
 * Draw the boxes of earlier layers, thin and fading, and the way of their centres.
 * @param {Canvas} canvas
 * @param {{ box: Corners }[]} layers
 * @param {boolean} withLast whether nobody else draws the last box
 * @returns {DrawnPath}
 */
export function drawPath(canvas, layers, withLast) {
  const drawn = drawRects(canvas, layers, withLast)
  const points = layers.map(({ box }) => centreOf(box).join(",")).join(" ")
  for (const kind of ["why-way halo", "why-way"]) {
    svgElement("polyline", kind, canvas.extra).setAttribute("points", points)
  }
  return drawn
}

/**
 * Draw boxes, the later the stronger.
 * @param {Canvas} canvas
 * @param {{ box: Corners }[]} boxes
 * @param {boolean} withLast
 * @returns {DrawnPath}
 */
export function drawRects({ extra }, boxes, withLast) {
  const shapes = boxes.map(({ box: [x1, y1, x2, y2] }, i) => {
    const isLast = i === boxes.length - 1
    const rect = svgElement("rect", `why-box${isLast ? withLast ? " last" : " hidden" : ""}`, extra)
    const sides = { x: x1, y: y1, width: x2 - x1, height: y2 - y1 }
    for (const [key, value] of Object.entries(sides)) rect.setAttribute(key, String(value))
    rect.style.setProperty("--age", String((i + 1) / boxes.length))
    return rect
  })
  return { shapes, bringOut: (chosen) => shapes.forEach((rect, i) => rect.classList.toggle("out", i === chosen)) }
}

/**
 * Return the middle of a box.
 * @param {Corners} box
 */
export function centreOf([x1, y1, x2, y2]) {
  return [(x1 + x2) / 2, (y1 + y2) / 2]
}

/**
 * Return a packed map as numbers, row by row.
 * @param {Maps} maps
 * @param {PackedMap} map
 */
export function unpackHeat({ w, h }, { max, data }) {
  const bytes = atob(data)
  return Array.from({ length: w * h }, (_, i) => (bytes.charCodeAt(i) / 255) * max)
}

/**
 * Draw a map over the picture, bilinear between its cells' centres, light where it is highest.
 * @param {Canvas} canvas
 * @param {Maps} maps
 * @param {number[]} heat
 * @param {number} opacity
 */
export function drawHeat({ image, heat: canvas }, { w, h, cover }, heat, opacity) {
  const scale = LONGER_SIDE / Math.max(image.w, image.h)
  const width = canvas.width = Math.max(1, Math.round(image.w * scale))
  const height = canvas.height = Math.max(1, Math.round(image.h * scale))
  const most = Math.max(...heat) || 1
  const across = cellsUnder(width, image.w, cover[0], w), down = cellsUnder(height, image.h, cover[1], h)
  const pixels = new ImageData(width, height)
  for (let y = 0, at = 0; y < height; y++) {
    const [above, below, dy] = down[y]
    for (let x = 0; x < width; x++, at += 4) {
      const [left, right, dx] = across[x]
      const upper = heat[above * w + left] * (1 - dx) + heat[above * w + right] * dx
      const lower = heat[below * w + left] * (1 - dx) + heat[below * w + right] * dx
      const value = (upper * (1 - dy) + lower * dy) / most
      const place = value * (COLOURS.length - 1), low = Math.min(COLOURS.length - 2, Math.floor(place))
      for (let c = 0; c < 3; c++) {
        pixels.data[at + c] = COLOURS[low][c] + (COLOURS[low + 1][c] - COLOURS[low][c]) * (place - low)
      }
      pixels.data[at + 3] = 255 * opacity * (BASE + (1 - BASE) * value)
    }
  }
  canvas.getContext("2d")?.putImageData(pixels, 0, 0)
}

/**
 * Return for each pixel along a side of the image the two cells that it lies between, and how near the second is.
 * @param {number} pixels how many there are
 * @param {number} side of the image
 * @param {number} covered pixels of the image that the cells cover
 * @param {number} cells
 */
function cellsUnder(pixels, side, covered, cells) {
  return Array.from({ length: pixels }, (_, pixel) => {
    const at = ((pixel + 0.5) / pixels) * (side / covered) * cells - 0.5
    const low = Math.min(cells - 1, Math.max(0, Math.floor(at)))
    return [low, Math.min(cells - 1, low + 1), Math.min(1, Math.max(0, at - low))]
  })
}

// What "Why this box?" is answered with (core/inference/worker.py), and what its scripts hand to each other.
import type { Item, WhyChoice } from "../types"

export type Corners = [x1: number, y1: number, x2: number, y2: number]

/** A heat map: one byte a cell, base64, of which 255 stands for `max`. */
export interface PackedMap {
  max: number
  data: string
}

/** `w` × `h` cells that cover so many pixels of the original image, which may be more than it has. */
export interface Maps {
  w: number
  h: number
  cover: [width: number, height: number]
  sampled: boolean // at points, instead of everywhere
  tokens: boolean // whether the queries are tokens among the cells: `decoder` is then the encoder's own layers
  decoder: PackedMap[]
  encoder: PackedMap | null // null where the encoder has no attention
}

export interface LayerOutput {
  box: Corners
  class: string
  score: number
}

export interface QueryAnswer {
  query: number
  softmax: boolean
  classes: string[]
  probabilities: number[]
  note: string | null
  layers: LayerOutput[]
  maps: Maps
}

export interface NearQuery {
  query: number
  box: Corners
  iou: number
  score: number
  class: string
  class_score: number
  no_object: number | null
}

export type Answer = { error: string } | { error?: undefined, near: NearQuery[] }
  | ({ error?: undefined, near?: undefined } & QueryAnswer)

export interface Question {
  url: string
  item: Item
  token: string // of the page
}

/** What is kept of what was last chosen, for the next box. */
export interface Chooser {
  why?: WhyChoice
}

/** What an answer is drawn on. */
export interface Canvas {
  image: { w: number, h: number }
  heat: HTMLCanvasElement
  extra: SVGElement
}

/** The boxes of an answer on the picture, of which one is brought out. */
export interface DrawnPath {
  shapes: SVGRectElement[]
  bringOut: (chosen: number | null) => void
}

// What the gallery's scripts hand to each other; page.d.ts is what they get.
import type { MendParts, MendState } from "./mend/types"
import type { Model, Frame, Picture, Page } from "./page"

// --- boxes -----------------------------------------------------------------------------------------------------------

/** A box: where it is and what it is; its verdict, and what follows from it, at the sliders' score and IoU. */
interface AnyItem {
  x1: number
  y1: number
  x2: number
  y2: number
  c: number // index of the class
  s: number // index of the size
  class: string
  size: string
  chosen: boolean
  crowd: boolean
  error: number | null // index of the error type
  listed: number | null // the same at IoU 0.5, by which the page's filters and its table go
  mark: string
  verdict: string
  hint: string
  dim: boolean
  hidden: boolean
  model: number
}

export interface TruthItem extends AnyItem {
  prediction: false
  id: string
  match: number | null // the highest score of a prediction that found it
  pointed: number | null // the highest score of a localization or classification error that points to it
  given: { match: number | null, pointed: number | null } // at IoU 0.5
  score?: undefined
  iou?: undefined
  query?: undefined
  gt?: undefined
  short?: undefined
}

/** What a prediction is at IoU 0.5, and beyond: a digit of `verdicts`, and [gt, iou] of `moved`, for each IoU. */
export interface GivenPrediction {
  iou: number | null
  error: number | null
  crowd: boolean
  gt: string | null
  verdicts: string
  moved: [gt: string | null, iou: number | null][] | null
}

export interface PredictionItem extends AnyItem {
  prediction: true
  score: number
  iou: number | null
  query: number
  gt: string | null
  given: GivenPrediction
  short: string
  id?: undefined
}

export type Item = TruthItem | PredictionItem

/** A model's boxes on one image, predictions by falling score, at the IoU of `level`; `lit`: what a part is about. */
export interface Boxes {
  truths: TruthItem[]
  predictions: PredictionItem[]
  level: number
  lit?: Item | null
}

/** How many boxes there are of each kind; errors are among both. */
export interface Numbers {
  objects: number
  predictions: number
  errors: number
}

/** What of them counts at the slider's score: `all`, and of them those that the page's filters select. */
export interface Judged {
  truths: TruthItem[]
  predictions: PredictionItem[]
  selected: Numbers
  all: Numbers
  count: number
}

// --- on the page -----------------------------------------------------------------------------------------------------

export interface Part {
  x: number
  y: number
  w: number
  h: number
}

/** A box's line; what it shows is kept, so that only what is new is set. */
export interface BoxPath extends SVGPathElement {
  line?: string
  look?: string
}

/** What is drawn over a picture; `measured` is the view's `drawn` at which its size was read. */
export interface Layer {
  svg: SVGSVGElement
  halo: SVGPathElement
  boxes: SVGGElement
  extra: SVGGElement
  labels: HTMLSpanElement
  frame: HTMLElement
  part: Part
  width: number
  height: number
  measured: number
}

/** One picture of a cell, with the models whose boxes are on it. */
export interface Pane {
  models: number[]
  layer: Layer
  drawn: string | null
}

export interface Cell {
  image: Picture
  cell: HTMLButtonElement
  index: number
  near: boolean
  boxes: Map<number, Boxes>
  panes: Pane[]
  name: HTMLElement
  errors: HTMLElement
  captioned: string | null
}

export type ShowKey = "truths" | "predictions" | "labels" | "onlyErrors"

export interface Toolbar {
  root: HTMLElement
  checks: Record<string, HTMLInputElement>
  pair: HTMLElement
  slider: HTMLInputElement
  number: HTMLElement
  use: HTMLButtonElement
  iou: HTMLInputElement
  iouNumber: HTMLElement
  iouNote: HTMLElement
}

/** A curve over the frames; `points` lie on 100 × 24. */
export interface Sparkline {
  root: HTMLElement
  number: HTMLElement
  dot: HTMLElement
  points: ([number, number] | null)[]
  values: (number | null)[]
  digits: number
}

export interface Scrubber {
  root: HTMLElement
  play: HTMLButtonElement
  slider: HTMLInputElement
  name: HTMLElement
  curves: HTMLElement
  onmove: (at: number) => void
  timer: ReturnType<typeof setInterval> | null
  at: number
  frames: Frame[]
  labels: string[]
  plots: Sparkline[]
}

/** A picture in large; what the "Why?" answer is drawn on: `heat` and `extra`. */
export interface Stage {
  root: HTMLElement
  frame: HTMLElement
  picture: HTMLImageElement
  heat: HTMLCanvasElement
  extra: SVGGElement
  grips: SVGGElement // of the chosen label
  layer: Layer
  models: number[]
  image: Picture
  drawn: Map<Item, BoxPath>
  over: Item | null
  isSharp: boolean
}

/** The chosen box: of two models each has its own queries, but both have the same ground truth. */
export interface Chosen {
  query?: number
  truth?: string
  model: number
}

/** One image's boxes at every epoch of which they are kept; `at`: which of them is the page's own model, or -1. */
export interface Kept {
  models: Model[]
  frames: Frame[]
  boxes: Boxes[]
  at: number
}

export interface Large {
  large: HTMLDialogElement
  title: HTMLElement
  place: HTMLElement
  mark: HTMLButtonElement
  previous: HTMLButtonElement
  next: HTMLButtonElement
  holder: HTMLElement
  epochs: HTMLElement
  tip: HTMLElement
  tools: MendParts
  about: HTMLElement
  why: HTMLElement
  list: HTMLElement
  stages: Stage[]
  shown: Picture | null
  chosen: Chosen | null
  pointed: Item | null // the box of the row under the pointer
  item: Item | null // the chosen box, as it is now
  isAsked: boolean // "Why this box?" stays open from box to box
  answered: string | null // the address of the answer that is shown
  stamp: string // of what the side shows
  scrub: Scrubber | null
  kept: Kept | null
  epoch: number | null // index into `kept.models`; null: as on the page
}

/** Where the picture in large is: how many times larger than whole, and which point (0 to 1) is in the middle. */
export interface Place {
  k: number
  x: number
  y: number
}

export interface WhyChoice {
  map: number | "mean" | "encoder"
  opacity: number
}

/** A gallery on the page: what it shows, what the user has set, and its elements. */
export interface View {
  root: HTMLElement
  data: Page
  signature: string
  tell: (name: string, value: unknown) => void // to the page's Python
  token: string // for requests that start the process of the models
  refresh: () => void // draws what depends on the toolbar, with the next frame
  waiting: boolean
  canMark: boolean
  marked: Set<string>
  show: Record<ShowKey, boolean>
  score: number
  given: number // the page's own score, which the slider follows
  iou: number // from which a prediction finds an object
  givenIou: number // as the page last gave it, which the slider follows
  at: number // the frame that is shown
  cells: Cell[]
  bars: Toolbar[]
  scrubber: Scrubber
  grid: HTMLElement
  foot: HTMLElement
  help: HTMLDialogElement
  hovered: number | null // the cell under the pointer
  drawn: number // how often the grid's size has changed
  ready: string | null // the model that is being made ready for "Why?"
  open: number | null // the cell whose image is in large
  arriveAt: "first" | "last" | null // what the next page opens in large
  large: Large
  mend: MendState
  place: Place
  why?: WhyChoice
  onkey: (event: KeyboardEvent) => void
  resizer: ResizeObserver
  watcher: IntersectionObserver
}

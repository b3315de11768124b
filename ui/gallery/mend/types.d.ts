// Correcting labels: what labels_route.py answers, and what is kept of it.
import type { PredictionColumns, TruthColumns } from "../page"

/** An image's boxes after a correction, and how often it can be undone and redone. */
export interface MendAnswer {
  model: { truths: TruthColumns, predictions: PredictionColumns }
  undo: number
  redo: number
  id: string | null // of the label that was corrected
  error?: string
}

/** What all corrections of the labels change of the evaluation. */
export interface MendFigures {
  before: number | null
  after: number | null
  difference: number | null
  low: number | null
  high: number | null
  errors: [number, number]
  labels: number
  images: number
}

export type Sides = [x1: number, y1: number, x2: number, y2: number]

export interface MendState {
  undo: number | null // how often it can be undone; null: not known yet
  redo: number | null
  made: number // corrections that the page's Python does not know of
  figures: MendFigures | null
  asked: number
  timer: ReturnType<typeof setTimeout> | undefined
  message: string
  isDrawing: boolean
  band: Sides | null // the box that is being drawn
  className: string | null // of the next label that is drawn
  queue: Promise<unknown>
}

export interface MendParts {
  mend: HTMLElement
  accept: HTMLButtonElement
  own: HTMLButtonElement
  remove: HTMLButtonElement
  crowd: HTMLButtonElement
  draw: HTMLButtonElement
  undo: HTMLButtonElement
  redo: HTMLButtonElement
  classes: HTMLSelectElement
  gain: HTMLElement
  said: HTMLElement
}

// What the gallery gets from the server: component.py, columns.py and watch_route.py.

/** The boxes of a model's images, one image after the other, `n` of each. */
export interface Columns {
  n: number[]
  x1: number[]
  y1: number[]
  x2: number[]
  y2: number[]
  class: number[]
  size: number[]
  chosen?: boolean[]
  starts?: number[] // where each image's boxes begin; made here once it is needed
}

export interface TruthColumns extends Columns {
  total?: number[] // objects of each image, where those of some classes are not sent
  crowd: boolean[]
  match: (number | null)[]
  pointed: (number | null)[]
  id: string[] // as all ids: a number would be rounded beyond 2**53
}

export interface PredictionColumns extends Columns {
  score: number[]
  iou: (number | null)[]
  error: (number | null)[]
  crowd: boolean[]
  query: number[]
  gt: (string | null)[]
  verdicts: string[]
  moved: ([gt: string | null, iou: number | null][] | null)[]
}

export interface Model {
  label: string
  why?: string | null
  boxes?: string | null
  epoch?: number | null
  labels?: string | null // the route that corrects labels
  every?: string[] // the names of all classes that a label may get
  offset?: number // of its score from the slider's
  truths: TruthColumns
  predictions: PredictionColumns
}

export type CurveKey = "AP" | "loss_ce" | "loss_vfl" | "loss_mal" | "loss_bbox"
export type Frame = { epoch: number } & Partial<Record<CurveKey, number | null>>
export type Lit = [kind: "truth", id: string] | [kind: "query", query: number]
export type Layout = "one" | "beside" | "over" | "frames"

export interface Picture {
  id: string
  source: string
  name: string
  w: number
  h: number
  crop: [number, number, number, number] | null
  lit: Lit | null
}

export interface Filter {
  classes: number[]
  sizes: number[]
  error: number | null
}

/** One page of images; of a data set there is only ground truth (`plain`), of own pictures none (`bare`). */
export interface Page {
  page: number
  pages: number
  first: number
  total: number
  plain?: boolean
  bare?: boolean
  layout?: Layout
  score: number
  classes: string[]
  sizes: string[]
  missed: number
  types: { label: string, description: string, short: string, points: boolean }[]
  filter: Filter
  models: Model[]
  frames?: Frame[] | null
  images: Picture[]
  ahead?: Picture[]
  alike?: string // why it is not known which boxes are alike; "" where it is
}

export interface Data {
  signature: string
  page: string // a Page as JSON
  marked: string[] | null
  iou?: number // from which a prediction finds an object; 0.5
  token: string
}

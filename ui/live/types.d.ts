// What the live run's scripts hand to each other, and what /api/metrics answers (metrics_route.py).
import type { Json, Theme } from "../../core/charts/draw.js"

/** A curve as it is recorded: steps and values; NaN is null. `changes` tells whether it must be drawn anew. */
export interface Curve {
  x: number[]
  y: (number | null)[]
}

export interface Recorded extends Curve {
  changes: number
}

export type Rows = Record<string, Recorded>

/** What the page shows of a run besides its curves. */
export interface RunInfo {
  status: string
  label: string
  live: boolean
  clip: number | null
  epoch: number
  epochs: number
  step: number
  steps: number
  images_per_second: number | null
  seconds_left: number | null
  message: string | null
  baseline_ap: number | null
  ap: number | null
  best_ap: number | null
  best_epoch: number | null
}

/** A step of the start; `state` is "" for what is still to come. */
export interface StartStep {
  name: string
  state: "done" | "failed" | "now" | ""
  text: string
}

/** How far a run's start is; `picture` is the address of its first batch, `soon` whether it does not wait for others. */
export interface Start {
  steps: StartStep[]
  picture: string | null
  soon: boolean
}

export interface Remark {
  rule: string
  level: string
  title: string
  cause: string
  evidence: string
  advice: string
  step: number | null
  changes?: Record<string, string | number | boolean> // settings that the advice changes
}

export interface News {
  rows: Record<string, [steps: number[], values: (number | null)[]]>
  last: number
  run: RunInfo
  start: Start | null
  version: string
  busy: boolean
  remarks?: { mark: string, list: Remark[] }
}

/** A metric, or a family of which every class or decoder layer has one: see core/metrics.py. */
export interface Metric {
  tag: string
  label: string
  short: string
  unit: string
  scale: number
}

export interface MetricFamily {
  prefix: string
  label: string
}

export interface MetricGroup {
  key: string
  label: string
  metrics: Metric[]
  families: MetricFamily[]
}

export interface Loss {
  name: string
  short: string
  help: string
  optional: boolean // whether only some kinds of DETR have it
  train: Metric
  val: Metric
  layers: MetricFamily
  valLayers: MetricFamily
}

/** What is recorded, and which of it is drawn together; the first loss is the sum of the others. */
export interface Metrics {
  losses: Loss[]
  errors: Loss[]
  groups: Record<"losses" | "layers" | "matching" | "rates" | "machine" | "classes", MetricGroup>
  ap: Metric
  gradNorm: Metric
}

export interface Data {
  run: string
  version: string
  start: Start | null
  metrics: Metrics
}

export type LiveTheme = Theme & { train: string, val: string }
export type Range = [from: number, to: number] | null

/** A line of the legend; `kind` is how its sign looks, a plain line without one. */
export interface LegendItem {
  kind?: "raw" | "diamond" | "none"
  color?: string
  dash?: string
  words: string
}

/** A plot of a tab: `tags` are the curves that it draws, `traces` makes them. */
export interface PlotSpec {
  key: string
  title: string
  words: string
  help?: string // how it is measured, told at the title
  byEpoch?: boolean // else by step
  fromZero?: boolean
  log?: boolean
  closest?: boolean // points are told one by one, not all of a step
  optional?: boolean // not shown where nothing is recorded
  awaited?: boolean // but before anything of the tab is
  tags: (rows: Rows) => string[]
  traces: (view: View, rows: Rows, range: Range) => Json[]
  after?: (view: View, tab: Tab) => void
}

/** A tab: `key` is the group of curves that it asks the route for, `legend` says what their lines mean. */
export interface TabSpec {
  key: string
  label: string
  plots: PlotSpec[]
  legend: (view: View, tab: Tab) => LegendItem[]
  make?: (view: View, tab: Tab) => void
  clear?: (view: View, tab: Tab) => void
}

export interface Plot {
  spec: PlotSpec
  figure: HTMLElement
  box: PlotlyBox
  empty: HTMLElement
  drawn: number // the curves' changes that are drawn
  isMade: boolean
  isZoomed: boolean
}

/** The list of classes, of which some are marked and one is under the pointer; their tags begin with `prefix`. */
export interface ClassList {
  prefix: string
  list: HTMLElement
  marked: Set<string>
  hovered: string | null
  redraw: () => void
}

export interface Tab {
  spec: TabSpec
  rows: Rows
  last: number // the number of the last row that has come
  plots: Plot[]
  button: HTMLButtonElement
  panel: HTMLElement
  classes?: ClassList
}

export interface Card {
  value: HTMLElement
  more: HTMLElement
}

export type CardKey = "base" | "now" | "best" | "speed" | "left"

export interface Head {
  chip: HTMLElement
  place: HTMLElement
  doing: HTMLElement
  note: HTMLElement
  alert: HTMLButtonElement
  bar: HTMLElement
  filled: HTMLElement
  cards: Record<CardKey, Card>
}

/** The place of the start's steps, and of the first batch's picture. */
export interface StartPanel {
  section: HTMLElement
  list: HTMLElement
  picture: HTMLImageElement
  caption: HTMLElement
}

export interface Doctor {
  section: HTMLElement
  list: HTMLElement
  mark: string // of the remarks that are shown, by which the route knows whether there are others
}

/** A live run on the page. */
export interface View {
  root: HTMLElement
  run: string
  version: string // what the rest of the page shows of the run
  tell: (version: string) => void // runs the page again
  advise: (rule: string) => void // queues what a remark advises
  theme: LiveTheme
  info: RunInfo | null
  isLive: boolean
  isGone: boolean
  isPrinting: boolean
  head: Head
  start: StartPanel
  doctor: Doctor
  list: HTMLElement
  legend: HTMLElement
  legendShown?: string
  tabs: Tab[]
  tab: Tab // in sight
  turn: number // counts the questions: an answer to an older one is dropped
  isBusy: boolean
  fails: number
  timer?: ReturnType<typeof setTimeout>
  wake: () => void // asks for what is new
  resizer: ResizeObserver
}

// The points in time that a chart has values at, and answers laid upon them. What is missing stays missing. Pure.
import type { Sample } from '../api/prometheus'
import type { Span } from '../route/range'
import type { Terms } from './chart'

/** Seconds since the epoch; both ends are points. */
export interface Grid {
  readonly start: number
  readonly end: number
  readonly step: number
}

/** A value at each point; null where there is none. */
export type Column = readonly (number | null)[]

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** Steps that a reader counts in. */
const STEPS = [
  1, 2, 5, 10, 15, 20, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 20 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR,
]
/** One point each so many pixels at most. */
const PIXELS = 2
/** Even a narrow chart has so many. */
const POINTS_MIN = 60
/** A rate needs two samples, and two more may be late or missing. */
const SAMPLES = 4

/** Distance of the points, seconds: at most one each two pixels, and none between two samples. */
export function stepOf(length: number, width: number, interval: number): number {
  const least = Math.max(interval, length / Math.max(POINTS_MIN, Math.floor(width / PIXELS)))
  return STEPS.find((step) => step >= least - 1e-9) ?? Math.ceil(least / DAY) * DAY
}

/** Up to this step the newest value may be a step old; with longer ones nobody wants to wait so long for it. */
const FINE = MINUTE

/** The grid of a span (milliseconds) in a chart of so many pixels. It moves in jerks, so that values stay where they are meanwhile. */
export function gridOf(span: Span, width: number, interval: number): Grid {
  const step = stepOf((span.to - span.from) / 1000, width, interval)
  const jerk = step <= FINE ? step : Math.ceil(step / 10 / interval) * interval
  const end = Math.floor(span.to / 1000 / jerk) * jerk
  return { start: end - Math.max(0, Math.floor((end - span.from / 1000) / step + 1e-9)) * step, end, step }
}

/** Window of a rate, seconds: long enough for late samples, and no sample between two points is left out. */
export const windowOf = (step: number, interval: number): number => Math.max(SAMPLES * interval, step)

/** How long a sample counts for the points behind it, seconds: what stops coming is soon a gap. */
export const lookbackOf = (interval: number): number => SAMPLES * interval

/** How to ask on such a grid. */
export function termsOf(grid: Grid, interval: number): Terms {
  const window = `${windowOf(grid.step, interval)}s`
  const over = (name: string) => (selector: string) => (grid.step > 1.5 * interval ? `${name}_over_time(${selector}[${grid.step}s])` : selector)
  return {
    rate: (selector) => `rate(${selector}[${window}])`,
    count: (selector) => `round(increase(${selector}[${window}]))`,
    mean: over('avg'),
    peak: over('max'),
  }
}

export const pointsOf = (grid: Grid): number => Math.round((grid.end - grid.start) / grid.step) + 1

/** The points in time, seconds. */
export const timesOf = (grid: Grid): number[] => Array.from({ length: pointsOf(grid) }, (_, at) => grid.start + at * grid.step)

/** Samples on the grid. What is no number, or infinite, is no point. */
export function columnOf(samples: readonly Sample[], grid: Grid): Column {
  const out: (number | null)[] = new Array<number | null>(pointsOf(grid)).fill(null)
  for (const [at, text] of samples) {
    const place = Math.round((at - grid.start) / grid.step)
    const value = Number(text)
    if (place >= 0 && place < out.length && Number.isFinite(value)) out[place] = value
  }
  return out
}

export const isEmpty = (column: Column): boolean => column.every((value) => value === null)

/** The last value, and where it is. */
export function lastOf(column: Column): { value: number; at: number } | undefined {
  for (let at = column.length - 1; at >= 0; at -= 1) {
    const value = column[at]
    if (value !== null && value !== undefined) return { value, at }
  }
  return undefined
}

/** Lowest, mean and highest value; undefined of nothing. */
export function summaryOf(column: Column): { low: number; mean: number; high: number } | undefined {
  const values = column.filter((value): value is number => value !== null)
  if (values.length === 0) return undefined
  return {
    low: values.reduce((low, value) => Math.min(low, value), Infinity),
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    high: values.reduce((high, value) => Math.max(high, value), -Infinity),
  }
}

/** Each upon those before. Where only some are missing they count nothing; where all are, the sum is missing. */
export function stacked(columns: readonly Column[]): Column[] {
  const length = columns[0]?.length ?? 0
  const out: (number | null)[][] = columns.map(() => new Array<number | null>(length).fill(null))
  for (let at = 0; at < length; at += 1) {
    if (columns.every((column) => column[at] === null)) continue
    let sum = 0
    columns.forEach((column, line) => {
      sum += column[at] ?? 0
      const into = out[line]
      if (into) into[at] = sum
    })
  }
  return out
}

/** Points without a neighbour: no line is drawn through them. */
export function lonely(column: Column): number[] {
  const out: number[] = []
  column.forEach((value, at) => {
    if (value !== null && (column[at - 1] ?? null) === null && (column[at + 1] ?? null) === null) out.push(at)
  })
  return out
}

/** Where the first value of any column is. */
export function firstOf(columns: readonly Column[]): number | undefined {
  const places = columns.map((column) => column.findIndex((value) => value !== null)).filter((at) => at >= 0)
  return places.length === 0 ? undefined : Math.min(...places)
}

/** So many rows of a table, evenly chosen, the last one always among them. */
export function rowsOf(points: number, most: number): number[] {
  const every = Math.max(1, Math.ceil(points / most))
  const out: number[] = []
  for (let at = points - 1; at >= 0; at -= every) out.push(at)
  return out.reverse()
}

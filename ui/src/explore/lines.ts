// A range query's answer as lines of a chart. Pure.
import type { View } from '../chart/chart'
import { columnOf, lastOf, stacked as sums, type Column, type Grid } from '../chart/grid'
import type { MatrixSeries, Result } from '../api/prometheus'
import { axisFor, type Axis } from './axis'
import { seriesName } from './series-name'

/** More lines are no picture. */
export const LINES_MAX = 200

export interface Lines {
  readonly view: View
  /** Series with numbers. */
  readonly all: number
  /** Series with native histograms only. */
  readonly histograms: number
}

/** The series on the grid, those with the highest last values; in the order of the answer. */
export function linesOf(answer: Result, grid: Grid, most = LINES_MAX): Lines {
  const series = seriesOf(answer, grid)
  const numbers = series.filter(({ values }) => values !== undefined && values.length > 0)
  const kept = numbers.length <= most ? numbers : highest(numbers, most)
  const lines = kept.map(({ metric, values = [] }) => {
    const name = seriesName(metric)
    return { key: name, word: undefined, label: name, values: columnOf(values, grid), earlier: undefined }
  })
  return { view: { grid, lines, limits: [], left: numbers.length - kept.length }, all: numbers.length, histograms: series.length - numbers.length }
}

/** A number is a line as well. */
function seriesOf(answer: Result, grid: Grid): readonly MatrixSeries[] {
  if (answer.resultType === 'matrix') return answer.result
  if (answer.resultType === 'scalar') return [{ metric: {}, values: [[grid.end, answer.result[1]]] }]
  return []
}

function highest(series: readonly MatrixSeries[], most: number): readonly MatrixSeries[] {
  const last = (one: MatrixSeries): number => {
    const value = Number(one.values?.at(-1)?.[1] ?? NaN)
    return Number.isFinite(value) ? value : -Infinity
  }
  const kept = new Set([...series].sort((one, other) => last(other) - last(one)).slice(0, most))
  return series.filter((one) => kept.has(one))
}

/** What is not shown has no values: the colours of the others stay. */
export function shownOf(view: View, hidden: ReadonlySet<string>): View {
  if (hidden.size === 0) return view
  return { ...view, lines: view.lines.map((line) => (hidden.has(line.key) ? { ...line, values: line.values.map(() => null) } : line)) }
}

/** The axis for what is shown. */
export function axisOfView(view: View, stacked: boolean): Axis {
  const columns = view.lines.map((line) => line.values)
  const drawn: readonly Column[] = stacked ? sums(columns) : columns
  let [low, high] = [stacked ? 0 : Infinity, stacked ? 0 : -Infinity]
  for (const column of drawn)
    for (const value of column) {
      if (value === null) continue
      if (value < low) low = value
      if (value > high) high = value
    }
  return axisFor(low, high)
}

/** What a click on a series in the legend hides: with `add` it is shown or hidden, else it alone is shown, or all are again. */
export function clicked(keys: readonly string[], hidden: ReadonlySet<string>, key: string, add: boolean): ReadonlySet<string> {
  if (add) {
    const next = new Set(hidden)
    if (!next.delete(key)) next.add(key)
    return next.size === keys.length ? new Set() : next
  }
  const alone = !hidden.has(key) && hidden.size === keys.length - 1
  return alone ? new Set() : new Set(keys.filter((one) => one !== key))
}

/** The value at a point, or the last one. */
export const valueAt = (values: Column, at: number | undefined): number | null => (at === undefined ? (lastOf(values)?.value ?? null) : (values[at] ?? null))

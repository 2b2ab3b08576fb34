// What a chart is: which questions it asks, and what of the answers it draws. Pure.
import type { MatrixSeries, Labels } from '../api/prometheus'
import { columnOf, isEmpty, type Column, type Grid } from './grid'
import type { MarkKind } from './marks'
import type { Unit } from './units'

/** What the method of utilisation, saturation and errors calls it. */
export type Aspect = 'utilisation' | 'saturation' | 'errors'

/** How to ask at a given step. */
export interface Terms {
  /** Per second, over a window of several samples. */
  readonly rate: (selector: string) => string
  /** How often it happened within the window. */
  readonly count: (selector: string) => string
  /** The mean of all samples of a step. */
  readonly mean: (selector: string) => string
  /** The highest of all samples of a step. */
  readonly peak: (selector: string) => string
}

/** Lines of one question. */
export interface LineDef {
  readonly query: (terms: Terms) => string
  /** A word of `texts.ts`; beside it, or instead of it, a label's value names the line. */
  readonly word?: string
  readonly label?: string
  /** Values of the label that come first, in this order; the others follow by name. */
  readonly order?: readonly string[]
  /** Of series with the same value of this label one is enough: that with the shortest name. */
  readonly once?: string
}

export interface ChartDef {
  readonly id: string
  readonly unit: Unit
  readonly aspect: Aspect
  readonly lines: readonly LineDef[]
  /** Drawn as bounds, not as lines. */
  readonly limits?: readonly LineDef[]
  /** One upon the other; their top is the sum. */
  readonly stacked?: boolean
  /** The axis reaches at least this far. */
  readonly least?: number
  /** Moments that the timeline knows are counted as a line beside the others. */
  readonly counted?: MarkKind
  /** It is left out where there is nothing to show. */
  readonly optional?: boolean
}

/** What the questions of a chart were answered; `earlier` only while it is compared, with its times moved to the present. */
export interface ChartAnswer {
  readonly lines: readonly (readonly MatrixSeries[])[]
  readonly earlier: readonly (readonly MatrixSeries[])[]
  readonly limits: readonly (readonly MatrixSeries[])[]
}

export interface Line {
  readonly key: string
  readonly word: string | undefined
  readonly label: string | undefined
  readonly values: Column
  readonly earlier: Column | undefined
}

/** What a chart draws. */
export interface View {
  readonly grid: Grid
  readonly lines: readonly Line[]
  readonly limits: readonly Line[]
  /** So many lines more are left out: the smallest ones. */
  readonly left: number
}

/** Most lines of a chart: more can't be told apart. */
const LINES_MAX = 10

/** The answers on the grid. The lines are those with the highest values, in a steady order. */
export function viewOf(def: ChartDef, answer: ChartAnswer, grid: Grid): View {
  const lines = linesOf(def.lines, answer.lines, answer.earlier, grid)
  const shown = lines.length <= LINES_MAX ? lines : highest(lines)
  return {
    grid,
    lines: shown,
    limits: linesOf(def.limits ?? [], answer.limits, [], grid),
    left: lines.length - shown.length,
  }
}

function linesOf(defs: readonly LineDef[], answers: readonly (readonly MatrixSeries[])[], earlier: readonly (readonly MatrixSeries[])[], grid: Grid): Line[] {
  return defs.flatMap((def, at) => {
    const before = new Map(unlike(def, earlier[at] ?? []).map((one) => [labelOf(def, one.metric), one]))
    const now = new Map(unlike(def, answers[at] ?? []).map((one) => [labelOf(def, one.metric), one]))
    // What was there only earlier is shown too: it is what is missing now.
    const labels = [...new Set([...now.keys(), ...before.keys()])].sort(inOrder(def.order ?? []))
    return labels.map((label) => ({
      key: `${at} ${def.word ?? ''} ${label ?? ''}`,
      word: def.word,
      label,
      values: columnOf(now.get(label)?.values ?? [], grid),
      earlier: before.has(label) ? columnOf(before.get(label)?.values ?? [], grid) : undefined,
    })).filter((line) => !isEmpty(line.values) || (line.earlier !== undefined && !isEmpty(line.earlier)))
  })
}

function unlike({ once, label }: LineDef, series: readonly MatrixSeries[]): readonly MatrixSeries[] {
  if (once === undefined || label === undefined) return series
  const kept = new Map<string, MatrixSeries>()
  for (const one of series) {
    const other = kept.get(one.metric[once] ?? '')
    if (!other || (one.metric[label] ?? '').length < (other.metric[label] ?? '').length) kept.set(one.metric[once] ?? '', one)
  }
  return [...kept.values()]
}

const labelOf = (def: LineDef, metric: Labels): string | undefined => (def.label === undefined ? undefined : metric[def.label])

const inOrder = (order: readonly string[]) => (a = '', b = ''): number => {
  const placeOf = (label: string): number => (order.includes(label) ? order.indexOf(label) : order.length)
  return placeOf(a) - placeOf(b) || a.localeCompare(b, 'en', { numeric: true })
}

function highest(lines: readonly Line[]): Line[] {
  const top = (line: Line): number => Math.max(0, ...[...line.values, ...(line.earlier ?? [])].map((value) => value ?? 0))
  const kept = new Set([...lines].sort((a, b) => top(b) - top(a)).slice(0, LINES_MAX))
  return lines.filter((line) => kept.has(line))
}

/** Whether there is anything to draw. */
export const hasPoints = (view: View): boolean => view.lines.length > 0

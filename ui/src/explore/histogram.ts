// A native histogram for people: its count, its mean, where its quantiles lie, and its buckets. Pure.
import type { HistogramAnswer } from '../api/prometheus'
import { numberText } from './number'

export interface Bar {
  /** `(1, 2]`, as the bucket's bounds include or exclude them. */
  readonly range: string
  readonly count: number
  /** Of the fullest bucket, 0 to 1. */
  readonly share: number
}
export interface Readable {
  readonly count: number
  readonly mean: number | undefined
  readonly bars: readonly Bar[]
  /** Left out in the middle of more buckets than are shown. */
  readonly left: number
}

/** More are not drawn. */
const BARS_MAX = 40
/** How a bucket's bounds are meant: 0 (a, b], 1 [a, b), 2 (a, b), 3 [a, b]. */
const OPEN = ['(', '[', '(', '['] as const
const CLOSE = [']', ')', ')', ']'] as const

export function readable(histogram: HistogramAnswer): Readable {
  const count = Number(histogram.count)
  const all = (histogram.buckets ?? []).map(([rule, lower, upper, inside]) => ({
    range: `${OPEN[rule] ?? '['}${numberText(lower)}, ${numberText(upper)}${CLOSE[rule] ?? ']'}`,
    count: Number(inside),
  }))
  const most = Math.max(0, ...all.map((bar) => bar.count))
  const bars = all.slice(0, BARS_MAX).map((bar) => ({ ...bar, share: most > 0 ? bar.count / most : 0 }))
  return { count, mean: count > 0 ? Number(histogram.sum) / count : undefined, bars, left: all.length - bars.length }
}

/** In a line, for tables to copy and for files. */
export const histogramText = (histogram: HistogramAnswer): string =>
  `{count:${histogram.count}, sum:${histogram.sum}${(histogram.buckets ?? []).map(([rule, lower, upper, inside]) => `, ${OPEN[rule] ?? '['}${lower},${upper}${CLOSE[rule] ?? ']'}:${inside}`).join('')}}`

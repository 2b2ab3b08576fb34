// The rows of an instant query's table, and their order. Pure.
import type { HistogramAnswer, Labels, Result } from '../api/prometheus'
import { compareValues } from './number'
import type { Sort } from './panels'

/** The column of the values; no label is called so, for a label's name has no `=`. */
export const VALUE = 'value='

export interface Row {
  readonly labels: Labels
  /** As the API writes it. */
  readonly value: string
  readonly histogram: HistogramAnswer | undefined
  /** Samples in the range, of a range vector: `value` is the last. */
  readonly samples: number | undefined
}

const NONE: Labels = {}

/** Whatever a query yields as rows. */
export function rowsOf(answer: Result): Row[] {
  if (answer.resultType === 'scalar' || answer.resultType === 'string') return [{ labels: NONE, value: answer.result[1], histogram: undefined, samples: undefined }]
  if (answer.resultType === 'vector')
    return answer.result.map(({ metric, value, histogram }) => ({ labels: metric, value: value?.[1] ?? '', histogram: histogram?.[1], samples: undefined }))
  return answer.result.map(({ metric, values, histograms }) => {
    const [sample, histogram] = [values?.at(-1), histograms?.at(-1)]
    const isHistogram = histogram !== undefined && (sample === undefined || histogram[0] > sample[0])
    return { labels: metric, value: isHistogram ? '' : (sample?.[1] ?? ''), histogram: isHistogram ? histogram[1] : undefined, samples: (values?.length ?? 0) + (histograms?.length ?? 0) }
  })
}

/** In order; where they are equal as they came. */
export function sorted(rows: readonly Row[], sort: Sort | undefined): readonly Row[] {
  if (!sort) return rows
  const by = (one: Row, other: Row): number =>
    sort.by === VALUE ? compareValues(one.histogram?.count ?? one.value, other.histogram?.count ?? other.value) : compareTexts(one.labels[sort.by] ?? '', other.labels[sort.by] ?? '')
  return [...rows].sort((one, other) => (sort.down ? by(other, one) : by(one, other)))
}

const collator = new Intl.Collator('en', { numeric: true })
const compareTexts = (one: string, other: string): number => collator.compare(one, other)

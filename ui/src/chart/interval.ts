// How often samples come, seen from the samples themselves. Pure.
import type { MatrixSeries } from '../api/prometheus'

/** As the collectors are delivered, seconds. */
export const DEFAULT_INTERVAL = 10

/** The middle of the distances between samples, in whole seconds; undefined with less than two samples. */
export function intervalOf(series: readonly MatrixSeries[]): number | undefined {
  const distances = series.flatMap(({ values = [] }) => values.slice(1).map((sample, at) => sample[0] - (values[at]?.[0] ?? 0)))
  if (distances.length === 0) return undefined
  const sorted = distances.sort((a, b) => a - b)
  return Math.max(1, Math.round(sorted[Math.floor(sorted.length / 2)] ?? DEFAULT_INTERVAL))
}

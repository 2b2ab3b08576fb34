// The points in time of a range query: as fine as the width shows them, unless a step is asked for. Pure.
import { stepOf, type Grid } from '../chart/grid'
import type { Span } from '../route/range'

/** Finer the server would not be either, seconds. */
const STEP_MIN = 1

/** Milliseconds, for so many pixels. */
export const autoStep = (length: number, width: number): number => stepOf(length / 1_000, width, STEP_MIN) * 1_000

/**
 * A step that is chosen by itself counts from full steps, so that values stay where they are when the range moves on. One that
 * is asked for counts from the begin of the range, as Prometheus does.
 */
export function gridFor(span: Span, width: number, fixed: number | undefined): Grid {
  const step = (fixed ?? autoStep(span.to - span.from, width)) / 1_000
  const [from, to] = [span.from / 1_000, span.to / 1_000]
  const start = fixed === undefined ? Math.ceil(from / step) * step : from
  return { start, end: start + Math.max(0, Math.floor((to - start) / step + 1e-6)) * step, step }
}

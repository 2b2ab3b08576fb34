// Marks of the time axis: round times of the reader's own clock, and the days. Pure.
import type { Span } from '../route/range'

export interface Tick {
  at: number
  /** A day begins here. */
  day: boolean
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const STEPS = [
  SECOND, 2 * SECOND, 5 * SECOND, 10 * SECOND, 15 * SECOND, 30 * SECOND, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY,
]

/** More than any step leads to on a screen. */
const TICKS_MAX = 200

/** Distance between ticks so that there are at most `most` of them, milliseconds. */
export function stepOf(view: Span, most: number): number {
  const least = (view.to - view.from) / Math.max(1, most)
  return STEPS.find((step) => step >= least) ?? 365 * DAY
}

/** Whether the labels of such a step need seconds. */
export const needsSeconds = (step: number): boolean => step < MINUTE

/** Ticks within the view; local midnight is always one. */
export function ticks(view: Span, step: number): Tick[] {
  const out: Tick[] = []
  const first = new Date(view.from)
  const [year, month, date] = [first.getFullYear(), first.getMonth(), first.getDate()]
  if (step >= DAY) {
    // Whole days counted by the calendar: a day may have 23 or 25 hours.
    const days = Math.round(step / DAY)
    const skew = Math.floor(Date.UTC(year, month, date) / DAY) % days
    for (let n = -skew; out.length < TICKS_MAX; n += days) {
      const at = new Date(year, month, date + n).getTime()
      if (at > view.to) break
      if (at >= view.from) out.push({ at, day: true })
    }
    return out
  }
  for (let day = 0; out.length < TICKS_MAX; day += 1) {
    const begin = new Date(year, month, date + day).getTime()
    const end = new Date(year, month, date + day + 1).getTime()
    if (begin > view.to) break
    const skipped = Math.max(0, Math.ceil((view.from - begin) / step))
    for (let at = begin + skipped * step; at < end && at <= view.to && out.length < TICKS_MAX; at += step) {
      out.push({ at, day: at === begin })
    }
  }
  return out
}

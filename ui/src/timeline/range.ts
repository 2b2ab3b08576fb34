// The range that the timeline shows, and what its buttons and keys make of it. Pure.
import { absolute, isRelative, shifted, span, zoomed, type Range, type Span } from '../route/range'

/** Shown when the address names no range. */
export const DEFAULT: Range = { from: 'now-1h', to: 'now' }
export const PRESETS = ['1h', '6h', '24h', '7d'] as const

/** The address's range if it is one, else the last hour. */
export function rangeOf(chosen: Range | undefined, now: number): Range {
  return chosen && span(chosen, now) ? chosen : DEFAULT
}

/** Ends now, and moves along. */
export const follows = (range: Range): boolean => range.to === 'now' && isRelative(range.from)

export const spanOf = (range: Range, now: number): Span => span(range, now) ?? { from: now - 3_600_000, to: now }

/** A range of this length that ends now, in whole seconds. */
export function last(length: number): Range {
  const seconds = Math.max(10, Math.round(length / 1000))
  const unit = ([[86_400, 'd'], [3600, 'h'], [60, 'm']] as const).find(([size]) => seconds % size === 0)
  return { from: unit ? `now-${seconds / unit[0]}${unit[1]}` : `now-${seconds}s`, to: 'now' }
}

/** Zoomed: around `at` if given. What follows now goes on to. */
export function zoomedRange(range: Range, factor: number, now: number, at?: number): Range {
  const of = spanOf(range, now)
  const next = zoomed(of, factor, now)
  const length = next.to - next.from
  if (follows(range)) return last(length)
  if (at === undefined) return absolute(next)
  const share = Math.min(1, Math.max(0, (at - of.from) / (of.to - of.from)))
  const to = Math.min(at + length * (1 - share), now)
  return absolute({ from: to - length, to })
}

/** Moved by a part of its length. Forward to now it follows again. */
export function movedRange(range: Range, part: number, now: number): Range {
  if (part > 0 && follows(range)) return range
  const of = spanOf(range, now)
  const next = shifted(of, part, now)
  return part > 0 && next.to >= now ? last(next.to - next.from) : absolute(next)
}

/** The range between two points in time, in either order; at least a second long. */
export function between(a: number, b: number, now: number): Range {
  const to = Math.min(Math.max(a, b), now)
  return absolute({ from: Math.min(Math.min(a, b), to - 1000), to })
}

// The time range in the address: `from` and `to`, relative (`now-1h`) or absolute (RFC 3339, or milliseconds as
// Grafana writes them). Pure.

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** A time range as it stands in the address. */
export interface Range {
  from: string
  to: string
}

/** A time range as numbers, milliseconds since the epoch. */
export interface Span {
  from: number
  to: number
}

/** Shortest and longest span that zooming leads to. */
const SPAN_MIN = 10_000
const SPAN_MAX = 400 * 86_400_000

/** `now`, `now-90m`, RFC 3339 or milliseconds; undefined if it is none of them. */
export function parseTime(text: string, now: number): number | undefined {
  const relative = /^now(?:-(\d{1,9})([smhdw]))?$/.exec(text)
  if (relative) {
    const [, count, unit] = relative
    return count && unit ? now - Number(count) * (UNITS[unit] ?? 0) : now
  }
  const at = /^\d{10,16}$/.test(text) ? Number(text) : Date.parse(text)
  return Number.isNaN(at) ? undefined : at
}

/** Whether a point in time moves with the clock. */
export const isRelative = (text: string): boolean => text.startsWith('now')

/** The span of a range; undefined if it is none. */
export function span(range: Range, now: number): Span | undefined {
  const from = parseTime(range.from, now)
  const to = parseTime(range.to, now)
  return from === undefined || to === undefined || from >= to ? undefined : { from, to }
}

/** The range of a span, absolute. */
export function absolute(of: Span): Range {
  return { from: new Date(Math.round(of.from)).toISOString(), to: new Date(Math.round(of.to)).toISOString() }
}

/** Moved by a part of its length: −0.5 is half a length back. Never past `now`. */
export function shifted(of: Span, part: number, now: number): Span {
  const length = of.to - of.from
  const to = Math.min(of.to + length * part, now)
  return { from: to - length, to }
}

/** Zoomed around its middle: 0.5 shows half of it. Never past `now`. */
export function zoomed(of: Span, factor: number, now: number): Span {
  const length = Math.min(SPAN_MAX, Math.max(SPAN_MIN, (of.to - of.from) * factor))
  const to = Math.min((of.from + of.to) / 2 + length / 2, now)
  return { from: to - length, to }
}

/** Whether a point in time lies in a span; everything lies in none. */
export function within(of: Span | undefined, at: string | number): boolean {
  if (!of) return true
  const time = typeof at === 'number' ? at : Date.parse(at)
  return time >= of.from && time <= of.to
}

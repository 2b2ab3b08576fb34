// A time range as somebody types it. Pure.
import { parseTime, span, type Range } from '../route/range'

const LOCAL = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?$/

/** `now-90m` stays so; `2026-11-24 12:00` is of the reader's zone and becomes RFC 3339. */
export function typedTime(text: string): string | undefined {
  const trimmed = text.trim()
  const [, day, time] = LOCAL.exec(trimmed) ?? []
  if (day !== undefined) {
    const at = Date.parse(`${day}T${time ?? '00:00'}`)
    return Number.isNaN(at) ? undefined : new Date(at).toISOString()
  }
  return parseTime(trimmed, 0) === undefined ? undefined : trimmed
}

/** Undefined if it is none, or ends before it begins. */
export function typedRange(from: string, to: string, now: number): Range | undefined {
  const [begin, end] = [typedTime(from), typedTime(to.trim() === '' ? 'now' : to)]
  if (begin === undefined || end === undefined) return undefined
  const range = { from: begin, to: end }
  return span(range, now) ? range : undefined
}

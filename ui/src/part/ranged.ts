// What of a list lies in the chosen time range, and how much does not. Pure.
import { within, type Span } from '../route/range'

/** A part of a list. */
export interface Ranged<T> {
  shown: T[]
  /** So many lie outside of the range. */
  hidden: number
}

/** Those whose moment lies in the range; all if none is chosen. */
export function moments<T>(items: readonly T[], span: Span | undefined, at: (item: T) => string): Ranged<T> {
  const shown = items.filter((item) => within(span, at(item)))
  return { shown, hidden: items.length - shown.length }
}

/** Those that lasted at some time of the range; without an end they last on. */
export function overlapping<T extends { from: string; to?: string }>(items: readonly T[], span: Span | undefined): Ranged<T> {
  const shown = items.filter((item) => !span || (Date.parse(item.from) <= span.to && (!item.to || Date.parse(item.to) >= span.from)))
  return { shown, hidden: items.length - shown.length }
}

/** Shown before and after a moment, milliseconds. */
export const MARGIN = 120_000

/** The range of the timeline around something, for a link: two minutes more on both sides. */
export function around(from: string, to: string | number = from): { from: string; to: string } {
  const end = typeof to === 'number' ? to : Date.parse(to)
  return { from: stamp(Date.parse(from) - MARGIN), to: stamp(end + MARGIN) }
}

const stamp = (at: number): string => new Date(Number.isNaN(at) ? 0 : at).toISOString()

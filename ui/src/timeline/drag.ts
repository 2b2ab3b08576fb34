// A range that is being drawn with the pointer: whether it is one yet, and what its end means. Pure.
import type { Span } from '../route/range'

/** Shorter ways of the pointer are clicks, CSS pixels. */
export const DRAG_MIN = 5

export interface Drag {
  /** Where the pointer went down. */
  readonly x: number
  /** The time there, and where the pointer is. */
  readonly from: number
  readonly to: number
  /** It went far enough once to be no click. */
  readonly drawn: boolean
  /** Others know of it: they must be told of its end. */
  readonly told: boolean
}

export const begun = (x: number, at: number): Drag => ({ x, from: at, to: at, drawn: false, told: false })

/** The pointer is at `x` now, the time `at`. */
export function moved(drag: Drag, x: number, at: number): Drag {
  const drawn = drag.drawn || Math.abs(x - drag.x) >= DRAG_MIN
  return drawn ? { ...drag, drawn, to: at } : drag
}

/** The range drawn so far. */
export function rangeOf(drag: Drag | undefined): Span | undefined {
  if (!drag || drag.from === drag.to) return undefined
  return { from: Math.min(drag.from, drag.to), to: Math.max(drag.from, drag.to) }
}

/** What letting go at `x` means: a click, a range, or no range after all. */
export function endOf(drag: Drag, x: number): 'click' | 'range' | 'taken_back' {
  if (!drag.drawn) return 'click'
  return Math.abs(x - drag.x) >= DRAG_MIN && rangeOf(drag) ? 'range' : 'taken_back'
}

// Runs the query of a panel: one at a time, the newest wins; can be taken back.
import { Failure } from '../api/client'
import { query, queryRange, type Answer, type Result } from '../api/prometheus'
import type { Span } from '../route/range'
import type { View } from './panels'

export interface Asked {
  readonly expr: string
  readonly view: View
  /** Milliseconds; a table is of its end. */
  readonly span: Span
  /** Milliseconds. */
  readonly step: number
}

export interface Outcome extends Answer<Result> {
  readonly asked: Asked
  /** Milliseconds, with the way there and back. */
  readonly took: number
}

export class Runner {
  /** Since when a question is under way. */
  since = $state<number | undefined>(undefined)
  /** The last good answer. */
  outcome = $state.raw<Outcome | undefined>(undefined)
  /** Why the last question has no answer, and what was asked. */
  failed = $state.raw<{ readonly asked: Asked; readonly why: Failure } | undefined>(undefined)
  /** The reader took the last question back. */
  cancelled = $state(false)
  #abort: AbortController | undefined

  async run(asked: Asked): Promise<void> {
    this.#abort?.abort()
    const mine = (this.#abort = new AbortController())
    const begun = performance.now()
    this.since = Date.now()
    this.cancelled = false
    try {
      const answer = await answered(asked, mine.signal)
      if (mine.signal.aborted) return
      this.outcome = { ...answer, asked, took: performance.now() - begun }
      this.failed = undefined
    } catch (error) {
      if (mine.signal.aborted) return
      this.failed = { asked, why: error instanceof Failure ? error : new Failure('broken', String(error)) }
    }
    this.since = undefined
  }

  cancel(): void {
    if (this.since === undefined) return
    this.end()
    this.cancelled = true
  }

  /** Nobody looks any more. */
  end(): void {
    this.#abort?.abort()
    this.since = undefined
  }

  /** Nothing is asked: what was there belongs to something else. */
  clear(): void {
    this.end()
    this.outcome = this.failed = undefined
    this.cancelled = false
  }
}

function answered({ expr, view, span, step }: Asked, signal: AbortSignal): Promise<Answer<Result>> {
  if (view === 'table') return query(expr, span.to / 1_000, { signal })
  return queryRange(expr, { start: span.from / 1_000, end: span.to / 1_000, step: step / 1_000 }, { signal })
}

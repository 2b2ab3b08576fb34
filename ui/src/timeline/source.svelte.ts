// The past that the timeline shows: asked for once, then kept up by the stream. Asks again only when something could be missing.
import { untrack } from 'svelte'
import { ask, Failure, withQuery } from '../api/client'
import type { StreamedChange, Timeline } from '../api/types'
import { onChanges, onStale } from '../live/stream.svelte'
import type { Live } from '../live/query.svelte'
import { now } from '../time/now.svelte'
import { barsOf, eventOf, type Event } from './event'
import {
  aged, awaitsNumbers, covers, EVENTS_MAX, extentOf, joined, settled, streamed, unstoredWithin, type Extent, type Held, type Wanted,
} from './held'
import { caughtUp, loaded, missing, owes, pushed, START } from './progress'

/** While the range is dragged or typed nothing is asked, milliseconds. */
const SETTLE = 200
/** Shortest time between two questions for what is new. */
const PAUSE = 2_000
const RETRY = 2_000
/** A refusal may be one of the moment (too much to do): asked again, but rarely. */
const REFUSED_RETRY = 15_000
/** New changes are shown at most this often. */
const GATHER = 200

export interface Source extends Live<Held> {
  /** A question is under way for another part of the past. */
  readonly loading: boolean
  /** When the last answer was asked for, by the server's clock, milliseconds: until then it is known how everything is. */
  readonly askedAt: number
}

/** Call it while a component is made; it ends with the component. */
export function timelineSource(wanted: () => Wanted): Source {
  let held = $state.raw<Held | undefined>(undefined)
  let failure = $state.raw<Failure | undefined>(undefined)
  let at = $state<number | undefined>(undefined)
  let loading = $state(false)
  let askedAt = $state(0)
  let progress = START
  // What is under way. A newer question for another part ends the one before.
  let abort = new AbortController()
  let asked: Extent | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let catching: ReturnType<typeof setTimeout> | undefined
  let flushing: ReturnType<typeof setTimeout> | undefined
  let catchesUp = false
  /** When it was last tried to catch up, and how long not to try again. */
  let tried = { at: 0, pause: PAUSE }
  let pending: Event[] = []

  $effect(() => {
    const want = wanted()
    now()
    untrack(() => check(want))
  })
  $effect(() => {
    const stops = [onStale(heard), onChanges(taken)]
    return () => {
      stops.forEach((stop) => stop())
      for (const one of [timer, catching, flushing]) clearTimeout(one)
      abort.abort()
    }
  })

  function check(want: Wanted): void {
    if (held) held = aged(held, want, now())
    const enough = asked ? covers(asked, want, asked.from) : held !== undefined && covers(held, want, held.events[0]?.at ?? held.from)
    if (enough) return
    clearTimeout(timer)
    if (asked) abort.abort()
    asked = undefined
    const first = held === undefined && failure === undefined
    timer = setTimeout(() => void load(), first ? 0 : SETTLE)
  }

  async function load(): Promise<void> {
    const want = untrack(wanted)
    const narrowed = want.attributes !== undefined && held !== undefined && (held.truncated || held.attributes !== undefined)
    const extent = extentOf(want, untrack(now), narrowed)
    abort.abort()
    abort = new AbortController()
    const { signal } = abort
    asked = extent
    loading = true
    const [before, time] = [progress, untrack(now)]
    try {
      const answer = await ask<Timeline>(pathOf(extent, {}), { signal })
      if (signal.aborted) return
      const stored = answer.changes.map(eventOf)
      const unstored = settled(unstoredWithin(held?.events ?? [], extent), stored)
      const { events } = joined(unstored, stored, -Infinity)
      held = { ...extent, events, bars: barsOf(answer.findings), truncated: answer.truncated, damages: answer.damages }
      tried = { at: Date.now(), pause: PAUSE }
      progress = loaded(progress, before, answer.changes.map((change) => change.seq))
      if (awaitsNumbers(unstored)) progress = missing(progress)
      pending = settled(pending, stored)
      failure = undefined
      at = Date.now()
      askedAt = time
      asked = undefined
      flush()
      // What was said meanwhile may be missing in the answer.
      if (owes(progress)) catchUpSoon()
    } catch (error) {
      if (signal.aborted) return
      // The question stays the one under way, so that nothing else asks it meanwhile.
      failed(error)
      timer = setTimeout(() => void load(), passes() ? RETRY : REFUSED_RETRY)
    } finally {
      if (!signal.aborted) loading = false
    }
  }

  function heard(): void {
    progress = missing(progress)
    catchUpSoon()
  }

  /** What is held can become old: its end is now, a finding in it goes on, or the disk has not taken all of it. */
  const goesOn = (): boolean => held !== undefined && (held.live || held.bars.some((bar) => bar.to === undefined) || awaitsNumbers(held.events))

  /** Something may be new: what came after all that is complete, and all findings. */
  async function catchUp(): Promise<void> {
    const base = held
    if (!base || !goesOn() || asked || catchesUp) return
    const [before, time] = [progress, untrack(now)]
    const { signal } = abort
    catchesUp = true
    tried = { at: Date.now(), pause: PAUSE }
    try {
      const answer = await ask<Timeline>(pathOf(base, { after: before.upTo }), { signal })
      if (signal.aborted || !held || asked) return
      failure = undefined
      at = Date.now()
      askedAt = time
      if (answer.truncated && held.live) return void load()
      progress = caughtUp(progress, before, answer.changes.map((change) => change.seq))
      const stored = answer.changes.map(eventOf)
      const { events, dropped } = joined(settled(held.events, stored), stored, held.from)
      held = { ...held, events, bars: barsOf(answer.findings), truncated: held.truncated || dropped }
      if (awaitsNumbers(events)) progress = missing(progress)
      pending = settled(pending, stored)
    } catch (error) {
      if (signal.aborted) return
      failed(error)
      tried.pause = passes() ? RETRY : REFUSED_RETRY
    } finally {
      catchesUp = false
      if (owes(progress)) catchUpSoon()
    }
  }

  function catchUpSoon(): void {
    if (catching !== undefined || !goesOn()) return
    catching = setTimeout(() => {
      catching = undefined
      void catchUp()
    }, Math.max(0, tried.at + tried.pause - Date.now()))
  }

  function taken(changes: StreamedChange[]): void {
    if (asked === undefined && !held?.live) return
    pending = [...pending, ...changes.map(streamed)].slice(-EVENTS_MAX)
    flushing ??= setTimeout(flush, GATHER)
  }

  function flush(): void {
    clearTimeout(flushing)
    flushing = undefined
    if (!held || asked || pending.length === 0) return
    const fresh = pending.filter((event) => held !== undefined && (held.live || event.at <= held.to))
    pending = []
    // Their numbers are behind all that is complete now: it stays so until an answer told them.
    const unstored = awaitsNumbers(fresh)
    if (unstored) progress = missing(progress)
    progress = pushed(progress, fresh.map((event) => event.change.seq))
    const { events, dropped } = joined(held.events, fresh, held.from)
    held = { ...held, events, truncated: held.truncated || dropped }
    if (unstored) catchUpSoon()
  }

  function failed(error: unknown): void {
    failure = error instanceof Failure ? error : new Failure('broken', String(error))
    clearTimeout(timer)
  }

  const passes = (): boolean => failure?.kind === 'away' || failure?.kind === 'broken'

  return {
    get data() {
      return held
    },
    get failure() {
      return failure
    },
    get at() {
      return at
    },
    get loading() {
      return loading
    },
    get askedAt() {
      return askedAt
    },
    refresh: () => void load(),
  }
}

function pathOf(extent: Extent, more: { after?: number }): string {
  const { from, to, live, attributes, language } = extent
  return withQuery('/timeline', {
    from: new Date(Math.round(from)).toISOString(),
    to: live ? undefined : new Date(Math.round(to)).toISOString(),
    limit: EVENTS_MAX,
    attributes,
    after: more.after,
    lang: language === 'ja' ? 'ja' : undefined,
  })
}

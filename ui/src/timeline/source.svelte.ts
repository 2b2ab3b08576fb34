// The past that the timeline shows: asked for once, then kept up by the stream. Asks again only when something could be missing.
import { untrack } from 'svelte'
import { ask, Failure, withQuery } from '../api/client'
import type { Change, Timeline } from '../api/types'
import { onChanges, onStale } from '../live/stream.svelte'
import type { Live } from '../live/query.svelte'
import { now } from '../time/now.svelte'
import { barsOf, eventOf } from './event'
import { aged, covers, EVENTS_MAX, extentOf, joined, type Extent, type Held, type Wanted } from './held'

/** While the range is dragged or typed nothing is asked, milliseconds. */
const SETTLE = 200
/** Shortest time between two questions for what is new. */
const PAUSE = 2_000
const RETRY = 2_000
/** New changes are shown at most this often. */
const GATHER = 200

export interface Source extends Live<Held> {
  /** A question is under way for another part of the past. */
  readonly loading: boolean
}

/** Call it while a component is made; it ends with the component. */
export function timelineSource(wanted: () => Wanted): Source {
  let held = $state.raw<Held | undefined>(undefined)
  let failure = $state.raw<Failure | undefined>(undefined)
  let at = $state<number | undefined>(undefined)
  let loading = $state(false)
  // What is under way. A newer question for another part ends the one before.
  let abort = new AbortController()
  let asked: Extent | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let catching: ReturnType<typeof setTimeout> | undefined
  let flushing: ReturnType<typeof setTimeout> | undefined
  let pending: Change[] = []

  $effect(() => {
    const want = wanted()
    now()
    untrack(() => check(want))
  })
  $effect(() => {
    const stops = [onStale(catchUpSoon), onChanges(taken)]
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
    try {
      const answer = await ask<Timeline>(pathOf(extent, {}), { signal })
      if (signal.aborted) return
      const { events } = joined([], answer.changes.map(eventOf), -Infinity)
      held = { ...extent, events, bars: barsOf(answer.findings), truncated: answer.truncated, damages: answer.damages }
      failure = undefined
      at = Date.now()
      asked = undefined
      flush()
    } catch (error) {
      if (!signal.aborted) failed(error, () => void load())
    } finally {
      if (!signal.aborted) loading = false
    }
  }

  /** Something may be new: what came after the last change that is held, and all findings. */
  async function catchUp(): Promise<void> {
    const base = held
    if (!base?.live || asked) return
    const after = base.events.reduce((most, event) => Math.max(most, event.change.seq), 0)
    const { signal } = abort
    try {
      const answer = await ask<Timeline>(pathOf({ ...base, live: true }, { after }), { signal })
      if (signal.aborted || !held?.live) return
      failure = undefined
      at = Date.now()
      if (answer.truncated) return void load()
      const { events, dropped } = joined(held.events, answer.changes.map(eventOf), held.from)
      held = { ...held, events, bars: barsOf(answer.findings), truncated: held.truncated || dropped }
    } catch (error) {
      if (!signal.aborted) failed(error, catchUpSoon)
    }
  }

  function catchUpSoon(): void {
    if (catching !== undefined || !held?.live) return
    catching = setTimeout(() => {
      catching = undefined
      void catchUp()
    }, at === undefined ? 0 : Math.max(0, at + PAUSE - Date.now()))
  }

  function taken(changes: Change[]): void {
    if (asked === undefined && !held?.live) return
    pending = [...pending, ...changes].slice(-EVENTS_MAX)
    flushing ??= setTimeout(flush, GATHER)
  }

  function flush(): void {
    clearTimeout(flushing)
    flushing = undefined
    if (!held || asked || pending.length === 0) return
    const fresh = pending.map(eventOf).filter((event) => held !== undefined && (held.live || event.at <= held.to))
    pending = []
    const { events, dropped } = joined(held.events, fresh, held.from)
    held = { ...held, events, truncated: held.truncated || dropped }
  }

  function failed(error: unknown, again: () => void): void {
    failure = error instanceof Failure ? error : new Failure('broken', String(error))
    asked = undefined
    clearTimeout(timer)
    if (failure.kind === 'away' || failure.kind === 'broken') timer = setTimeout(again, RETRY)
    // A refusal stays one: asked again only when something else is wanted.
    else asked = extentOf(untrack(wanted), untrack(now), false)
  }

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

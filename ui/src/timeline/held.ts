// What the page holds of the past: which part, whether that is enough for what is looked at, and how new changes join. Pure.
import type { Span } from '../route/range'
import type { StreamedChange } from '../api/types'
import { eventOf, type Bar, type Event } from './event'

/** Most changes that the page holds: as many as an answer has at most. */
export const EVENTS_MAX = 10_000
/** An end this near to now is now. */
const NOW_SLACK = 5_000
/** An end that was now stays open this long for what is still under way. */
const CLOSING = 10_000

/** What the page wants to show. */
export interface Wanted {
  view: Span
  /** The end is now, whenever that is. */
  follows: boolean
  /** Only these attributes, if the whole is too much. */
  attributes: string | undefined
  language: string
}

/** Which part of the past is held. */
export interface Extent {
  from: number
  to: number
  /** The stream goes on where it ends. */
  live: boolean
  /** Length of what was asked for, milliseconds. */
  length: number
  attributes: string | undefined
  language: string
  /** Something older is left out. */
  truncated: boolean
}

export interface Held extends Extent {
  /** In order of time. */
  events: Event[]
  bars: Bar[]
  damages: string[]
}

/** What an answer to `wanted` will cover. */
export function extentOf(wanted: Wanted, now: number, narrowed: boolean): Extent {
  const { view, attributes, language } = wanted
  return {
    from: view.from, to: view.to, live: wanted.follows || view.to >= now - NOW_SLACK, length: view.to - view.from,
    attributes: narrowed ? attributes : undefined, language, truncated: false,
  }
}

/** Whether what is held (or under way) is enough. `begin` is the oldest change held. */
export function covers(held: Extent, wanted: Wanted, begin: number): boolean {
  const { view } = wanted
  if (held.language !== wanted.language) return false
  if (held.attributes !== undefined && held.attributes !== wanted.attributes) return false
  if (held.truncated && held.attributes !== wanted.attributes) return false
  if (view.from < held.from - 1 || (!held.live && view.to > held.to + 1)) return false
  // Where older changes are left out, a shorter range may have them.
  return !held.truncated || view.from >= begin || view.to - view.from > held.length * 0.98
}

/** As time goes on: what lies further back than the view is long is let go, and an end that was now closes. */
export function aged(held: Held, wanted: Wanted, now: number): Held {
  const { view, follows } = wanted
  const length = view.to - view.from
  if (held.live && !follows && now > view.to + CLOSING) return { ...held, live: false, to: view.to }
  // In steps: not each second a bit.
  if (!follows || !held.live || held.from > view.from - 2 * length) return held
  return { ...held, from: view.from - length, events: joined(held.events, [], view.from - length).events }
}

/** A change of the stream. While the disk does not take it, it has no number in the journal; the stream's own tells it apart. */
export function streamed(change: StreamedChange): Event {
  const event = eventOf(change)
  return isUnstored(event) ? { ...event, key: `${change.n} of ${change.observed_at}` } : event
}

const isUnstored = (event: Event): boolean => event.change.seq === 0

/** Whether some have no number in the journal yet. */
export const awaitsNumbers = (events: readonly Event[]): boolean => events.some(isUnstored)

/** What is held, without changes that came unstored and that `answer`, all that was stored after them, settles: it has them
 *  under their numbers, or it has later ones, so that they were lost (a gap tells of it). */
export function settled(old: readonly Event[], answer: readonly Event[]): Event[] {
  const same = ({ change }: Event): string =>
    JSON.stringify([change.observed_at, change.resource.uid, change.attribute, change.value])
  const stored = new Set(answer.map(same))
  const until = answer.reduce((latest, event) => Math.max(latest, event.at), -Infinity)
  return old.filter((event) => !isUnstored(event) || (event.at >= until && !stored.has(same(event))))
}

/** Of `old` what an answer to `extent` can't have, for the disk did not take it yet. */
export function unstoredWithin(old: readonly Event[], extent: Extent): Event[] {
  return old.filter((event) => isUnstored(event) && event.at >= extent.from && (extent.live || event.at <= extent.to))
}

/** Joins new events: each once, in order, the oldest dropped beyond the limit and before `from`. */
export function joined(old: readonly Event[], fresh: readonly Event[], from: number, max = EVENTS_MAX): { events: Event[]; dropped: boolean } {
  const known = new Set(old.map((event) => event.key))
  const added: Event[] = []
  for (const event of fresh) {
    if (known.has(event.key)) continue
    known.add(event.key)
    added.push(event)
  }
  let events = added.length === 0 ? [...old] : [...old, ...added]
  const last = old.at(-1)
  if (added.some((event, at) => event.at < (added[at - 1] ?? last ?? event).at)) events.sort(byTime)
  if ((events[0]?.at ?? from) < from) events = events.filter((event) => event.at >= from)
  const dropped = events.length > max
  return { events: dropped ? events.slice(-max) : events, dropped }
}

export const byTime = (a: Event, b: Event): number => a.at - b.at || a.change.seq - b.change.seq

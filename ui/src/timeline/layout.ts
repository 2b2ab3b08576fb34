// Where lanes and marks lie on the canvas, and what lies at a point. Pure.
import type { Span } from '../route/range'
import { TICK, type Bar, type Event } from './event'
import { lowerBound, type Lane } from './lanes'
import type { State, Stretch } from './state'

/** Sizes in CSS pixels. */
export interface Sizes {
  width: number
  /** Of the column of names; 0 = names stand above their lanes. */
  names: number
  axis: number
}

export const AXIS = 26
/** Below this width names stand above their lanes. */
export const NARROW = 640
/** Room on the right, so that a mark of just now is whole. */
export const RIGHT = 10
/** Marks nearer than this become one. */
export const MERGE = 15
const REACH = 9
const REACH_TICK = 4

const LANE = 32
const BAR = 20
const NAME_LINE = 17

export function sizesOf(width: number): Sizes {
  return { width, names: width < NARROW ? 0 : Math.min(240, Math.round(width * 0.17)), axis: AXIS }
}

/** A lane and its place; `y` counts from the top of all lanes. */
export interface Placed {
  lane: Lane
  y: number
  height: number
  /** Middle of the row of marks, from `y`. */
  middle: number
  /** Top of the row of findings, from `y`. */
  bars: number
}

/** All lanes from top to bottom. */
export function placed(lanes: readonly Lane[], sizes: Sizes): Placed[] {
  const head = sizes.names === 0 ? NAME_LINE : 0
  let y = 0
  return lanes.map((lane) => {
    const bars = lane.bars.length > 0 ? BAR : 0
    const one = { lane, y, height: head + bars + LANE, middle: head + bars + LANE / 2, bars: head + 3 }
    y += one.height
    return one
  })
}

export const heightOf = (all: readonly Placed[]): number => {
  const last = all.at(-1)
  return last ? last.y + last.height : 0
}

/** Index of the lane at `y`; −1 above and below all. */
export function laneAt(all: readonly Placed[], y: number): number {
  let low = 0
  let high = all.length - 1
  while (low <= high) {
    const middle = (low + high) >>> 1
    const one = all[middle]
    if (!one) return -1
    if (y < one.y) high = middle - 1
    else if (y >= one.y + one.height) low = middle + 1
    else return middle
  }
  return -1
}

const lengthOf = (sizes: Sizes): number => sizes.width - sizes.names - RIGHT

export const xOf = (at: number, view: Span, sizes: Sizes): number =>
  sizes.names + ((at - view.from) / (view.to - view.from)) * lengthOf(sizes)

export const timeOf = (x: number, view: Span, sizes: Sizes): number =>
  view.from + ((x - sizes.names) / lengthOf(sizes)) * (view.to - view.from)

/** Marks that fall together. */
export interface Cluster {
  x: number
  /** The one that is drawn. */
  top: Event
  count: number
}

/** Marks of a lane within the view, merged so that none covers another. `events` are in order. */
export function clusters(events: readonly Event[], view: Span, sizes: Sizes): Cluster[] {
  const out: Cluster[] = []
  let current: Cluster | undefined
  let start = 0
  for (let at = lowerBound(events, view.from); at < events.length; at += 1) {
    const event = events[at]
    if (!event || event.at > view.to) break
    if (event.mark.weight <= TICK) continue
    const x = xOf(event.at, view, sizes)
    if (current && x - start < MERGE) {
      current.count += 1
      if (event.mark.weight > current.top.mark.weight) {
        current.top = event
        current.x = Math.max(x, (out.at(-2)?.x ?? -Infinity) + MERGE)
      }
      continue
    }
    start = x
    current = { x: Math.max(x, (current?.x ?? -Infinity) + MERGE), top: event, count: 1 }
    out.push(current)
  }
  return out
}

/** A state on the canvas. */
export interface Strip {
  state: State
  x: number
  width: number
}

/** States within the view; those of one kind that touch become one. `states` are in the order of painting. */
export function strips(states: readonly Stretch[], view: Span, now: number, sizes: Sizes): Strip[] {
  const out: Strip[] = []
  let last: Strip | undefined
  for (const one of states) {
    const to = one.to ?? now
    if (to < view.from || one.from > view.to) continue
    const x = Math.max(sizes.names, xOf(one.from, view, sizes))
    const end = Math.max(x + 1, Math.min(sizes.width, xOf(to, view, sizes)))
    if (last?.state === one.state && x <= last.x + last.width + 0.5) {
      last.width = Math.max(last.width, end - last.x)
      continue
    }
    last = { state: one.state, x, width: end - x }
    out.push(last)
  }
  return out
}

/** Columns of pixels in which a lane has ticks. */
export function ticksOf(events: readonly Event[], view: Span, sizes: Sizes): number[] {
  const out: number[] = []
  let last = -1
  for (let at = lowerBound(events, view.from); at < events.length; at += 1) {
    const event = events[at]
    if (!event || event.at > view.to) break
    if (event.mark.weight > TICK) continue
    const x = Math.round(xOf(event.at, view, sizes))
    if (x !== last) out.push(x)
    last = x
  }
  return out
}

/** What lies at a point of the canvas. */
export interface Hit {
  lane: Lane
  /** On the name of the lane. */
  name: boolean
  event?: Event
  /** How many events the mark stands for. */
  count: number
  bar?: Bar
}

/** `y` counts from the top of all lanes; bars without an end are known until `now`. */
export function hit(all: readonly Placed[], x: number, y: number, view: Span, sizes: Sizes, now = view.to): Hit | undefined {
  const one = all[laneAt(all, y)]
  if (!one) return undefined
  const { lane } = one
  if (x < sizes.names) return { lane, name: true, count: 0 }
  if (lane.bars.length > 0 && y >= one.y + one.bars - 3 && y < one.y + one.bars + BAR - 3) {
    const at = timeOf(x, view, sizes)
    const bar = lane.bars.findLast((bar) => bar.from <= at && (bar.to ?? now) >= at)
    // A short finding is drawn wider than it lasted.
    const near = bar ?? lane.bars.findLast((bar) => Math.abs(xOf(Math.max(bar.from, view.from), view, sizes) - x) <= REACH * 2)
    if (near) return { lane, name: false, count: 0, bar: near }
  }
  const cluster = nearest(clusters(lane.events, view, sizes), (one) => Math.abs(one.x - x), REACH)
  if (cluster) return { lane, name: false, event: cluster.top, count: cluster.count }
  const tick = nearestTick(lane.events, x, view, sizes)
  return tick ? { lane, name: false, event: tick, count: 1 } : { lane, name: false, count: 0 }
}

function nearest<T>(all: readonly T[], distance: (one: T) => number, reach: number): T | undefined {
  let best: T | undefined
  let least = reach
  for (const one of all) {
    if (distance(one) > least) continue
    least = distance(one)
    best = one
  }
  return best
}

function nearestTick(events: readonly Event[], x: number, view: Span, sizes: Sizes): Event | undefined {
  const begin = lowerBound(events, timeOf(x - REACH_TICK, view, sizes))
  const end = lowerBound(events, timeOf(x + REACH_TICK, view, sizes))
  return nearest(events.slice(begin, end), (event) => Math.abs(xOf(event.at, view, sizes) - x), REACH_TICK)
}

/** The event before or after a point in time (or after a chosen event) in a lane. */
export function neighbour(events: readonly Event[], from: Event | number, step: 1 | -1): Event | undefined {
  if (typeof from !== 'number') {
    let at = lowerBound(events, from.at)
    while (at < events.length && events[at] !== from && events[at]?.at === from.at) at += 1
    if (events[at] === from) return events[at + step]
    return neighbour(events, from.at, step)
  }
  const at = lowerBound(events, from)
  return step > 0 ? events[at] : events[at - 1]
}

/** The event of a lane nearest to a point in time. */
export function closest(events: readonly Event[], at: number): Event | undefined {
  const next = lowerBound(events, at)
  const [before, after] = [events[next - 1], events[next]]
  if (!before || !after) return after ?? before
  return at - before.at <= after.at - at ? before : after
}

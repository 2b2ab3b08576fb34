// Events and findings sorted into lanes, and what the filters leave of them. Pure.
import type { Level, Resource } from '../api/types'
import { workloadOf } from '../part/workload-name'
import { rank, type Bar, type Event, type Kind } from './event'
import { inOrder, stretches, type Stretch } from './state'

export const GROUPS = ['workload', 'instance', 'plane'] as const
export type Group = (typeof GROUPS)[number]
export type PlaneName = 'control' | 'data' | 'container'

/** One lane. */
export interface Lane {
  key: string
  name: string
  plane: PlaneName
  /** The workload whose page it leads to. */
  workload: string | undefined
  /** The loudest finding in it. */
  level: Level | undefined
  /** Oldest first. */
  events: Event[]
  /** In the order of painting. */
  states: Stretch[]
  /** In the order of painting: the loudest last. */
  bars: Bar[]
}

/** A row of the table: an event, a finding, or an event with the finding that it began. */
export interface Row {
  key: string
  at: number
  event: Event | undefined
  bar: Bar | undefined
  resource: Resource
}

/** What is left out. */
export interface Filter {
  /** Part of a name, lower case. */
  q: string
  /** Empty: all. */
  kinds: ReadonlySet<Kind>
  levelsOnly: boolean
}

/** A finding begins with a change that is seen at most this long before or after, milliseconds. */
const NEAR = 1_000

/** The plane that a resource belongs to. */
export function planeOf(resource: Resource): PlaneName {
  if (resource.kind === 'cluster') return 'control'
  return resource.kind === 'node' ? 'data' : 'container'
}

function place(resource: Resource, group: Group): { key: string; name: string } {
  const plane = planeOf(resource)
  if (group === 'plane') return { key: plane, name: plane }
  if (plane !== 'container') return { key: `${plane} ${resource.cluster} ${resource.name}`, name: resource.name }
  const workload = workloadOf(resource)
  if (group === 'workload' && workload !== undefined) return { key: `workload ${resource.cluster} ${workload}`, name: workload }
  return { key: `instance ${resource.cluster} ${resource.name}`, name: resource.name }
}

/** Whether a resource's name, or its workload's, has the text. */
export function named(resource: Resource, q: string): boolean {
  if (q === '') return true
  return resource.name.toLowerCase().includes(q) || (workloadOf(resource)?.toLowerCase().includes(q) ?? false)
}

const shown = (event: Event, filter: Filter): boolean =>
  !filter.levelsOnly && (filter.kinds.size === 0 || filter.kinds.has(event.kind))

const PLANES: readonly PlaneName[] = ['control', 'data', 'container']

/** Lanes of all that the filter leaves. `begin` is where the seen time begins. */
export function lanesOf(events: readonly Event[], bars: readonly Bar[], group: Group, filter: Filter, begin: number): Lane[] {
  const lanes = new Map<string, Lane>()
  // Those of each container; undefined for what is left out.
  const own = new Map<string, { lane: Lane; events: Event[] } | undefined>()
  const laneOf = (resource: Resource): Lane => {
    const { key, name } = place(resource, group)
    let lane = lanes.get(key)
    if (!lane) {
      const workload = group === 'plane' ? undefined : workloadOf(resource)
      lane = { key, name, plane: planeOf(resource), workload, level: undefined, events: [], states: [], bars: [] }
      lanes.set(key, lane)
    }
    return lane
  }
  for (const bar of bars) {
    if (!named(bar.finding.resource, filter.q)) continue
    const lane = laneOf(bar.finding.resource)
    lane.bars.push(bar)
    if (lane.level === undefined || rank(bar.finding.level) > rank(lane.level)) lane.level = bar.finding.level
  }
  for (const event of events) {
    const { resource } = event.change
    if (!own.has(resource.uid)) {
      // Without marks a lane is there for its findings only.
      const wanted = named(resource, filter.q) && (!filter.levelsOnly || lanes.has(place(resource, group).key))
      own.set(resource.uid, wanted ? { lane: laneOf(resource), events: [] } : undefined)
    }
    const mine = own.get(resource.uid)
    if (!mine) continue
    mine.events.push(event)
    if (shown(event, filter)) mine.lane.events.push(event)
  }
  for (const mine of own.values()) {
    if (mine && mine.lane.plane === 'container') mine.lane.states.push(...stretches(mine.events, begin))
  }
  const all = [...lanes.values()].filter((lane) => lane.events.length > 0 || lane.bars.length > 0)
  for (const lane of all) {
    inOrder(lane.states)
    lane.bars.sort((a, b) => rank(a.finding.level) - rank(b.finding.level) || a.from - b.from)
  }
  return all.sort(before)
}

/** Planes from above to below; in each the loudest first, then by name. */
function before(a: Lane, b: Lane): number {
  const level = (lane: Lane): number => (lane.level === undefined ? -1 : rank(lane.level))
  return (
    PLANES.indexOf(a.plane) - PLANES.indexOf(b.plane) || level(b) - level(a) ||
    (a.name < b.name ? -1 : a.name > b.name ? 1 : a.key < b.key ? -1 : 1)
  )
}

/** Rows of the table, the newest first. Events must be in order. */
export function rowsOf(events: readonly Event[], bars: readonly Bar[], filter: Filter): Row[] {
  const begun = new Map<string, Bar>()
  const alone: Bar[] = []
  for (const bar of bars) {
    if (!named(bar.finding.resource, filter.q)) continue
    const event = beginOf(bar, events)
    if (event && !begun.has(event.key) && (filter.levelsOnly || shown(event, filter))) begun.set(event.key, bar)
    else alone.push(bar)
  }
  const rows: Row[] = []
  for (const event of events) {
    const { resource } = event.change
    const bar = begun.get(event.key)
    if (bar || (shown(event, filter) && named(resource, filter.q))) rows.push({ key: event.key, at: event.at, event, bar, resource })
  }
  for (const bar of alone) rows.push({ key: bar.key, at: bar.from, event: undefined, bar, resource: bar.finding.resource })
  return rows.sort((a, b) => b.at - a.at || order(b) - order(a))
}

const order = (row: Row): number => row.event?.change.seq ?? Number.MAX_SAFE_INTEGER

/** The change that a finding began with: the nearest one of its resource. */
function beginOf(bar: Bar, events: readonly Event[]): Event | undefined {
  const { resource } = bar.finding
  const workload = workloadOf(resource)
  let best: Event | undefined
  for (let at = lowerBound(events, bar.from - NEAR); at < events.length; at += 1) {
    const event = events[at]
    if (!event || event.at > bar.from + NEAR) break
    const other = event.change.resource
    if (other.uid !== resource.uid && (workload === undefined || workloadOf(other) !== workload)) continue
    const further = best ? Math.abs(event.at - bar.from) - Math.abs(best.at - bar.from) : -1
    if (further < 0 || (further === 0 && best && event.mark.weight > best.mark.weight)) best = event
  }
  return best
}

/** Index of the first event at `at` or later. */
export function lowerBound(events: readonly Event[], at: number): number {
  let low = 0
  let high = events.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((events[middle]?.at ?? Infinity) < at) low = middle + 1
    else high = middle
  }
  return low
}

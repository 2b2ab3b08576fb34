// What collectors and counters say of themselves, in a form to show. Their figures differ by collector, so nothing is
// taken for granted. Pure.
import type { Status } from '../api/types'

type Collector = Status['collectors'][number]

/** A feature, the right that it takes, and whether this process has it. */
export interface Right {
  feature: string
  right: string
  reason: string
  on: boolean
  detail: string
}

/** A figure: a number, a text, or a part that is on or off with its reason. */
export interface Fact {
  name: string
  value: string | number | { on: boolean; reason: string }
}

/** Name under which rights are reported among the collectors. */
const RIGHTS = 'rights'
/** What the detail says already. */
const TOLD = new Set(['state', 'detail'])
/** Most figures that are shown of one collector. */
const FACTS_MAX = 40
/** Counters whose name has one of these tell of something lost. */
const LOSSES = ['dropped', 'shed', 'rejected', 'overflow', 'lost', 'gave_up', 'without_receiver', 'refused', 'damaged', 'unreadable']

/** Collectors without the rights, which are shown as a table. */
export const watchers = (status: Status): Collector[] => status.collectors.filter((one) => one.name !== RIGHTS)

/** All rights, those that are missing first. */
export function rightsOf(status: Status): Right[] {
  const lists = status.collectors.filter((one) => one.name === RIGHTS).map((one) => fieldOf(one.facts, 'rights'))
  const rights = lists.flatMap((list): unknown[] => (Array.isArray(list) ? list : [])).filter(isRight)
  return [...rights.filter((right) => !right.on), ...rights.filter((right) => right.on)]
}

/** Figures of a collector in the order it gives them. */
export function factsOf(collector: Collector): Fact[] {
  if (!isObject(collector.facts)) return []
  const facts = Object.entries(collector.facts).flatMap(([name, value]): Fact[] => {
    if (TOLD.has(name)) return []
    if (typeof value === 'number' || (typeof value === 'string' && value !== '')) return [{ name, value }]
    return isWitness(value) ? [{ name, value }] : []
  })
  return facts.slice(0, FACTS_MAX)
}

/** Counters by name; `lossesOnly` those that tell of something lost. */
export function countersOf(status: Status, lossesOnly: boolean): [string, number][] {
  const tells = ([name, count]: [string, number]): boolean => !lossesOnly || (count > 0 && LOSSES.some((loss) => name.includes(loss)))
  return Object.entries(status.counters).filter(tells).sort(([a], [b]) => (a < b ? -1 : 1))
}

/** How much of a budget is used, 0 to 1. */
export const share = (used: number, limit: number): number => (limit > 0 ? Math.min(1, Math.max(0, used / limit)) : 0)

/** Whether a figure is a point in time as the server writes them. */
export const isTime = (value: unknown): value is string => typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*Z$/.test(value)

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)

const fieldOf = (value: unknown, name: string): unknown => (isObject(value) ? value[name] : undefined)

const isWitness = (value: unknown): value is { on: boolean; reason: string } =>
  isObject(value) && typeof value['on'] === 'boolean' && typeof value['reason'] === 'string'

function isRight(value: unknown): value is Right {
  const texts = ['feature', 'right', 'reason', 'detail']
  return isObject(value) && typeof value['on'] === 'boolean' && texts.every((name) => typeof value[name] === 'string')
}

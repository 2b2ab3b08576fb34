// The list of workloads: what a row says, which rows are shown, in which order. Pure.
import type { Level, NowRow, Workload } from '../api/types'
import { loudest } from './loudest'

/** How many instances are in a state, in the words of the server. */
export interface StateCount {
  state: string
  count: number
}

/** What a row says. */
export interface WorkloadRow {
  name: string
  cluster: string
  kind: Workload['kind']
  desired: number
  ready: number
  level: Level
  states: StateCount[]
  /** Since when its loudest finding is open; where none is, when the last instance came into its state. */
  since?: string
  restarts: number
  images: string[]
  /** Who heals it; known of those with an open finding. */
  healer?: string
}

export const SORTS = ['level', 'name', 'since', 'restarts'] as const
export type Sort = (typeof SORTS)[number]
export const LEVELS: readonly Level[] = ['alert', 'notice', 'none']
/** Most rows that are drawn; beyond them one narrows the list. */
export const ROWS_MAX = 1000

const RANK: Record<Level, number> = { alert: 0, notice: 1, none: 2 }

/** Rows of an answer; `findings` are the open ones: who heals, and since when it is so, the loudest of them says. */
export function rowsOf(workloads: readonly Workload[], findings: readonly NowRow[]): WorkloadRow[] {
  const open = new Map<string, NowRow[]>()
  const placeOf = (cluster: string, name: string): string => `${cluster} ${name}`
  for (const finding of findings) {
    if (finding.workload_name === undefined) continue
    const place = placeOf(finding.resource.cluster, finding.workload_name)
    open.set(place, [...(open.get(place) ?? []), finding])
  }
  return workloads.map((workload) => rowOf(workload, loudest(open.get(placeOf(workload.cluster, workload.name)) ?? [])))
}

function rowOf(workload: Workload, finding: NowRow | undefined): WorkloadRow {
  const { name, cluster, kind, desired, ready, level, instances } = workload
  const counts = new Map<string, number>()
  for (const { state } of instances) counts.set(state, (counts.get(state) ?? 0) + 1)
  const stateSince = instances.reduce<string | undefined>((newest, one) => (newest === undefined || one.since > newest ? one.since : newest), undefined)
  return {
    name, cluster, kind, desired, ready, level, since: finding?.started_at ?? stateSince, healer: finding?.healing.healer,
    states: [...counts].map(([state, count]) => ({ state, count })),
    restarts: instances.reduce((sum, one) => sum + one.restarts, 0),
    images: [...new Set(instances.map((one) => one.image))],
  }
}

/** Whether a row has all words of a text, in its name, state (also as `stateWord` shows it), image or healer. */
export function has(row: WorkloadRow, text: string, stateWord = (state: string): string => state): boolean {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== '')
  if (words.length === 0) return true
  const said = [row.name, ...row.states.flatMap((one) => [one.state, stateWord(one.state)]), ...row.images, row.healer ?? ''].join('\n').toLowerCase()
  return words.every((word) => said.includes(word))
}

/** Levels as they stand in the address, `alert,notice`; nothing and nonsense mean all. */
export function levelsOf(text: string | undefined): Level[] {
  const named = (text ?? '').split(',')
  return LEVELS.filter((level) => named.includes(level))
}

/** The address's text after a press on a level; undefined for all. */
export function toggled(levels: readonly Level[], level: Level): string | undefined {
  const next = LEVELS.filter((one) => (one === level ? !levels.includes(one) : levels.includes(one)))
  return next.length === 0 || next.length === LEVELS.length ? undefined : next.join(',')
}

export const sortOf = (text: string | undefined): Sort => SORTS.find((sort) => sort === text) ?? 'level'

/** How many rows are of each level. */
export function countLevels(rows: readonly WorkloadRow[]): Record<Level, number> {
  const counts: Record<Level, number> = { alert: 0, notice: 0, none: 0 }
  for (const row of rows) counts[row.level] += 1
  return counts
}

// A comparison with `Intl` rules is dear to make anew for each pair.
const names = new Intl.Collator('en', { numeric: true })

const ORDERS: Record<Sort, (a: WorkloadRow, b: WorkloadRow) => number> = {
  level: (a, b) => RANK[a.level] - RANK[b.level],
  name: () => 0,
  since: (a, b) => (b.since ?? '').localeCompare(a.since ?? ''),
  restarts: (a, b) => b.restarts - a.restarts,
}

/** In the order to show; those that are equal by their name. */
export function sorted(rows: readonly WorkloadRow[], sort: Sort): WorkloadRow[] {
  return [...rows].sort((a, b) => ORDERS[sort](a, b) || names.compare(a.name, b.name) || names.compare(a.cluster, b.cluster))
}

// Lines of "what changed": from the overview's last hour, or from the timeline of a chosen range. Pure.
import { withQuery } from '../api/client'
import type { Change, Happening } from '../api/types'
import { parseTime, type Range } from '../route/range'
import type { ChangeKind } from './words'
import { workloadOf } from './workload-name'

/** One line. */
export interface ChangeLine {
  /** When Hinomi saw it: orders all, and is what ranges are cut by. */
  at: string
  /** When it happened, if that was noticeably another time. */
  occurred?: string
  kind: ChangeKind
  words: string
  /** Whose: a workload, a host or a runtime. */
  name: string
  /** Name of the workload's page, if it is one. */
  workload?: string
}

/** Most lines that are asked for and shown. */
export const LINES_MAX = 100
/** From this on the time of what happened and the time it was seen are told apart, milliseconds. */
const APART = 2_000
/** What of the timeline is a change that somebody wanted, or that concerns everything. */
const ATTRIBUTES = 'spec,intent,runtime,gap,name'

/** What to ask for the changes of a range; `now` is read once, when the range was chosen. */
export function changesPath(range: Range, now: number): string | undefined {
  const from = parseTime(range.from, now)
  const to = parseTime(range.to, now)
  if (from === undefined || to === undefined || from >= to) return undefined
  const common = { attributes: ATTRIBUTES, limit: LINES_MAX }
  // A range that ends now goes on; its begin moves along on the server's side.
  if (range.to === 'now' && range.from.startsWith('now'))
    return withQuery('/timeline', { since: `${Math.round((to - from) / 1000)}s`, ...common })
  const end = range.to === 'now' ? undefined : new Date(to).toISOString()
  return withQuery('/timeline', { from: new Date(from).toISOString(), to: end, ...common })
}

export function ofHappening(happening: Happening): ChangeLine {
  const workload = happening.workload_name
  return { at: happening.at, kind: happening.kind, words: happening.words, name: workload ?? happening.resource.name, workload }
}

const KINDS: Partial<Record<Change['attribute'], Happening['kind']>> = {
  spec: 'configuration', intent: 'intent', runtime: 'runtime', gap: 'gap', name: 'renamed',
}

export function ofChange(change: Change): ChangeLine {
  const workload = workloadOf(change.resource)
  const { occurred_at: occurred, observed_at: at } = change
  const apart = Math.abs(Date.parse(at) - Date.parse(occurred)) > APART
  return { at, ...(apart && { occurred }), kind: kindOf(change), words: change.words, name: workload ?? change.resource.name, workload }
}

function kindOf(change: Change): ChangeKind {
  const first = change.attribute === 'spec' && change.old === undefined
  if (first) return change.source === 'reconcile' ? 'found' : 'created'
  return KINDS[change.attribute] ?? 'configuration'
}

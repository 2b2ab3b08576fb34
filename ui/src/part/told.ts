// Whether somebody was told of an incident, and why nobody was. Pure.
import type { Delivery, FindingDetail, Level } from '../api/types'

/**
 * `messages`: they are listed. `names`: somebody was told, but the messages are no longer kept. `level`: of level None
 * nobody is told. `route`: no route takes this level to a receiver. `not_yet`: a route does, or it is not known whether
 * one does.
 */
export type Telling = 'messages' | 'names' | 'level' | 'route' | 'not_yet'

/** `unheard`: the levels that no route takes to a receiver, if known. */
export function telling(finding: Pick<FindingDetail, 'deliveries' | 'told' | 'incident_level'>, unheard?: readonly Level[]): Telling {
  if (finding.deliveries.length > 0) return 'messages'
  if (finding.told.length > 0) return 'names'
  if (finding.incident_level === 'none') return 'level'
  return unheard?.includes(finding.incident_level) ? 'route' : 'not_yet'
}

/** From queued to accepted or given up, milliseconds. */
export function took(delivery: Pick<Delivery, 'queued_at' | 'done_at'>): number | undefined {
  if (!delivery.done_at) return undefined
  return Math.max(0, Date.parse(delivery.done_at) - Date.parse(delivery.queued_at))
}

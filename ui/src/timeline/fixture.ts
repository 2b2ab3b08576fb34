// Made-up changes for tests.
import type { Change, Timeline } from '../api/types'
import { eventOf, type Event } from './event'

export const BEGIN = Date.parse('2026-11-24T03:00:00Z')

/** A change of the container `name` at so many seconds after `BEGIN`. */
export function changeOf(seq: number, name: string, attribute: Change['attribute'], value: unknown, second: number): Change {
  const at = new Date(BEGIN + second * 1000).toISOString()
  return {
    seq, attribute, value, words: `${attribute} of ${name}`, occurred_at: at, observed_at: at, source: 'runtime_event',
    resource: {
      tenant: 'default', cluster: 'box', kind: 'container', uid: `id of ${name}`, name, node: 'box',
      workload: { kind: 'compose_service', project: 'shop', name: name.replace(/-\d+$/, '') },
    },
  }
}

export const event = (...of: Parameters<typeof changeOf>): Event => eventOf(changeOf(...of))

type Finding = Timeline['findings'][number]

export function findingOf(id: string, name: string, level: Finding['level'], from: number, to?: number): Finding {
  const at = (second: number): string => new Date(BEGIN + second * 1000).toISOString()
  const { resource } = changeOf(0, name, 'phase', {}, 0)
  return { id, resource, level, cause: `cause of ${id}`, started_at: at(from), ...(to === undefined ? {} : { resolved_at: at(to) }) }
}

/** As many changes as an answer holds, over 300 containers and six hours. */
export function many(count: number): Event[] {
  const values: [Change['attribute'], unknown][] = [
    ['exit', { code: 137 }], ['phase', { state: 'restarting' }], ['phase', { state: 'running' }], ['stage', { stage: 'start', outcome: 'passed' }],
    ['health', { status: 'unhealthy' }], ['health', { status: 'healthy' }], ['oom', { witness: 'kmsg' }], ['spec', { image: 'shop:1' }],
  ]
  return Array.from({ length: count }, (_, n) => {
    const [attribute, value] = values[n % values.length] ?? ['phase', {}]
    return event(n, `web${Math.floor(n / 8) % 300}-1`, attribute, value, (n * 21_600) / count)
  })
}

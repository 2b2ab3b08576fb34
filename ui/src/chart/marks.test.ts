import { describe, expect, test } from 'vitest'
import type { Change, Timeline } from '../api/types'
import { clustersOf, countsOf, marksOf, type Mark, type Target } from './marks'

const at = (second: number): string => new Date(1_800_000_000_000 + second * 1_000).toISOString()
const resource = (name: string, more: Partial<Change['resource']> = {}): Change['resource'] => ({
  tenant: 'default', cluster: 'tower-1', kind: 'container', uid: name, name, node: 'tower-1', workload: { kind: 'compose_service', project: 'shop', name: 'web' }, ...more,
})
let seq = 0
const change = (attribute: Change['attribute'], second: number, more: Partial<Change> = {}): Change => ({
  seq: ++seq, words: attribute, attribute, value: {}, resource: resource('shop-web-1'), occurred_at: at(second), observed_at: at(second), source: 'runtime_event', ...more,
})
const finding = (from: number, to?: number): Timeline['findings'][number] => ({
  id: `f-${from}`, resource: resource('shop-web-1'), level: 'alert', cause: 'killed for memory', started_at: at(from), ...(to === undefined ? {} : { resolved_at: at(to) }),
})
const host = resource('tower-1', { kind: 'node', workload: undefined })
const other = resource('shop-db-1', { workload: { kind: 'compose_service', project: 'shop', name: 'db' } })
const workload: Target = { kind: 'workload', name: 'shop/web' }

describe('marks of the timeline', () => {
  const kinds = (changes: Change[], findings: Timeline['findings'] = [], target: Target = workload): string[] =>
    marksOf({ changes, findings }, target).map((mark) => mark.kind)

  test.each([
    ['what is marked', [change('oom', 3), change('exit', 1), change('spec', 2, { old: 'app:1' }), change('intent', 4), change('runtime', 5)], ['exit', 'deploy', 'oom', 'intent', 'runtime']],
    ['phases and stages are not', [change('phase', 1), change('stage', 2), change('health', 3), change('gap', 4)], []],
    ['what was there before is no deploy', [change('spec', 1, { source: 'reconcile' })], []],
    ['what replaced another while nobody looked is one', [change('spec', 1, { source: 'reconcile', old: 'app:1' })], ['deploy']],
    ['of others nothing', [change('oom', 1, { resource: other })], []],
    ['the host concerns all on it', [change('runtime', 1, { resource: host })], ['runtime']],
  ] as [string, Change[], string[]][])('%s', (_, changes, want) => expect(kinds(changes)).toEqual(want))

  test('a finding begins and ends', () => {
    expect(kinds([], [finding(1, 9)])).toEqual(['level', 'over'])
    expect(kinds([], [finding(1)])).toEqual(['level'])
  })

  test('by target', () => {
    const changes = [change('oom', 1), change('oom', 2, { resource: other }), change('oom', 3, { resource: resource('shop-web-2') })]
    expect(kinds(changes, [], { kind: 'instance', name: 'shop-web-1' })).toHaveLength(1)
    expect(kinds(changes)).toHaveLength(2)
    expect(kinds(changes, [], { kind: 'host', name: 'tower-1' })).toHaveLength(3)
    expect(kinds(changes, [], { kind: 'host', name: 'tower-2' })).toHaveLength(0)
  })

  test('each leads to its row of the timeline', () => {
    const one = change('oom', 1)
    expect(marksOf({ changes: [one], findings: [finding(2)] }, workload).map((mark) => mark.key)).toEqual([String(one.seq), 'f-2'])
  })
})

test('kills are counted once, though two tell of them', () => {
  const grid = { start: 1_800_000_000, end: 1_800_000_030, step: 10 }
  const changes = [
    change('oom', 3, { source: 'kernel' }), change('oom', 3.2, { source: 'runtime_event' }), change('oom', 7, { source: 'kernel' }),
    change('oom', 20, { source: 'kernel' }), change('oom', 31, { source: 'kernel' }), change('exit', 12),
  ]
  expect(countsOf(marksOf({ changes, findings: [] }, workload), 'oom', grid)).toEqual([0, 2, 1, 0])
  expect(countsOf([], 'oom', grid)).toEqual([0, 0, 0, 0])
})

describe('marks that would cover each other are one', () => {
  const mark = (second: number, weight: number): Mark => ({ key: `${second}`, kind: 'exit', at: second * 1_000, glyph: '■', tone: 'notice', words: '', source: 'kernel', name: '', weight })
  const keys = (marks: Mark[], width: number): string[] => clustersOf(marks, 0, 100_000, width).map((cluster) => cluster.marks.map(({ key }) => key).join('+'))

  test.each([
    [[mark(10, 1), mark(50, 1)], 1_000, ['10', '50']],
    [[mark(10, 1), mark(10.5, 1), mark(50, 1)], 1_000, ['10+10.5', '50']],
    [[mark(10, 1), mark(20, 1), mark(30, 1)], 60, ['10+20', '30']],
    [[mark(-1, 1), mark(0, 1), mark(100, 1), mark(101, 1)], 1_000, ['0', '100']],
    [[], 1_000, []],
  ] as [Mark[], number, string[]][])('%#', (marks, width, want) => expect(keys(marks, width)).toEqual(want))

  test('however heavy they are, no two stand on each other', () => {
    const many = Array.from({ length: 60 }, (_, at) => mark(at * 1.7, (at * 7) % 11))
    for (const width of [60, 200, 333, 1_000]) {
      const places = clustersOf(many, 0, 100_000, width).map(({ place }) => place * width)
      places.slice(1).forEach((place, at) => expect(place - (places[at] ?? 0)).toBeGreaterThanOrEqual(12))
      expect(clustersOf(many, 0, 100_000, width).flatMap((cluster) => cluster.marks)).toHaveLength(59)
    }
  })

  test('the heaviest is seen, where it is', () => {
    const [cluster] = clustersOf([mark(10, 1), mark(10.5, 9)], 0, 100_000, 1_000)
    expect(cluster?.top.key).toBe('10.5')
    expect(cluster?.place).toBeCloseTo(0.105)
  })
})

import { expect, test } from 'vitest'
import type { Status } from '../api/types'
import { countersOf, factsOf, isTime, rightsOf, share, watchers } from './collector-facts'

const right = (feature: string, on: boolean) => ({ feature, right: 'r', reason: 'w', on, detail: 'd' })
const status = (collectors: Status['collectors'], counters: Record<string, number> = {}): Status => ({ collectors, counters }) as Status
const collector = (name: string, facts: unknown): Status['collectors'][number] => ({ name, ok: true, detail: '', facts })

test('rights that are missing come first; what is no right is left out', () => {
  const said = status([collector('docker', null), collector('rights', { rights: [right('a', true), right('b', false), { feature: 'c' }, null] })])
  expect(rightsOf(said).map((one) => one.feature)).toEqual(['b', 'a'])
  expect(watchers(said).map((one) => one.name)).toEqual(['docker'])
})

test.each([null, 'text', [], { rights: 'none' }, { rights: { a: 1 } }])('facts that carry no rights: %j', (facts) =>
  expect(rightsOf(status([collector('rights', facts)]))).toEqual([]))

test('figures are numbers, texts and witnesses', () => {
  const facts = { state: 'connected', version: '27', detail: '', events: 3, empty: '', kmsg: { on: false, reason: 'no right' }, list: [1], more: { a: 1 } }
  expect(factsOf(collector('x', facts))).toEqual([
    { name: 'version', value: '27' },
    { name: 'events', value: 3 },
    { name: 'kmsg', value: { on: false, reason: 'no right' } },
  ])
  expect(factsOf(collector('x', null))).toEqual([])
})

test('counters by name, and those of a loss when they are not zero', () => {
  const said = status([], { taken: 5, docker_events_dropped: 2, changes_rejected_total: 0, alpha: 0 })
  expect(countersOf(said, true)).toEqual([['docker_events_dropped', 2]])
  expect(countersOf(said, false).map(([name]) => name)).toEqual(['alpha', 'changes_rejected_total', 'docker_events_dropped', 'taken'])
})

test('a share stays between nothing and all', () => {
  expect([share(1, 4), share(9, 4), share(1, 0)]).toEqual([0.25, 1, 0])
})

test.each([['2026-11-24T11:42:14.914Z', true], ['2026-11-24', false], ['Docker 27 at 2026-11-24T11:42:14Z', false], [20261124, false]])(
  'is %j a point in time: %s', (value, want) => expect(isTime(value)).toBe(want))

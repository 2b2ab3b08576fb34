import { expect, test } from 'vitest'
import { barOf, eventOf, type Kind } from './event'
import { BEGIN, changeOf, event, findingOf } from './fixture'
import { lanesOf, lowerBound, rowsOf, type Filter, type Group } from './lanes'

const all: Filter = { q: '', kinds: new Set(), levelsOnly: false }
const only = (...kinds: Kind[]): Filter => ({ ...all, kinds: new Set(kinds) })
const runtime = { ...changeOf(9, 'docker', 'runtime', { up: false }, 40), resource: { tenant: 'default', cluster: 'box', kind: 'cluster' as const, uid: 'd', name: 'docker' } }
const events = [
  event(1, 'web-1', 'phase', { state: 'running' }, 1),
  event(2, 'web-2', 'phase', { state: 'running' }, 2),
  event(3, 'db-1', 'exit', { code: 1 }, 30),
  event(4, 'web-1', 'oom', {}, 35),
  eventOf(runtime),
]
const bars = [findingOf('low', 'web-1', 'none', 10, 11), findingOf('high', 'web-2', 'alert', 35), findingOf('mid', 'db-1', 'notice', 30)].map(barOf)
const named = (group: Group, filter: Filter): string[] =>
  lanesOf(events, bars, group, filter, BEGIN).map((lane) => `${lane.name} ${lane.level ?? '-'} ${lane.events.length}/${lane.bars.length}`)

test('lanes: planes from above to below, the loudest first', () => {
  expect(named('workload', all)).toEqual(['docker - 1/0', 'shop/web alert 3/2', 'shop/db notice 1/1'])
  expect(named('instance', all)).toEqual(['docker - 1/0', 'web-2 alert 1/1', 'db-1 notice 1/1', 'web-1 none 2/1'])
  expect(named('plane', all)).toEqual(['control - 1/0', 'container alert 4/3'])
})

test('filters', () => {
  expect(named('workload', { ...all, q: 'db' })).toEqual(['shop/db notice 1/1'])
  expect(named('workload', { ...all, q: 'shop/w' })).toEqual(['shop/web alert 3/2'])
  expect(named('workload', only('oom'))).toEqual(['shop/web alert 1/2', 'shop/db notice 0/1'])
  expect(named('workload', { ...all, levelsOnly: true })).toEqual(['shop/web alert 0/2', 'shop/db notice 0/1'])
})

test('a filter of marks leaves the states', () => {
  const lane = lanesOf(events, [], 'workload', only('oom'), BEGIN)[0]
  expect(lane?.states.map((one) => one.state)).toEqual(['running', 'running'])
})

test('of bars the loudest is painted last', () => {
  expect(lanesOf([], bars, 'workload', all, BEGIN)[0]?.bars.map((bar) => bar.key)).toEqual(['low', 'high'])
})

const told = (filter: Filter): string[] => rowsOf(events, bars, filter).map((row) => `${row.event?.key ?? '-'} ${row.bar?.key ?? '-'}`)

test('rows: newest first; a finding stands with the change that it began with', () => {
  expect(told(all)).toEqual(['9 -', '4 high', '3 mid', '- low', '2 -', '1 -'])
  expect(told({ ...all, levelsOnly: true })).toEqual(['4 high', '3 mid', '- low'])
  expect(told(only('phase'))).toEqual(['- high', '- mid', '- low', '2 -', '1 -'])
  expect(told({ ...all, q: 'db' })).toEqual(['3 mid'])
})

test('a finding is not put to a change of somebody else', () => {
  expect(rowsOf([event(1, 'cache-1', 'oom', {}, 35)], [barOf(findingOf('f', 'web-1', 'alert', 35))], all).map((row) => row.bar?.key)).toEqual(['f', undefined])
})

test.each([[-1, 0], [1_000, 0], [1_001, 1], [30_000, 2], [99_000, 5]])('the first at %i ms or later', (at, want) => {
  expect(lowerBound(events, BEGIN + at)).toBe(want)
})

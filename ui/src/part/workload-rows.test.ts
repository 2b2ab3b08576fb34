import { expect, test } from 'vitest'
import type { Level, NowRow, Workload } from '../api/types'
import { countLevels, has, levelsOf, rowsOf, sorted, sortOf, toggled, type WorkloadRow } from './workload-rows'

const row = (name: string, more: Partial<WorkloadRow> = {}): WorkloadRow =>
  ({ name, cluster: 'host', kind: 'compose_service', desired: 1, ready: 1, level: 'none', states: [], restarts: 0, images: [], ...more })

test('a row sums its instances', () => {
  const instance = (state: string, since: string, image: string, restarts: number) =>
    ({ state, since, image, restarts, stages: [], resource: { tenant: 't', cluster: 'host', kind: 'container' as const, uid: since, name: 'x' } })
  const workload: Workload = {
    name: 'shop/web', cluster: 'host', kind: 'compose_service', desired: 3, ready: 2, level: 'alert',
    instances: [instance('running', '2026-01-01', 'app:1', 2), instance('exited', '2026-01-03', 'app:2', 1), instance('running', '2026-01-02', 'app:1', 0)],
  }
  const finding = (level: Level, started_at: string, healer: string, cluster = 'host') =>
    ({ workload_name: 'shop/web', resource: { cluster }, level, started_at, healing: { healer, state: 'working', tries: 1 } }) as NowRow
  const findings = [finding('notice', '2026-01-01', 'nobody'), finding('alert', '2025-12-31', 'Docker'), finding('alert', '2025-12-01', 'other', 'elsewhere')]
  expect(rowsOf([workload], findings)).toEqual([
    row('shop/web', {
      desired: 3, ready: 2, level: 'alert', restarts: 3, since: '2025-12-31', healer: 'Docker',
      states: [{ state: 'running', count: 2 }, { state: 'exited', count: 1 }], images: ['app:1', 'app:2'],
    }),
  ])
  expect(rowsOf([workload], [])[0]).toMatchObject({ since: '2026-01-03', healer: undefined })
  expect(rowsOf([{ ...workload, instances: [] }], [])[0]).toMatchObject({ since: undefined, healer: undefined, states: [], restarts: 0 })
})

test.each([
  ['', true],
  ['WEB', true],
  ['web exited', true],
  ['app:1 shop', true],
  ['web running', false],
])('the text %j finds shop/web: %s', (text, want) =>
  expect(has(row('shop/web', { states: [{ state: 'exited', count: 1 }], images: ['app:1'] }), text)).toBe(want))

test('a state is also found as it is shown', () => {
  const exited = row('web', { states: [{ state: 'exited', count: 1 }] })
  expect(has(exited, '終了', () => '終了')).toBe(true)
  expect(has(exited, '終了')).toBe(false)
})

test.each<[string | undefined, Level[]]>([
  [undefined, []],
  ['none,alert', ['alert', 'none']],
  ['loud', []],
])('levels of the address %j', (text, want) => expect(levelsOf(text)).toEqual(want))

test.each<[Level[], Level, string | undefined]>([
  [[], 'alert', 'alert'],
  [['alert'], 'notice', 'alert,notice'],
  [['alert'], 'alert', undefined],
  [['alert', 'notice'], 'none', undefined],
])('%j and a press on %s', (levels, level, want) => expect(toggled(levels, level)).toBe(want))

test('loudest first, then by name with its numbers as numbers', () => {
  const rows = [row('w10'), row('w2'), row('b', { level: 'notice' }), row('z', { level: 'alert' })]
  expect(sorted(rows, 'level').map((one) => one.name)).toEqual(['z', 'b', 'w2', 'w10'])
  expect(sorted(rows, 'name').map((one) => one.name)).toEqual(['b', 'w2', 'w10', 'z'])
})

test('newest and most restarted first; without a time last', () => {
  const rows = [row('a', { since: '2026-01-01', restarts: 1 }), row('b', { since: '2026-01-02' }), row('c', { restarts: 9 })]
  expect(sorted(rows, 'since').map((one) => one.name)).toEqual(['b', 'a', 'c'])
  expect(sorted(rows, 'restarts').map((one) => one.name)).toEqual(['c', 'a', 'b'])
  expect(sortOf('size')).toBe('level')
  expect(sortOf('since')).toBe('since')
})

test('levels are counted', () => {
  expect(countLevels([row('a'), row('b', { level: 'alert' })])).toEqual({ alert: 1, notice: 0, none: 1 })
})

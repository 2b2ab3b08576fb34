import { expect, test } from 'vitest'
import type { End, InstanceDetail, Level, NowRow, Stage } from '../api/types'
import { chosenInstance, failedOf, hasMore, instanceKey, olderRun, runOf, runsOf } from './runs'

const end = (at: string, text?: string): End => ({
  at, words: 'exit code 1', intended: false, oom: false, ...(text && { log: { lines: [{ stderr: true, text }] } }),
})
const newest = end('2026-11-24T03:00:09Z', 'boom')
const silent = end('2026-11-24T03:00:05Z')
const oldest = end('2026-11-24T03:00:01Z', 'first')
const log = { lines: [{ stderr: false, text: 'hello' }] }
const runs = runsOf({ log, ends: [newest, silent, oldest] })

test('the current run comes first, then the ended ones', () => {
  expect(runs).toEqual([{ key: 'now', log }, { key: newest.at, end: newest, log: newest.log }, { key: silent.at, end: silent }, { key: oldest.at, end: oldest, log: oldest.log }])
})

test.each([
  [undefined, 'now'],
  ['now', 'now'],
  [oldest.at, oldest.at],
  ['2020-01-01T00:00:00Z', 'now'],
])('the run of %s', (key, found) => {
  expect(runOf(runs, key).key).toBe(found)
})

test.each([
  [undefined, newest.at],
  ['now', newest.at],
  [newest.at, oldest.at],
  [silent.at, oldest.at],
  [oldest.at, 'now'],
  ['of another time', 'now'],
])('older than %s', (key, next) => {
  expect(olderRun(runs, key)).toBe(next)
})

const instance = (name: string, uid: string): InstanceDetail =>
  ({ resource: { name, uid }, ends: [], attempts: [], ledger: [] }) as unknown as InstanceDetail
const a = instance('shop-web-1', 'aaaaaaaaaaaaaaaaaaaa')
const b = instance('shop-web-2', 'bbbbbbbbbbbbbbbbbbbb')

test.each([
  ['the chosen one', instanceKey(b), [], b],
  ['by name too', 'shop-web-2', [], b],
  ['gone meanwhile: the first', 'cccccccccccc', [], a],
  ['none chosen: the one that is wrong', undefined, [b], b],
  ['none chosen, a finding about something else', undefined, [instance('x', 'x')], a],
  ['none chosen, nothing wrong', undefined, [], a],
])('instance: %s', (_, key, findings, found) => {
  expect(chosenInstance([a, b], key, findings)).toBe(found)
})

test('no instances', () => {
  expect(chosenInstance([], 'x', [])).toBeUndefined()
})

const launched = (number: number, restarts = number - 1): InstanceDetail =>
  ({ resource: { name: 'shop-web-1', uid: 'a' }, attempts: [{ number }, { number: number - 1 }], restarts }) as unknown as InstanceDetail
const blames = (uid: string, stage: Stage | undefined, level: Level = 'alert') =>
  ({ resource: { uid }, stage, level, started_at: '03:00' }) as unknown as NowRow

test.each([
  ['the newest launch', [blames('a', 'health')], 2, 'health 8'],
  ['the loudest of two', [blames('a', 'start', 'notice'), blames('a', 'health')], 2, 'health 8'],
  ['of another instance', [blames('b', 'health')], 2, undefined],
  ['of the workload, with one instance only', [blames('w', 'pull')], 1, 'pull 8'],
  ['no stage is blamed', [blames('a', undefined)], 1, undefined],
])('a blamed stage: %s', (_, findings, count, want) => {
  const found = failedOf({ findings, instances: Array.from({ length: count }) }, launched(8))
  expect(found && `${found.stage} ${found.number}`).toBe(want)
})

test.each([
  ['all are counted', launched(8), false],
  ['the counting began later', launched(8, 30), true],
  ['none is known', { attempts: [], restarts: 3 }, false],
])('launches before: %s', (_, instance, want) => expect(hasMore(instance)).toBe(want))

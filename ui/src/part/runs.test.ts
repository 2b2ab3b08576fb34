import { expect, test } from 'vitest'
import type { End, InstanceDetail } from '../api/types'
import { chosenInstance, instanceKey, olderRun, runOf, runsOf } from './runs'

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

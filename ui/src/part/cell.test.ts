import { expect, test } from 'vitest'
import type { Healing, Level } from '../api/types'
import { cellOf } from './cell'

type State = Healing['state']

const of = (state: State, level: Level, ready: number | undefined, desired: number | undefined = 2, resolved_at?: string, level_reason = '') =>
  cellOf({ level, level_reason, desired, ready, resolved_at, healing: { healer: 'somebody', state, tries: 1 } })

test.each([
  ['working', 'none', 2, 'working', ['full'], false],
  ['working', 'none', 1, 'working', ['reduced'], false],
  ['working', 'none', 0, 'working', ['within'], false],
  ['working', 'alert', 0, 'working', ['beyond'], false],
  ['working', 'notice', 0, 'working', ['within'], true],
  ['working', 'notice', 2, 'working', ['full'], true],
  ['overdue', 'notice', 2, 'standing', ['full'], false],
  ['overdue', 'alert', 1, 'standing', ['reduced'], false],
  ['stopped', 'alert', 0, 'standing', ['within', 'beyond'], false],
  ['healer_down', 'alert', 2, 'healer_down', ['full'], false],
] as const)('%s, %s, %s of 2 ready', (state, level, ready, row, columns, raised) => {
  expect(of(state, level, ready)).toEqual({ row, columns, raised })
})

test.each([
  ['healing stopped, serving none, within the start grace', ['within']],
  ['healing stopped, serving none, beyond the start grace', ['beyond']],
  ['自己修復は停止、稼働中のインスタンスなし（起動猶予内）', ['within']],
  ['自己修復は停止、稼働中のインスタンスなし（起動猶予を超過）', ['beyond']],
  ['other words', ['within', 'beyond']],
])('the start grace: %s', (reason, columns) => {
  expect(of('stopped', 'alert', 0, 1, undefined, reason)?.columns).toEqual(columns)
})

test.each([
  ['one-shot work that failed', () => of('stopped', 'notice', 0, 1)],
  ['a runtime: nothing is wanted of it', () => of('healer_down', 'alert', undefined, undefined)],
  ['what is over', () => of('working', 'none', 2, 2, '2026-11-24T03:00:00Z')],
  ['a healing that is done', () => of('done', 'none', 2)],
  ['numbers that moved on since', () => of('working', 'alert', 2)],
])('the table does not say: %s', (_, cell) => {
  expect(cell()).toBeUndefined()
})

import { expect, test } from 'vitest'
import { around, moments, overlapping } from './ranged'

const at = (minute: number): string => new Date(Date.UTC(2026, 10, 24, 3, minute)).toISOString()
const span = (from: number, to: number) => ({ from: Date.parse(at(from)), to: Date.parse(at(to)) })

test.each([
  ['no range: all', undefined, [1, 5, 9], 0],
  ['inside only', span(4, 6), [5], 2],
  ['both borders count', span(1, 9), [1, 5, 9], 0],
  ['nothing there', span(20, 30), [], 3],
])('moments: %s', (_, range, shown, hidden) => {
  expect(moments([1, 5, 9], range, at)).toEqual({ shown, hidden })
})

const healings = [
  { name: 'early', from: at(0), to: at(2) },
  { name: 'long', from: at(1), to: at(20) },
  { name: 'goes on', from: at(8) },
]

test.each([
  ['no range: all', undefined, ['early', 'long', 'goes on']],
  ['in the midst of a long one', span(5, 6), ['long']],
  ['what goes on reaches every later range', span(30, 40), ['goes on']],
  ['its end touches the begin', span(2, 3), ['early', 'long']],
  ['before all', { from: 0, to: 1 }, []],
])('overlapping: %s', (_, range, names) => {
  const { shown, hidden } = overlapping(healings, range)
  expect(shown.map((one) => one.name)).toEqual(names)
  expect(hidden).toBe(healings.length - names.length)
})

test.each([
  [at(10), undefined, { from: at(8), to: at(12) }],
  [at(10), at(20), { from: at(8), to: at(22) }],
  [at(10), Date.parse(at(15)), { from: at(8), to: at(17) }],
])('around %s %s', (from, to, range) => {
  expect(around(from, to)).toEqual(range)
})

test('a moment that is none leads to a range all the same', () => {
  expect(() => around('never')).not.toThrow()
})

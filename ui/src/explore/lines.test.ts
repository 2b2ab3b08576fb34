import { expect, test } from 'vitest'
import type { Result } from '../api/prometheus'
import { axisOfView, clicked, linesOf, shownOf } from './lines'

const GRID = { start: 0, end: 20, step: 10 }
const matrix: Result = {
  resultType: 'matrix',
  result: [
    { metric: { a: '1' }, values: [[0, '1'], [10, 'NaN'], [20, '3']] },
    { metric: { a: '2' }, values: [[10, '9']] },
    { metric: { a: '3' }, values: [[0, '5'], [20, '+Inf']] },
    { metric: { a: 'h' }, histograms: [[0, { count: '1', sum: '1' }]] },
  ],
}

test('series on the grid', () => {
  const { view, all, histograms } = linesOf(matrix, GRID)
  expect(view.lines.map((line) => [line.label, line.values])).toEqual([['{a="1"}', [1, null, 3]], ['{a="2"}', [null, 9, null]], ['{a="3"}', [5, null, null]]])
  expect([all, histograms, view.left]).toEqual([3, 1, 0])
})

test('the highest of many, in their order', () => {
  const { view, all } = linesOf(matrix, GRID, 2)
  expect(view.lines.map((line) => line.label)).toEqual(['{a="1"}', '{a="2"}'])
  expect([all, view.left]).toEqual([3, 1])
})

test('what is hidden keeps its place', () => {
  const { view } = linesOf(matrix, GRID)
  const shown = shownOf(view, new Set(['{a="2"}']))
  expect(shown.lines.map((line) => line.values)).toEqual([[1, null, 3], [null, null, null], [5, null, null]])
  expect(axisOfView(shown, false).max).toBe(5)
  expect(axisOfView(view, true).max).toBe(10)
})

test('a number is a line', () => expect(linesOf({ resultType: 'scalar', result: [20, '7'] }, GRID).view.lines[0]?.values).toEqual([null, null, 7]))

test.each<[string[], string, boolean, string[]]>([
  [[], 'b', false, ['a', 'c']],
  [['a', 'c'], 'b', false, []],
  [['a', 'c'], 'a', false, ['b', 'c']],
  [['a', 'c'], 'a', true, ['c']],
  [[], 'a', true, ['a']],
  [['b', 'c'], 'a', true, []],
])('%j hidden, a click on %s (with Ctrl: %s)', (hidden, key, add, want) => {
  expect([...clicked(['a', 'b', 'c'], new Set(hidden), key, add)].sort()).toEqual(want)
})

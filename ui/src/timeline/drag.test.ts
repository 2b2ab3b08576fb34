import { expect, test } from 'vitest'
import { begun, endOf, moved, rangeOf } from './drag'

// One pixel is one second.
const along = (...xs: number[]) => xs.reduce((drag, x) => moved(drag, x, x * 1000), begun(100, 100_000))

test.each<[string, number[], string, [number, number] | undefined]>([
  ['pressed and let go', [], 'click', undefined],
  ['a hand that trembles', [102, 99], 'click', undefined],
  ['drawn to the right', [110, 200], 'range', [100_000, 200_000]],
  ['drawn to the left', [50], 'range', [50_000, 100_000]],
  ['taken back to its begin', [200, 100], 'taken_back', undefined],
  ['taken back nearly to its begin', [200, 102], 'taken_back', [100_000, 102_000]],
  ['beyond the picture: the time stays at the edge', [40], 'range', [40_000, 100_000]],
])('%s', (_, xs, end, range) => {
  const drag = along(...xs)
  expect(endOf(drag, xs.at(-1) ?? 100)).toBe(end)
  expect(rangeOf(drag)).toEqual(range && { from: range[0], to: range[1] })
})

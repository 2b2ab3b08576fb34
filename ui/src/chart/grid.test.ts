import { describe, expect, test } from 'vitest'
import { columnOf, firstOf, gridOf, lonely, lookbackOf, pointsOf, rowsOf, stacked, stepOf, summaryOf, lastOf, termsOf, timesOf, windowOf } from './grid'

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

describe('steps by width and interval', () => {
  test.each([
    // length, pixels, interval, step
    [HOUR, 400, 10, 20],
    [HOUR, 400, 60, MINUTE],
    [HOUR, 1_000, 10, 10],
    [HOUR, 300, 10, 30],
    [15 * MINUTE, 400, 10, 10],
    [6 * HOUR, 400, 10, 2 * MINUTE],
    [DAY, 400, 10, 10 * MINUTE],
    [7 * DAY, 400, 10, HOUR],
    [400 * DAY, 400, 10, 2 * DAY],
    // However narrow it is, there is something to see.
    [HOUR, 0, 10, MINUTE],
    // Nothing between two samples, whatever they are apart.
    [MINUTE, 2_000, 7, 10],
  ])('%d s in %d px with samples each %d s: %d s', (length, width, interval, step) => {
    expect(stepOf(length, width, interval)).toBe(step)
  })

  test('at most one point each two pixels', () => {
    for (const width of [120, 333, 640, 1_400])
      for (const length of [600, HOUR, 5 * HOUR, DAY, 30 * DAY, 399 * DAY])
        expect(length / stepOf(length, width, 1)).toBeLessThanOrEqual(width / 2 + 1e-6)
  })
})

test('a grid moves in steps', () => {
  const at = 1_800_000_000_000
  const one = gridOf({ from: at - 3_600_000, to: at }, 400, 10)
  expect(one).toEqual({ start: 1_800_000_000 - HOUR, end: 1_800_000_000, step: 20 })
  expect(gridOf({ from: at - 3_600_000 + 19_000, to: at + 19_000 }, 400, 10).end).toBe(one.end)
  expect(gridOf({ from: at - 3_600_000 + 20_000, to: at + 20_000 }, 400, 10)).toEqual({ ...one, start: one.start + 20, end: one.end + 20 })
  expect(pointsOf(one)).toBe(181)
  // With long steps the newest point is not a step old.
  const long = gridOf({ from: at - 21_600_000, to: at + 50_000 }, 400, 10)
  expect(long).toEqual({ start: 1_800_000_040 - 6 * HOUR, end: 1_800_000_040, step: 120 })
  for (const length of [600, HOUR, 6 * HOUR, DAY, 30 * DAY])
    for (const late of [0, 7, 33, 1_000, 5_000]) {
      const { start, end, step } = gridOf({ from: at - length * 1_000, to: at + late * 1_000 }, 400, 10)
      expect(start).toBeGreaterThanOrEqual(at / 1_000 - length)
      expect(start - (at / 1_000 - length)).toBeLessThan(step + late + 1)
      expect(at / 1_000 + late - end).toBeLessThan(Math.max(60, step / 10 + 10))
      expect((end - start) % step).toBeCloseTo(0)
    }
  expect(timesOf({ start: 100, end: 130, step: 10 })).toEqual([100, 110, 120, 130])
  expect(pointsOf(gridOf({ from: at + 1, to: at + 2 }, 400, 10))).toBe(1)
})

test.each([
  [10, 10, 40], [20, 10, 40], [600, 10, 600], [60, 60, 240],
])('a step of %d s, samples each %d s: rates over %d s', (step, interval, want) => expect(windowOf(step, interval)).toBe(want))

test('how to ask', () => {
  const fine = termsOf({ start: 0, end: 100, step: 10 }, 10)
  expect([fine.rate('a{b="c"}'), fine.mean('m'), fine.peak('m'), fine.count('k')]).toEqual(['rate(a{b="c"}[40s])', 'm', 'm', 'round(increase(k[40s]))'])
  const coarse = termsOf({ start: 0, end: 6_000, step: 600 }, 10)
  expect([coarse.rate('a'), coarse.mean('m'), coarse.peak('m')]).toEqual(['rate(a[600s])', 'avg_over_time(m[600s])', 'max_over_time(m[600s])'])
  expect(lookbackOf(15)).toBe(60)
})

describe('samples on the grid', () => {
  const grid = { start: 100, end: 140, step: 10 }
  test.each([
    ['all there', [[100, '1'], [110, '2'], [120, '3'], [130, '4'], [140, '5']], [1, 2, 3, 4, 5]],
    ['a gap stays a gap', [[100, '1'], [140, '5']], [1, null, null, null, 5]],
    ['no numbers', [[100, 'NaN'], [110, '+Inf'], [120, '-Inf'], [130, '1e3']], [null, null, null, 1000, null]],
    ['outside', [[90, '9'], [150, '9'], [110, '2']], [null, 2, null, null, null]],
    ['a zero is a value', [[120, '0']], [null, null, 0, null, null]],
    ['nothing', [], [null, null, null, null, null]],
  ] as const)('%s', (_, samples, want) => expect(columnOf(samples as never, grid)).toEqual(want))
})

test('sums of what is stacked', () => {
  expect(stacked([[1, null, 3, null], [2, 2, null, null]])).toEqual([[1, 0, 3, null], [3, 2, 3, null]])
  expect(stacked([])).toEqual([])
})

test('values without neighbours', () => {
  expect(lonely([1, null, 2, 3, null, null, 4])).toEqual([0, 6])
  expect(lonely([null, 5, null])).toEqual([1])
  expect(lonely([1, 2, 3])).toEqual([])
})

test('summaries', () => {
  expect(summaryOf([null, 1, 3, null])).toEqual({ low: 1, mean: 2, high: 3 })
  expect(summaryOf([null])).toBeUndefined()
  expect(lastOf([1, 2, null])).toEqual({ value: 2, at: 1 })
  expect(lastOf([null])).toBeUndefined()
  expect(firstOf([[null, null], [null, 1]])).toBe(1)
  expect(firstOf([[null]])).toBeUndefined()
  expect(rowsOf(10, 4)).toEqual([0, 3, 6, 9])
  expect(rowsOf(3, 40)).toEqual([0, 1, 2])
})

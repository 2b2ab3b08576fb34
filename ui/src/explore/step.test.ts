import { expect, test } from 'vitest'
import { autoStep, gridFor } from './step'

const HOUR = 3_600_000
test.each([
  [60_000, 1200, 1_000], [HOUR, 1200, 10_000], [HOUR, 320, 30_000], [6 * HOUR, 1200, 60_000], [24 * HOUR, 1200, 300_000], [24 * 7 * HOUR, 1200, 1_200_000],
  [24 * 400 * HOUR, 1200, 86_400_000],
])('%d ms on %d pixels', (length, width, step) => expect(autoStep(length, width)).toBe(step))

test('full steps by itself, else from the begin', () => {
  expect(gridFor({ from: 1_000_003_500, to: 1_000_123_400 }, 100, undefined)).toEqual({ start: 1_000_004, end: 1_000_122, step: 2 })
  expect(gridFor({ from: 1_000_003_500, to: 1_000_123_400 }, 100, 60_000)).toEqual({ start: 1_000_003.5, end: 1_000_063.5, step: 60 })
  expect(gridFor({ from: 1_000_000, to: 2_000_000 }, 100, HOUR)).toEqual({ start: 1_000, end: 1_000, step: 3_600 })
})

import { describe, expect, test } from 'vitest'
import { axisOf, isNear, valueText, type Unit } from './units'

describe('values', () => {
  test.each([
    ['bytes', 0, '0 B'], ['bytes', 512, '512 B'], ['bytes', 1024, '1 KiB'], ['bytes', 1536, '1.5 KiB'], ['bytes', 64 * 2 ** 20, '64 MiB'],
    ['bytes', 1023.9 * 2 ** 20, '1 GiB'], ['bytes', 25_248_903_168, '23.5 GiB'], ['bytes', 3 * 2 ** 60, '3,072 PiB'],
    ['bytes_per_second', 22.4 * 2 ** 20, '22.4 MiB/s'],
    ['share', 0.875, '87.5%'], ['share', 1, '100%'], ['share', 0.00036, '0.036%'],
    ['cores', 0.042, '0.042'], ['cores', 0.000434, '0.00043'], ['cores', 0.00001, '0.00001'], ['cores', 3e-9, '3.0e-9'], ['cores', 1.256, '1.26'], ['cores', 12.34, '12.3'],
    ['seconds', 0.00363, '3.63 ms'], ['seconds', 0.000278, '278 µs'], ['seconds', 2, '2 s'], ['seconds', 0, '0 s'],
    ['count', 2021, '2,021'], ['count', 2_470_000, '2.47M'], ['count', 9.2e18, '9,200,000T'],
    ['per_second', 3.21, '3.21/s'], ['per_second', 150_000, '150k/s'],
  ] as const)('%s %d: %s', (unit, value, want) => expect(valueText(unit, value, 'en')).toBe(want))

  test('in Japanese', () => {
    expect(valueText('bytes_per_second', 2048, 'ja')).toBe('2 KiB/秒')
    expect(valueText('per_second', 5, 'ja')).toBe('5/秒')
  })
})

describe('axes', () => {
  test.each([
    ['share', 0, 0.483, 0, [0, 0.1, 0.2, 0.3, 0.4, 0.5]],
    ['share', 0, 0.2, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    ['share', 0, 1.006, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    ['share', 0, 1.006, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    ['share', 0, 1.3, 1, [0, 0.5, 1, 1.5]],
    ['bytes', 0, 18 * 2 ** 20, 0, [0, 4, 8, 12, 16, 20].map((n) => n * 2 ** 20)],
    ['bytes', 0, 24 * 2 ** 30, 0, [0, 8, 16, 24].map((n) => n * 2 ** 30)],
    ['count', 0, 0, 0, [0, 1]],
    ['count', 0, 3, 0, [0, 1, 2, 3]],
    ['count', 0, 2021, 0, [0, 500, 1000, 1500, 2000, 2500]],
    ['per_second', 0, 0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    ['count', -5, 5, 0, [-6, -4, -2, 0, 2, 4, 6]],
  ] as [Unit, number, number, number, number[]][])('%s from %d to %d, at least %d', (unit, low, high, least, want) => {
    const { marks, min, max } = axisOf(unit, low, high, least)
    expect(marks.map((mark) => Number(mark.toFixed(6)))).toEqual(want)
    expect(min).toBeCloseTo(want[0] ?? NaN)
    expect(max).toBeGreaterThan(want.at(-1) ?? NaN)
    expect(max).toBeLessThan((want.at(-1) ?? NaN) * 1.08)
  })

  test('all values lie in it, zero too', () => {
    for (const unit of ['cores', 'share', 'bytes', 'bytes_per_second', 'seconds', 'count', 'per_second'] as const)
      for (const high of [0, 1e-9, 0.013, 0.999, 1, 7, 1e3 + 1, 3e9, 1e18]) {
        const { min, max, marks } = axisOf(unit, 0, high, 0)
        expect(min).toBeLessThanOrEqual(0)
        expect(max).toBeGreaterThanOrEqual(high)
        expect(marks.length).toBeLessThanOrEqual(7)
      }
  })
})

test('limits far above the values are not drawn', () => {
  expect(isNear(64, 18)).toBe(true)
  expect(isNear(2_470_000, 2_000)).toBe(false)
  expect(isNear(5, 5)).toBe(true)
})

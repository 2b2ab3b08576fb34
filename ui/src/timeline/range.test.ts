import { expect, test } from 'vitest'
import { between, DEFAULT, follows, last, movedRange, rangeOf, spanOf, zoomedRange } from './range'

const NOW = Date.parse('2026-11-24T03:00:00Z')
const HOUR = 3_600_000
const hour = { from: 'now-1h', to: 'now' }
const past = { from: '2026-11-24T00:00:00.000Z', to: '2026-11-24T01:00:00.000Z' }

test('without a range, or with none that is one, the last hour', () => {
  expect(rangeOf(undefined, NOW)).toBe(DEFAULT)
  expect(rangeOf({ from: 'soon', to: 'now' }, NOW)).toBe(DEFAULT)
  expect(rangeOf(past, NOW)).toBe(past)
})

test('what follows now', () => expect([follows(hour), follows(past), follows({ ...past, to: 'now' })]).toEqual([true, false, false]))

test.each([[HOUR, 'now-1h'], [HOUR / 2, 'now-30m'], [24 * HOUR, 'now-1d'], [90_500, 'now-91s'], [0, 'now-10s']])('last %i ms', (length, want) => {
  expect(last(length)).toEqual({ from: want, to: 'now' })
})

test('zooming what follows now goes on following', () => {
  expect(zoomedRange(hour, 0.5, NOW)).toEqual({ from: 'now-30m', to: 'now' })
  expect(zoomedRange(hour, 2, NOW, NOW - 1000)).toEqual({ from: 'now-2h', to: 'now' })
})

test('zooming keeps the time under the pointer in its place', () => {
  const at = Date.parse('2026-11-24T00:15:00Z')
  const next = spanOf(zoomedRange(past, 0.5, NOW, at), NOW)
  expect((at - next.from) / (next.to - next.from)).toBeCloseTo(0.25)
  expect(next.to - next.from).toBe(HOUR / 2)
})

test('moving: back leaves now, forward comes back to it', () => {
  const back = movedRange(hour, -0.5, NOW)
  expect(back).toEqual({ from: '2026-11-24T01:30:00.000Z', to: '2026-11-24T02:30:00.000Z' })
  expect(movedRange(back, 0.5, NOW)).toEqual(hour)
  expect(movedRange(hour, 0.5, NOW)).toBe(hour)
  expect(movedRange(past, 0.5, NOW)).toEqual({ from: '2026-11-24T00:30:00.000Z', to: '2026-11-24T01:30:00.000Z' })
})

test('a drawn range has two ends in order, none in the future', () => {
  expect(between(NOW - 1_000, NOW - HOUR, NOW)).toEqual({ from: '2026-11-24T02:00:00.000Z', to: '2026-11-24T02:59:59.000Z' })
  expect(between(NOW - 5, NOW + HOUR, NOW)).toEqual({ from: '2026-11-24T02:59:59.000Z', to: '2026-11-24T03:00:00.000Z' })
})

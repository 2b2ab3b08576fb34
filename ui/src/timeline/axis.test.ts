import { expect, test } from 'vitest'
import { needsSeconds, stepOf, ticks } from './axis'

const HOUR = 3_600_000
const local = (text: string): number => new Date(text).getTime()

test.each([
  [60_000, 10, 10_000],
  [HOUR, 12, 300_000],
  [HOUR, 10, 600_000],
  [6 * HOUR, 12, 1_800_000],
  [24 * HOUR, 12, 2 * HOUR],
  [168 * HOUR, 10, 24 * HOUR],
  [168 * HOUR, 3, 7 * 24 * HOUR],
])('%i ms in %i ticks', (length, most, want) => expect(stepOf({ from: 0, to: length }, most)).toBe(want))

test('never more ticks than asked for, never a step of nothing', () => {
  expect(stepOf({ from: 0, to: 10_000 }, 0)).toBe(10_000)
  expect(stepOf({ from: 0, to: 10_000 * 24 * HOUR }, 5)).toBe(365 * 24 * HOUR)
})

test('round times of the local clock', () => {
  const from = local('2026-11-24T02:52:11')
  const all = ticks({ from, to: from + HOUR }, 900_000)
  expect(all.map((tick) => tick.at)).toEqual(['03:00', '03:15', '03:30', '03:45'].map((time) => local(`2026-11-24T${time}:00`)))
  expect(all.some((tick) => tick.day)).toBe(false)
})

test('midnight is a tick, and a day', () => {
  const from = local('2026-11-23T22:30:00')
  expect(ticks({ from, to: from + 4 * HOUR }, HOUR).map((tick) => tick.day)).toEqual([false, true, false, false])
})

test('days', () => {
  const all = ticks({ from: local('2026-11-20T05:00:00'), to: local('2026-11-24T05:00:00') }, 24 * HOUR)
  expect(all.map((tick) => tick.at)).toEqual([21, 22, 23, 24].map((day) => local(`2026-11-${day}T00:00:00`)))
  expect(all.every((tick) => tick.day)).toBe(true)
})

test('steps of several days do not move with the view', () => {
  const at = (from: string): number[] => ticks({ from: local(from), to: local('2026-12-20T00:00:00') }, 7 * 24 * HOUR).map((tick) => tick.at)
  expect(at('2026-11-03T00:00:00').slice(-3)).toEqual(at('2026-11-08T09:00:00').slice(-3))
})

test('their number is bounded', () => {
  expect(ticks({ from: 0, to: 400 * 24 * HOUR }, 1000).length).toBe(200)
})

test('seconds are told where steps are shorter than a minute', () => expect([needsSeconds(30_000), needsSeconds(60_000)]).toEqual([true, false]))

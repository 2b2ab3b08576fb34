import { describe, expect, test } from 'vitest'
import { absolute, parseTime, shifted, span, within, zoomed } from './range'

const NOW = Date.parse('2026-11-24T03:00:00Z')
const HOUR = 3_600_000

describe('points in time', () => {
  test.each([
    ['now', NOW],
    ['now-1h', NOW - HOUR],
    ['now-90m', NOW - 1.5 * HOUR],
    ['now-7d', NOW - 168 * HOUR],
    ['2026-11-24T02:00:00Z', NOW - HOUR],
    [String(NOW), NOW],
    ['now+1h', undefined],
    ['now-1y', undefined],
    ['yesterday', undefined],
    ['', undefined],
  ])('%s', (text, want) => expect(parseTime(text, NOW)).toBe(want))
})

test('a span needs a begin before its end', () => {
  expect(span({ from: 'now-1h', to: 'now' }, NOW)).toEqual({ from: NOW - HOUR, to: NOW })
  expect(span({ from: 'now', to: 'now-1h' }, NOW)).toBeUndefined()
  expect(span({ from: 'x', to: 'now' }, NOW)).toBeUndefined()
})

test('moving and zooming never look into the future', () => {
  const hour = { from: NOW - HOUR, to: NOW }
  expect(shifted(hour, -0.5, NOW)).toEqual({ from: NOW - 1.5 * HOUR, to: NOW - 0.5 * HOUR })
  expect(shifted(hour, 0.5, NOW)).toEqual(hour)
  expect(zoomed(hour, 0.5, NOW)).toEqual({ from: NOW - 0.75 * HOUR, to: NOW - 0.25 * HOUR })
  expect(zoomed(hour, 2, NOW)).toEqual({ from: NOW - 2 * HOUR, to: NOW })
  expect(zoomed({ from: NOW - 11_000, to: NOW }, 0.5, NOW).to - zoomed({ from: NOW - 11_000, to: NOW }, 0.5, NOW).from).toBe(10_000)
})

test('an absolute range leads back to its span', () => {
  const of = { from: NOW - HOUR, to: NOW }
  expect(span(absolute(of), NOW + 5)).toEqual(of)
})

test('everything lies within no span', () => {
  expect(within(undefined, NOW)).toBe(true)
  expect(within({ from: NOW, to: NOW + 1 }, '2026-11-24T03:00:00Z')).toBe(true)
  expect(within({ from: NOW, to: NOW + 1 }, NOW + 2)).toBe(false)
})

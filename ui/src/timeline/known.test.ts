import { expect, test } from 'vitest'
import { knownUntil, unseenEnds } from './known'

test.each([
  ['a beat comes only each few seconds', 100_000, 96_000, true, 100_000],
  ['silence', 100_000, 90_000, true, 90_000],
  ['paused or lost: known at once', 100_000, 99_000, false, 99_000],
  ['an answer that came after the clock ticked last', 100_000, 100_400, false, 100_000],
])('%s', (_, now, heardAt, live, want) => expect(knownUntil(now, heardAt, live)).toBe(want))

test('what is not known at both ends', () => {
  expect(unseenEnds(undefined, 100, 100)).toEqual([])
  expect(unseenEnds(50, 100, 100)).toEqual([{ from: -Infinity, to: 50 }])
  expect(unseenEnds(50, 80, 100)).toEqual([{ from: -Infinity, to: 50 }, { from: 80, to: 100 }])
})

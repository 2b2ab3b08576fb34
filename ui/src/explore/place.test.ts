import { expect, test } from 'vitest'
import { excerpt, placed } from './place'

test.each<[string, string, string, [number, number] | undefined]>([
  ['invalid parameter "query": 1:5: parse error: unexpected identifier "bar"', 'foo bar', 'unexpected identifier "bar"', [4, 7]],
  ['1:3: parse error: unexpected end of input', '1+', 'unexpected end of input', [1, 2]],
  ['2:1: parse error: unexpected ")"', 'sum(\n))', 'unexpected ")"', [5, 6]],
  ['1:1-1:4: parse error: no', 'rate(x)', 'no', [0, 3]],
  ['1:6: parse error: x', '火 + )', 'x', [3, 4]],
  ['unknown position: parse error: no expression found in input', '', 'unknown position: parse error: no expression found in input', undefined],
  ['9:1: parse error: x', 'up', 'x', undefined],
  ['query timed out in 1:2 seconds', 'up', 'query timed out in 1:2 seconds', undefined],
])('%s', (message, query, said, at) => {
  expect(placed(message, query)).toEqual({ message: said, place: at && { from: at[0], to: at[1] } })
})

test('carets', () => {
  expect(excerpt('foo bar', { from: 4, to: 7 })).toBe('foo bar\n    ^^^')
  expect(excerpt('a\n+ bb', { from: 4, to: 6 })).toBe('+ bb\n  ^^')
  expect(excerpt('1+', { from: 1, to: 2 })).toBe('1+\n ^')
})

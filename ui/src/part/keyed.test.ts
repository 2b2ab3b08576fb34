import { expect, test } from 'vitest'
import { keyed } from './keyed'

test.each([
  [[], []],
  [['b', 'a'], ['b', 'a']],
  [['a', 'a'], ['a 1', 'a']],
  [['b', 'a', 'a'], ['b', 'a 1', 'a']],
  [['a', 'b', 'a', 'a'], ['a 2', 'b', 'a 1', 'a']],
])('keys of %j', (names, keys) => {
  const rows = keyed(names, (name) => name)
  expect(rows.map((row) => row.key)).toEqual(keys)
  expect(rows.map((row) => row.item)).toEqual(names)
})

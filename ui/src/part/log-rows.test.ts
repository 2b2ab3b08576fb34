import { expect, test } from 'vitest'
import { logRows } from './log-rows'

const lines = (text: string) => [...text].map((letter) => ({ text: letter, stderr: letter === 'E' }))

test.each([
  ['the first lines', '', 'abc', '0 1 2'],
  ['the same', 'abc', 'abc', '0 1 2'],
  ['newer ones', 'abc', 'abcde', '0 1 2 3 4'],
  ['newer ones come, the oldest go', 'abcd', 'cdef', '2 3 4 5'],
  ['the same line again and again', 'aaab', 'aaba', '1 2 3 4'],
  ['nothing of before', 'abc', 'xyz', '3 4 5'],
  ['fewer than before', 'abcd', 'cd', '2 3'],
  ['none', 'abc', '', ''],
  ['another stream is another line', 'eE', 'E', '1'],
])('%s', (_, before, after, want) => {
  const rows = logRows(logRows([], lines(before)), lines(after))
  expect(rows.map((row) => row.key).join(' ')).toBe(want)
  expect(rows.map((row) => row.line.text).join('')).toBe(after)
})

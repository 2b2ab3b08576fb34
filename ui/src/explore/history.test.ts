import { expect, test } from 'vitest'
import { added, ENTRIES_MAX, parsed } from './history'

test('the newest first, each once, no more than so many', () => {
  expect(added(['a', 'b', 'c'], ' b ')).toEqual(['b', 'a', 'c'])
  expect(added(['a'], ' ')).toEqual(['a'])
  expect(added(['a'], 'x'.repeat(5_000))).toEqual(['a'])
  const many = Array.from({ length: 80 }, (_, at) => String(at))
  expect(many.reduce<readonly string[]>(added, [])).toHaveLength(ENTRIES_MAX)
})

test.each([[undefined, []], ['', []], ['{', []], ['{"a":1}', []], ['["a",1,"b"]', ['a', 'b']]])('kept: %s', (text, want) => expect(parsed(text)).toEqual(want))

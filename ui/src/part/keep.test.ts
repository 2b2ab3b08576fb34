import { expect, test } from 'vitest'
import { keeper } from './keep'

interface Row {
  id: string
  n: number
}
const keep = () => keeper<Row>((row) => row.id)

test('what says the same stays the same object, what changed is another one', () => {
  const rows = keep()
  const [a, b] = rows([{ id: 'a', n: 1 }, { id: 'b', n: 1 }])
  const [b2, a2] = rows([{ id: 'b', n: 2 }, { id: 'a', n: 1 }])
  expect(a2).toBe(a)
  expect(b2).not.toBe(b)
  expect(b2?.value.n).toBe(2)
})

test('a row that went is forgotten', () => {
  const rows = keep()
  const [a] = rows([{ id: 'a', n: 1 }])
  rows([])
  expect(rows([{ id: 'a', n: 1 }])[0]).not.toBe(a)
})

test('two rows of the same key get keys of their own', () => {
  const rows = keep()([{ id: 'a', n: 1 }, { id: 'a', n: 2 }, { id: 'a', n: 3 }])
  expect(rows.map((row) => row.key)).toEqual(['a', 'a #2', 'a #3'])
})

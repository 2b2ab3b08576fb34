import { expect, test } from 'vitest'
import source from '../../../crates/query/src/function.rs?raw'
import { FUNCTIONS } from './functions'

test('every function that the server knows is described, in both languages', () => {
  const known = [...source.matchAll(/^ {4}(?:stable|experimental)\("(\w+)"/gm)].map(([, name]) => name ?? '')
  expect(known.length).toBeGreaterThan(80)
  expect(known.filter((name) => !FUNCTIONS.has(name))).toEqual([])
  expect([...FUNCTIONS].filter(([, { en, ja }]) => en === '' || ja === '')).toEqual([])
})

test('signatures', () => {
  const of = (name: string): string | undefined => FUNCTIONS.get(name)?.signature
  expect(of('rate')).toBe('(range[…]) → vector')
  expect(of('histogram_quantile')).toBe('(q scalar, vector) → vector')
  expect(of('time')).toBe('() → scalar')
  expect(of('hour')).toBe('(vector?) → vector')
  expect(of('label_join')).toBe('(vector, to string, separator string, from string…) → vector')
})

import { expect, test } from 'vitest'
import { ranked, SHOWN_MAX, type Entry } from './search'

const named = (...names: string[]): Entry[] => names.map((name) => ({ kind: 'workload', name, run: () => undefined }))
const found = (text: string, ...names: string[]): string[] => ranked(named(...names), text).map((entry) => entry.name)

test('beginnings come before words, words before parts, parts before scattered letters', () => {
  expect(found('web', 'wide-elbow', 'cobweb', 'shop/web', 'web')).toEqual(['web', 'shop/web', 'cobweb', 'wide-elbow'])
})

test('what does not fit is left out, case does not matter', () => {
  expect(found('ZZ', 'web', 'Buzz')).toEqual(['Buzz'])
})

test('without a text all are shown, up to a bound', () => {
  expect(found('', ...Array.from({ length: 80 }, (_, n) => `w${n}`))).toHaveLength(SHOWN_MAX)
})

import { EqlRegex, EqlSingle, Neq } from '@prometheus-io/lezer-promql'
import { expect, test } from 'vitest'
import { helpOf } from './catalog'
import { selectorOf } from './completion'

test.each([
  [undefined, [], undefined, undefined],
  ['up', [], undefined, '{__name__="up"}'],
  ['up', [{ type: EqlSingle, name: 'job', value: 'a"b' }, { type: Neq, name: 'x', value: '' }], 'instance', '{__name__="up",job="a\\"b"}'],
  ['', [{ type: EqlRegex, name: 'job', value: 'a|b' }, { type: EqlSingle, name: 'instance', value: 'y' }], 'instance', '{job=~"a|b"}'],
])('%s %j without %s', (metric, matchers, without, want) => expect(selectorOf(metric, matchers, without)).toBe(want))

test('help of a family', () => {
  const entry = { type: 'counter', help: 'h', unit: '' }
  expect(helpOf({ a: [entry] }, 'a_total')).toEqual(entry)
  expect(helpOf({ a_total: [entry] }, 'a_total')).toEqual(entry)
  expect(helpOf({ a: [] }, 'a_total')).toBeUndefined()
})

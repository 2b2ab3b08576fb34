import { expect, test } from 'vitest'
import { evidenceRows } from './evidence-rows'

const query = 'container_memory_working_set_bytes{name="shop"}'
const fullAt = '2026-11-24T18:00:00.000Z'
const numbers = {
  query, explore: '/explore?g0.expr=a', unit: 'bytes' as const, at: '2026-11-24T12:00:00.000Z', value: 900, limit: 1000, per_second: 0.1,
  full_at: fullAt, samples: [],
}
const facts: [string, string][] = [['limit', '1000 B'], ['full at', '2026-11-24T18:00:00Z'], ['query', query]]

test('the query has its address, the time is a time, the rest is text', () => {
  expect(evidenceRows({ facts, changes: [], numbers })).toEqual([
    { kind: 'text', label: 'limit', value: '1000 B' },
    { kind: 'full_at', label: 'full at', at: fullAt },
    { kind: 'query', label: 'query', value: query, explore: '/explore?g0.expr=a' },
  ])
})

test.each(['javascript:alert(1)', '//elsewhere.example/explore', 'https://elsewhere.example/', ''])('no link to %s', (explore) => {
  const rows = evidenceRows({ facts: [['query', query]], changes: [], numbers: { ...numbers, explore } })
  expect(rows).toEqual([{ kind: 'query', label: 'query', value: query, explore: undefined }])
})

test('without numbers all is text', () => {
  expect(evidenceRows({ facts, changes: [] }).map((row) => row.kind)).toEqual(['text', 'text', 'text'])
})

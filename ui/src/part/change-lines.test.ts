import { expect, test } from 'vitest'
import type { Change, Resource } from '../api/types'
import { changesPath, ofChange } from './change-lines'

const NOW = Date.parse('2026-11-24T03:00:00Z')
const COMMON = 'attributes=spec%2Cintent%2Cruntime%2Cgap%2Cname&limit=100'
const resource = (workload?: Resource['workload']): Resource =>
  ({ tenant: 'default', cluster: 'host', kind: 'container', uid: 'u', name: 'web-1', workload })

test.each([
  ['a range that goes on', 'now-1h', 'now', `/timeline?since=3600s&${COMMON}`],
  ['with a fixed begin', '2026-11-24T02:00:00Z', 'now', `/timeline?from=2026-11-24T02%3A00%3A00.000Z&${COMMON}`],
  ['in the past', 'now-2h', 'now-1h', `/timeline?from=2026-11-24T01%3A00%3A00.000Z&to=2026-11-24T02%3A00%3A00.000Z&${COMMON}`],
  ['the wrong way round', 'now', 'now-1h', undefined],
  ['no range', 'yesterday', 'now', undefined],
])('changes of %s', (_, from, to, want) => expect(changesPath({ from, to }, NOW)).toBe(want))

test('a first specification is a creation, a later one another configuration', () => {
  const change = (attribute: Change['attribute'], old?: string, source: Change['source'] = 'inspect'): Change =>
    ({ seq: 1, words: 'w', attribute, old, value: {}, resource: resource(), occurred_at: 'x', observed_at: 'y', source })
  expect(ofChange(change('spec')).kind).toBe('created')
  expect(ofChange(change('spec', undefined, 'reconcile')).kind).toBe('found')
  expect(ofChange(change('spec', 'image a', 'reconcile')).kind).toBe('configuration')
  expect(ofChange(change('runtime')).kind).toBe('runtime')
  expect(ofChange(change('name', 'a')).kind).toBe('renamed')
  expect(ofChange(change('spec'))).toMatchObject({ name: 'web-1', workload: undefined, at: 'y' })
})

test.each([
  ['at once', '03:00:00.000', '03:00:00.400', undefined],
  ['two seconds later', '03:00:00.000', '03:00:02.000', undefined],
  ['much later: both times are told', '02:10:00.000', '03:00:00.000', '2026-11-24T02:10:00.000Z'],
  ['a clock that is ahead', '03:00:09.000', '03:00:00.000', '2026-11-24T03:00:09.000Z'],
])('seen %s', (_, occurred, observed, want) => {
  const [occurred_at, observed_at] = [`2026-11-24T${occurred}Z`, `2026-11-24T${observed}Z`]
  const line = ofChange({ seq: 1, words: 'w', attribute: 'spec', value: {}, resource: resource(), occurred_at, observed_at, source: 'inspect' })
  expect([line.at, line.occurred]).toEqual([observed_at, want])
})

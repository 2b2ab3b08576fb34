import { expect, test } from 'vitest'
import { typedRange } from './range'

const local = (text: string): string => new Date(text).toISOString()
test.each([
  ['now-90m', '', { from: 'now-90m', to: 'now' }],
  ['2026-11-24 12:00', 'now', { from: local('2026-11-24T12:00'), to: 'now' }],
  ['2026-11-24', '2026-11-24T06:30:15', { from: local('2026-11-24T00:00'), to: local('2026-11-24T06:30:15') }],
  ['2026-11-24T12:00:00Z', '2026-11-24T13:00:00+01:00', undefined],
  ['now', 'now-1h', undefined], ['soon', 'now', undefined], ['', '', undefined], ['2026-13-44', 'now', undefined],
])('%s to %s', (from, to, want) => expect(typedRange(from, to, Date.UTC(2027, 0, 1))).toEqual(want))

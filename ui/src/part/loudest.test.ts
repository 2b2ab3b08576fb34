import { expect, test } from 'vitest'
import type { Level } from '../api/types'
import { loudest } from './loudest'

test.each<[string, [Level, string][], string | undefined]>([
  ['none is open', [], undefined],
  ['the loudest, whatever the order', [['notice', '03:00'], ['alert', '04:00'], ['none', '01:00']], '04:00'],
  ['of equals the one that is open longest', [['alert', '04:00'], ['alert', '03:00'], ['alert', '05:00']], '03:00'],
])('%s', (_, findings, want) => {
  expect(loudest(findings.map(([level, started_at]) => ({ level, started_at })))?.started_at).toBe(want)
})

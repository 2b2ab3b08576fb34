import { expect, test } from 'vitest'
import { formatDuration, parseDuration } from './duration'

test.each([
  ['15', 15_000], ['0.5', 500], ['90s', 90_000], ['1h30m', 5_400_000], ['500ms', 500], ['1d', 86_400_000], ['2w', 1_209_600_000], [' 1m ', 60_000],
  ['', undefined], ['0', undefined], ['0s', undefined], ['1x', undefined], ['h', undefined], ['-1h', undefined], ['1.5h', undefined], ['999999999999y999999999999y', undefined],
])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms))

test.each([
  [90_000, '1m30s'], [3_600_000, '1h'], [129_600_000, '1d12h'], [500, '500ms'], [0, '0s'], [61_001, '1m1s1ms'],
])('%d', (ms, text) => expect(formatDuration(ms)).toBe(text))

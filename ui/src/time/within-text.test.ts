import { expect, test } from 'vitest'
import { timesWithin } from './within-text'

test.each([
  ['exit code 137 at 2026-11-24T03:00:05.123Z', 'exit code 137 at <03:00:05>'],
  ['created 2026-11-24T03:00:05Z with image a', 'created <03:00:05> with image a'],
  ['終了コード 1（2026-11-24T03:00:05.1Z）', '終了コード 1（<03:00:05>）'],
  ['from 2026-11-24T03:00:05+00:00 to 2026-11-24T03:00:06Z', 'from <03:00:05> to <03:00:06>'],
  ['2026-13-99T03:00:05Z is no day', '2026-13-99T03:00:05Z is no day'],
  ['image app:2026-11-24', 'image app:2026-11-24'],
  ['2026-11-24T03:00:05 without a zone', '2026-11-24T03:00:05 without a zone'],
  ['', ''],
])('%s', (text, expected) => {
  expect(timesWithin(text, (at) => `<${new Date(at).toISOString().slice(11, 19)}>`)).toBe(expected)
})

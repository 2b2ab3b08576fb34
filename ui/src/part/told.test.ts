import { expect, test } from 'vitest'
import type { Delivery, Level } from '../api/types'
import { telling, took } from './told'

const message: Delivery = {
  receiver: 'oncall', level: 'alert', status: 'firing', sequence: 1, queued_at: '2026-11-24T03:00:00Z', state: 'accepted',
  done_at: '2026-11-24T03:00:00.250Z', tries: 1,
}

test.each<[string, Delivery[], [string, Level][], Level, Level[]?]>([
  ['messages', [message], [['oncall', 'alert']], 'alert', ['alert']],
  ['names', [], [['oncall', 'alert']], 'alert'],
  ['level', [], [], 'none'],
  ['route', [], [], 'notice', ['notice', 'alert']],
  ['not_yet', [], [], 'alert', ['notice']],
  ['not_yet', [], [], 'alert'],
])('%s', (expected, deliveries, told, incident_level, unheard) => {
  expect(telling({ deliveries, told, incident_level }, unheard)).toBe(expected)
})

test.each([
  [message.done_at, 250],
  [undefined, undefined],
  ['2026-11-24T02:59:59Z', 0],
])('done at %s', (done_at, expected) => {
  expect(took({ queued_at: message.queued_at, done_at })).toBe(expected)
})

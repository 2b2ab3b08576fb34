import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { FindingDetail } from './api/types'
import { setLanguage } from './i18n/language.svelte'
import { fenced, markdown, plain, stamp } from './markdown'

beforeEach(() => {
  vi.stubGlobal('document', { documentElement: { lang: '' } })
  vi.stubGlobal('localStorage', undefined)
})
afterEach(() => {
  vi.unstubAllGlobals()
})

const resource: FindingDetail['resource'] = {
  tenant: 'default', cluster: 'box', kind: 'container', uid: 'b'.repeat(64), name: 'shop-web-1', node: 'box',
  workload: { kind: 'compose_service', project: 'shop', name: 'web' },
}
const at = (second: number): string => new Date(Date.UTC(2026, 10, 23, 18, 0, second)).toISOString()

const open: FindingDetail = {
  id: 'f-1', inspection: 'crash_loop', resource, level: 'alert', level_reason: 'healing working, serving none, beyond the start grace',
  cause: 'shop-web-1 ended with exit code 3 after 0.4 s, 12 times, every 8.0 s on average', cause_class: 'in_a_row', stage: 'health',
  stages: [
    { stage: 'place', outcome: 'not_applicable' },
    { stage: 'pull', outcome: 'unknown' },
    { stage: 'create', outcome: 'passed', at: at(0), took_ms: 400 },
    { stage: 'start', outcome: 'passed', at: at(1), took_ms: 300 },
    { stage: 'health', outcome: 'failed', at: at(2), took_ms: 62_000, cause: 'GET <:8080/health> timed out' },
    { stage: 'serve', outcome: 'pending' },
  ],
  healing: { healer: 'Docker restart policy always', action: 'restart', state: 'working', tries: 14, next_try_at: at(50) },
  started_at: at(5),
  evidence: {
    facts: [['memory limit', '512 MiB'], ['last end', `exit code 3 at ${at(5)}`], ['command', 'sh -c `exec app` | tee *.log']],
    changes: [[at(4), 'running'], [at(5), 'ended: exit code 3']],
    log: { lines: [{ at: at(3), stderr: false, text: '起動しました ``` with a fence' }, { at: at(4), stderr: true, text: 'panic: 設定がありません' }], note: 'only the last 2 lines' },
  },
  incident: 'i-9', status: 'firing', incident_level: 'alert', root: true, stored: true, told: [['oncall', 'alert']],
  workload_name: 'shop/web', desired: 2, ready: 0, loop: { count: 12, period_ms: 8_000, slow: false },
  deliveries: [
    { receiver: 'oncall', level: 'alert', status: 'firing', sequence: 1, queued_at: at(6), state: 'accepted', done_at: at(7), tries: 2 },
    { receiver: 'chat', level: 'alert', status: 'firing', sequence: 1, queued_at: at(6), state: 'waiting', tries: 3, last_error: '503 from the receiver' },
  ],
  changes_before: [{ at: at(0), kind: 'deploy', words: 'image app:1 → app:2', resource, workload_name: 'shop/web' }],
}

const bare: FindingDetail = {
  id: 'f-2', inspection: 'runtime_down', resource: { tenant: 'default', cluster: 'box', kind: 'cluster', uid: 'box', name: 'box' },
  level: 'notice', level_reason: 'something happened that Hinomi did not see', cause: 'Docker on box does not answer', cause_class: 'no_answer',
  healing: { healer: 'nobody', state: 'done', tries: 0 }, started_at: at(0), resolved_at: at(30), resolved_because: 'it answers again and is stable',
  evidence: { facts: [], changes: [] }, incident: 'i-10', status: 'resolved', incident_level: 'notice', root: false, stored: false, told: [],
  deliveries: [], changes_before: [],
}

const about = { now: Date.parse(at(65)), zone: 'Asia/Tokyo', link: 'http://box:8119/findings/f-1' }

test.each([
  ['en', 'open', open],
  ['ja', 'open', open],
  ['en', 'over, with nothing to say', bare],
  ['ja', 'over, with nothing to say', bare],
] as const)('as Markdown in %s: %s', (language, _, finding) => {
  setLanguage(language)
  expect(markdown(finding, { ...about, unheard: ['notice'] })).toMatchSnapshot()
})

test.each([
  ['no backticks', '```'],
  ['one ` and two ``', '```'],
  ['a fence ``` of three', '````'],
  ['``````` seven', '````````'],
])('the fence around: %s', (text, fence) => {
  const lines = fenced(text).split('\n')
  expect(lines).toEqual([`${fence}text`, text, fence])
})

test.each([
  ['two\n  lines', 'two lines'],
  ['a_b*c', 'a\\_b\\*c'],
  ['<img src=x> [link](y) `code` | #1', '\\<img src=x\\> \\[link\\](y) \\`code\\` \\| \\#1'],
])('plain: %s', (text, expected) => {
  expect(plain(text)).toBe(expected)
})

test.each([
  ['2026-11-23T18:00:05Z', 'Asia/Tokyo', '2026-11-24 03:00:05 +09:00'],
  ['2026-07-01T00:00:00Z', 'Europe/Berlin', '2026-07-01 02:00:00 +02:00'],
  ['2026-07-01T00:00:00.9Z', 'UTC', '2026-07-01 00:00:00 +00:00'],
  ['never', 'UTC', '–'],
])('stamp: %s in %s', (time, zone, expected) => {
  expect(stamp(time, zone)).toBe(expected)
})

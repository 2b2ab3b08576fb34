import { expect, test } from 'vitest'
import { decode, EMPTY, encode, PANELS_MAX, type Panel } from './panels'

const query = (text: string): Record<string, string> => Object.fromEntries(new URLSearchParams(text))
const panel = (more: Partial<Panel>): Panel => ({ ...EMPTY, ...more })
const HOUR = { from: 'now-1h', to: 'now' }

test.each<[string, string, Partial<Panel>[], { from: string; to: string } | undefined]>([
  ['nothing', '', [{}], undefined],
  ['an expression', 'g0.expr=up', [{ expr: 'up' }], undefined],
  ['the old page', 'g0.expr=rate(a%5B5m%5D)&g0.tab=0&g0.stacked=1&g0.show_exemplars=0&g0.range_input=1h', [{ expr: 'rate(a[5m])', stacked: true }], HOUR],
  ['the old page with an end', 'g0.expr=up&g0.tab=1&g0.range_input=2h&g0.end_input=2026-11-24%2012%3A00%3A00&g0.step_input=15',
    [{ expr: 'up', view: 'table', step: 15_000 }], { from: '2026-11-24T10:00:00.000Z', to: '2026-11-24T12:00:00.000Z' }],
  ['a much older one', 'g0.expr=up&g0.moment_input=2026-11-24+12%3A00', [{ expr: 'up' }], { from: '2026-11-24T11:00:00.000Z', to: '2026-11-24T12:00:00.000Z' }],
  ['the new page', 'g0.expr=up&g0.show_tree=0&g0.tab=graph&g0.range_input=1d12h&g0.res_type=auto&g0.res_density=high&g0.display_mode=stacked&g0.show_exemplars=0',
    [{ expr: 'up', stacked: true }], { from: 'now-36h', to: 'now' }],
  ['the new page, fixed', 'g0.expr=up&g0.tab=table&g0.range_input=1h30m&g0.res_type=fixed&g0.res_step=0.5&g0.step_input=9&g0.display_mode=lines',
    [{ expr: 'up', view: 'table', step: 500 }], { from: 'now-90m', to: 'now' }],
  ['explain is a table', 'g0.expr=up&g0.tab=explain', [{ expr: 'up', view: 'table' }], undefined],
  ['two of the same range', 'g0.expr=a&g0.range_input=1h&g1.expr=b&g1.range_input=60m', [{ expr: 'a' }, { expr: 'b' }], HOUR],
  ['two of different ranges', 'g0.expr=a&g0.range_input=1h&g1.expr=b&g1.range_input=1d', [{ expr: 'a' }, { expr: 'b', range: { from: 'now-1d', to: 'now' } }], HOUR],
  ['the range of the page', 'from=now-6h&g0.expr=a', [{ expr: 'a' }], { from: 'now-6h', to: 'now' }],
  ['both', 'from=now-6h&g0.expr=a&g0.range_input=1h', [{ expr: 'a', range: HOUR }], { from: 'now-6h', to: 'now' }],
  ['a hole ends them', 'g0.expr=a&g2.expr=c', [{ expr: 'a' }], undefined],
  ['empty ones stay', 'g0.expr=&g1.expr=b', [{}, { expr: 'b' }], undefined],
  ['nonsense is not heard', 'g0.expr=a&g0.tab=9&g0.step_input=x&g0.end_input=soon&g0.sort=-', [{ expr: 'a' }], HOUR],
  ['sorted', 'g0.expr=a&g0.tab=1&g0.sort=-value', [{ expr: 'a', view: 'table', sort: { by: 'value', down: true } }], undefined],
])('read: %s', (_, text, panels, range) => {
  expect(decode(query(text))).toEqual({ panels: panels.map(panel), range })
})

test.each<[string, Partial<Panel>[], { from: string; to: string } | undefined]>([
  ['nothing', [{}], undefined],
  ['one', [{ expr: 'rate(a{b="c d"}[5m]) > 1 # &+%' }], HOUR],
  ['all', [{ expr: 'a', view: 'table', sort: { by: 'instance', down: false } }, { expr: 'b', stacked: true, step: 15_000 }, { expr: '', step: 500 }],
    { from: '2026-11-24T10:00:00.000Z', to: '2026-11-24T12:00:00.000Z' }],
  ['own ranges', [{ expr: 'a', range: { from: 'now-2d', to: 'now' } }, { expr: 'b', range: { from: '2026-11-24T10:00:00.000Z', to: '2026-11-24T12:00:00.500Z' } }], HOUR],
])('what is written is read again: %s', (_, panels, range) => {
  const wanted = panels.map(panel)
  expect(decode(query(encode(wanted, range)))).toEqual({ panels: wanted, range })
})

test('what Prometheus reads too', () => {
  expect(encode([panel({ expr: 'up', view: 'table', stacked: true, step: 30_000 })], undefined)).toBe('g0.expr=up&g0.tab=1&g0.stacked=1&g0.step_input=30')
  expect(encode([panel({ expr: 'up' })], HOUR, { lang: 'ja', 'g3.expr': 'old', to: 'x' })).toBe('lang=ja&from=now-1h&g0.expr=up')
})

test('no more panels than are asked for at once', () => {
  const many = Array.from({ length: 50 }, (_, at) => `g${at}.expr=up`).join('&')
  expect(decode(query(many)).panels).toHaveLength(PANELS_MAX)
})

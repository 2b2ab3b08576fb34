import { describe, expect, test } from 'vitest'
import type { MatrixSeries } from '../api/prometheus'
import { hasPoints, viewOf, type ChartDef } from './chart'
import { compareOf, nextOf, shiftOf } from './compare'
import { containerCharts, workloadCharts, workloadSelector } from './container-charts'
import { termsOf } from './grid'
import { hostCharts } from './host-charts'
import { intervalOf } from './interval'
import { text } from './texts'

const grid = { start: 0, end: 20, step: 10 }
const series = (metric: Record<string, string>, ...values: number[]): MatrixSeries => ({ metric, values: values.map((value, at) => [at * 10, String(value)]) })
const def = (more: Partial<ChartDef> = {}): ChartDef => ({ id: 'x', unit: 'count', aspect: 'utilisation', lines: [{ label: 'name', query: () => '' }], ...more })

describe('what a chart draws', () => {
  const names = (answer: MatrixSeries[], earlier: MatrixSeries[] = []): (string | undefined)[] =>
    viewOf(def(), { lines: [answer], earlier: earlier.length > 0 ? [earlier] : [], limits: [] }, grid).lines.map((line) => line.label)

  test('lines in an order that stays', () => {
    expect(names([series({ name: 'web-10' }, 1), series({ name: 'web-2' }, 9), series({ name: 'web-1' }, 5)])).toEqual(['web-1', 'web-2', 'web-10'])
  })
  test('no line without a value', () => {
    expect(names([series({ name: 'a' }), series({ name: 'b' }, NaN), series({ name: 'c' }, 0)])).toEqual(['c'])
  })
  test('what was there only earlier is there too', () => {
    const view = viewOf(def(), { lines: [[series({ name: 'b' }, 1)]], earlier: [[series({ name: 'a' }, 7, 8)]], limits: [] }, grid)
    expect(view.lines.map((line) => [line.label, line.values, line.earlier])).toEqual([['a', [null, null, null], [7, 8, null]], ['b', [1, null, null], undefined]])
  })
  test('of too many the highest', () => {
    const many = Array.from({ length: 30 }, (_, at) => series({ name: `n${at}` }, at))
    const view = viewOf(def(), { lines: [many], earlier: [], limits: [] }, grid)
    expect(view.lines.map((line) => line.label)).toEqual(Array.from({ length: 10 }, (_, at) => `n${at + 20}`))
    expect(view.left).toBe(20)
  })
  test('one of several places of a file system', () => {
    const places = [series({ mountpoint: '/run/netns', device: '/dev/vda' }, 1), series({ mountpoint: '/', device: '/dev/vda' }, 1), series({ mountpoint: '/boot', device: '/dev/vdb' }, 1)]
    const view = viewOf(def({ lines: [{ label: 'mountpoint', once: 'device', query: () => '' }] }), { lines: [places], earlier: [], limits: [] }, grid)
    expect(view.lines.map((line) => line.label)).toEqual(['/', '/boot'])
  })
  test('nothing', () => {
    expect(hasPoints(viewOf(def(), { lines: [[]], earlier: [], limits: [] }, grid))).toBe(false)
  })
})

test('compare goes round', () => {
  expect([undefined, '1d', '1w', '4w'].map((one) => nextOf(compareOf(one)))).toEqual(['1d', '1w', '4w', undefined])
  expect(compareOf('2y')).toBeUndefined()
  expect(shiftOf('1w')).toBe(604_800)
})

test.each([
  [[[0, 10, 20, 30]], 10],
  [[[0, 10, 20, 50, 60, 70]], 10],
  [[[0, 1.02, 1.98, 3]], 1],
  [[[5]], undefined],
  [[], undefined],
  [[[5], [1, 16]], 15],
] as [number[][], number | undefined][])('samples at %j come each %s s', (times, want) => {
  expect(intervalOf(times.map((one) => ({ metric: {}, values: one.map((at) => [at, '1'] as const) })))).toBe(want)
})

test.each([
  [{ project: 'shop', name: 'web' }, ['shop-web-1'], 'host="h",compose_project="shop",compose_service="web"'],
  [{ name: 'lone' }, ['lone'], 'host="h",name=~"lone"'],
  [{ name: 'lo"ne' }, [], 'host="h",name="lo\\"ne"'],
])('the containers of %j', (workload, containers, want) => expect(workloadSelector('h', workload, containers)).toBe(want))

test('every chart has its words, and every question its parentheses', () => {
  const terms = termsOf({ start: 0, end: 6_000, step: 600 }, 10)
  const all = [...hostCharts('h"'), ...containerCharts('name="a"'), ...workloadCharts('name="a"', false), ...workloadCharts('name="a"', true)]
  for (const chart of all) {
    expect(text().chart[chart.id], chart.id).toBeDefined()
    for (const line of [...chart.lines, ...(chart.limits ?? [])]) {
      if (line.word !== undefined) expect(text().line[line.word], line.word).toBeDefined()
      const asked = line.query(terms)
      const count = (sign: string): number => asked.split(sign).length
      expect(count('('), asked).toBe(count(')'))
      expect(count('{'), asked).toBe(count('}'))
    }
  }
})

import { expect, test } from 'vitest'
import { barOf, type Event } from './event'
import { BEGIN, event, findingOf, many } from './fixture'
import type { Lane } from './lanes'
import { clusters, closest, heightOf, hit, laneAt, MERGE, neighbour, placed, RIGHT, sizesOf, strips, ticksOf, timeOf, xOf } from './layout'

// One pixel is one second, the names are left out.
const sizes = { width: 600 + RIGHT, names: 0, axis: 26 }
const view = { from: BEGIN, to: BEGIN + 600_000 }
const at = (...seconds: number[]): Event[] => seconds.map((second, seq) => event(seq, 'web-1', 'exit', { code: 1 }, second))
const laneOf = (name: string, events: Event[], bars: Lane['bars'] = []): Lane =>
  ({ key: name, name, plane: 'container', workload: name, level: undefined, events, states: [], bars })

test('a place leads back to its time', () => {
  for (const x of [0, 17, 600]) expect(xOf(timeOf(x, view, sizes), view, sizes)).toBeCloseTo(x)
})

test.each([
  ['far ones stay', [10, 100, 200], ['10×1', '100×1', '200×1']],
  ['near ones become one', [10, 12, 24, 100], ['10×3', '100×1']],
  ['what is out of sight does not count', [-5, 10, 601], ['10×1']],
  ['none', [], []],
])('marks: %s', (_, seconds, want) => {
  expect(clusters(at(...seconds), view, sizes).map((one) => `${one.x}×${one.count}`)).toEqual(want)
})

test('the weightiest of a cluster is drawn, in its own place', () => {
  const [first] = clusters([...at(10), event(7, 'web-1', 'oom', {}, 20)], view, sizes)
  expect(first).toMatchObject({ x: 20, count: 2, top: { kind: 'oom' } })
})

test('marks never cover one another, however dense', () => {
  const all = clusters(many(10_000), { from: BEGIN, to: BEGIN + 21_600_000 }, { width: 1400, names: 200, axis: 26 })
  for (let n = 1; n < all.length; n += 1) expect((all[n]?.x ?? 0) - (all[n - 1]?.x ?? 0)).toBeGreaterThanOrEqual(MERGE - 0.001)
  expect(all.length).toBeLessThanOrEqual(1200 / MERGE)
})

test('ticks: one for each column of pixels, no marks among them', () => {
  const phase = (second: number): Event => event(1, 'web-1', 'phase', { state: 'running' }, second)
  expect(ticksOf([phase(1), phase(1.1), phase(5), ...at(6), phase(700)], view, sizes)).toEqual([1, 5])
})

test('states: what touches becomes one, what is out of sight is left out, all are seen', () => {
  const of = (state: 'running' | 'exited', from: number, to?: number) =>
    ({ state, from: BEGIN + from * 1000, to: to === undefined ? undefined : BEGIN + to * 1000 })
  const all = [of('exited', 5, 5.01), of('running', -50, 10), of('running', 10.2, 20), of('running', 100), of('running', 700, 800)]
  expect(strips(all, view, BEGIN + 200_000, sizes)).toEqual([
    { state: 'exited', x: 5, width: 1 }, { state: 'running', x: 0, width: 20 }, { state: 'running', x: 100, width: 100 },
  ])
})

const lanes = placed(
  [laneOf('a', at(100, 104)), laneOf('b', at(50), [findingOf('f', 'b', 'alert', 200, 300), findingOf('short', 'b', 'none', 20, 20.1)].map(barOf)), laneOf('c', [])],
  { width: 1000, names: 100, axis: 26 },
)

test('lanes lie below one another, those with findings are higher', () => {
  expect(lanes.map((one) => [one.y, one.height])).toEqual([[0, 32], [32, 52], [84, 32]])
  expect(heightOf(lanes)).toBe(116)
  expect(heightOf([])).toBe(0)
})

test.each([[-1, -1], [0, 0], [31, 0], [32, 1], [83, 1], [84, 2], [115, 2], [116, -1]])('lane at %i', (y, want) => {
  expect(laneAt(lanes, y)).toBe(want)
})

test.each([
  ['a mark', 101, 16, 'a 0×2'],
  ['beside it', 130, 16, 'a'],
  ['a mark under a finding', 52, 70, 'b 0×1'],
  ['a finding', 250, 38, 'b f'],
  ['a finding that was too short to see', 30, 38, 'b short'],
  ['no finding there', 400, 38, 'b'],
  ['nothing', 5, 100, 'c'],
])('hit: %s', (_, x, y, want) => {
  const found = hit(lanes, x, y, view, sizes)
  const what = found?.event ? ` ${found.event.key}×${found.count}` : found?.bar ? ` ${found.bar.key}` : ''
  expect(`${found?.lane.key}${what}`).toBe(want)
})

test('hit: names, and what lies below all', () => {
  expect(hit(lanes, 50, 40, view, { ...sizes, names: 100 })).toMatchObject({ name: true, lane: { key: 'b' } })
  expect(hit(lanes, 50, 400, view, sizes)).toBeUndefined()
})

test('hit: a tick', () => {
  const tick = event(5, 'web-1', 'phase', { state: 'running' }, 300)
  const one = placed([laneOf('a', [tick])], sizes)
  expect(hit(one, 303, 20, view, sizes)?.event?.key).toBe('5')
  expect(hit(one, 306, 20, view, sizes)?.event).toBeUndefined()
})

test('steps from event to event', () => {
  const events = at(10, 20, 20, 30)
  const [first, second, third, fourth] = events
  expect(neighbour(events, first ?? 0, 1)).toBe(second)
  expect(neighbour(events, second ?? 0, 1)).toBe(third)
  expect(neighbour(events, third ?? 0, 1)).toBe(fourth)
  expect(neighbour(events, fourth ?? 0, 1)).toBeUndefined()
  expect(neighbour(events, third ?? 0, -1)).toBe(second)
  expect(neighbour(events, BEGIN + 15_000, 1)).toBe(second)
  expect(neighbour(events, BEGIN + 15_000, -1)).toBe(first)
  expect(closest(events, BEGIN + 14_000)).toBe(first)
  expect(closest(events, BEGIN + 99_000)).toBe(fourth)
  expect(closest([], BEGIN)).toBeUndefined()
})

test('narrow places have their names above', () => {
  expect(sizesOf(390).names).toBe(0)
  expect(sizesOf(1000).names).toBe(170)
  expect(placed([laneOf('a', [])], sizesOf(390))[0]?.height).toBe(49)
})

import { describe, expect, test } from 'vitest'
import { BEGIN, changeOf, event, many } from './fixture'
import { aged, awaitsNumbers, covers, extentOf, joined, settled, streamed, unstoredWithin, type Extent, type Held, type Wanted } from './held'

const NOW = BEGIN + 3_600_000
const HOUR = 3_600_000
const following = (length: number, now: number, more: Partial<Wanted> = {}): Wanted =>
  ({ view: { from: now - length, to: now }, follows: true, attributes: undefined, language: 'en', ...more })
const fixed = (from: number, to: number, more: Partial<Wanted> = {}): Wanted =>
  ({ view: { from, to }, follows: false, attributes: undefined, language: 'en', ...more })

describe('whether what is held is enough', () => {
  const live = extentOf(following(HOUR, NOW), NOW, false)
  const past = extentOf(fixed(BEGIN, BEGIN + HOUR / 2), NOW, false)
  const cut: Extent = { ...live, truncated: true }
  test.each<[string, Extent, Wanted, boolean]>([
    ['time goes on', live, following(HOUR, NOW + 60_000), true],
    ['zoomed in', live, following(HOUR / 2, NOW), true],
    ['zoomed out', live, following(2 * HOUR, NOW), false],
    ['moved back', live, fixed(BEGIN - HOUR, BEGIN), false],
    ['a part of it', live, fixed(BEGIN + 5, NOW - 5), true],
    ['another language', live, following(HOUR, NOW, { language: 'ja' }), false],
    ['filtered: all is there', live, following(HOUR, NOW, { attributes: 'oom' }), true],
    ['a closed past, a part of it', past, fixed(BEGIN, BEGIN + 60_000), true],
    ['a closed past, later', past, fixed(BEGIN + 60_000, NOW), false],
    ['too much: a shorter range may have more', cut, following(HOUR / 2, NOW), false],
    ['too much, time goes on: not asked again and again', cut, following(HOUR, NOW + 60_000), true],
    ['too much: a part that is complete', cut, fixed(NOW - 600_000, NOW), true],
    ['too much, fewer kinds', cut, following(HOUR, NOW, { attributes: 'oom' }), false],
    ['few kinds, all wanted again', { ...live, attributes: 'oom' }, following(HOUR, NOW), false],
    ['few kinds, the same', { ...cut, attributes: 'oom' }, following(HOUR, NOW, { attributes: 'oom' }), true],
  ])('%s', (_, held, wanted, want) => expect(covers(held, wanted, NOW - 900_000)).toBe(want))

  test('an end that is nearly now goes on with the stream', () => {
    expect(extentOf(fixed(BEGIN, NOW - 1_000), NOW, false).live).toBe(true)
    expect(past.live).toBe(false)
  })
})

describe('joining', () => {
  const old = [1, 2, 3].map((seq) => event(seq, 'web-1', 'phase', {}, seq))
  const keys = (of: { events: { key: string }[] }): string => of.events.map((one) => one.key).join(' ')

  test('each once, in order', () => {
    const fresh = [3, 5, 4, 5].map((seq) => event(seq, 'web-1', 'phase', {}, seq))
    expect(keys(joined(old, fresh, BEGIN))).toBe('1 2 3 4 5')
  })
  test('one that comes late is put in its place', () => {
    expect(keys(joined(old, [event(9, 'web-1', 'phase', {}, 1.5)], BEGIN))).toBe('1 9 2 3')
  })
  test('what lies before the begin is let go', () => {
    expect(keys(joined(old, [], BEGIN + 2_000))).toBe('2 3')
  })
  test('the oldest are dropped beyond the limit, and that is said', () => {
    const full = joined(old, [event(4, 'web-1', 'phase', {}, 4)], BEGIN, 3)
    expect([keys(full), full.dropped]).toEqual(['2 3 4', true])
    expect(joined(old, [], BEGIN, 3).dropped).toBe(false)
  })
  test('a day of changes does not grow beyond the limit', () => {
    let events = many(10_000)
    for (let n = 0; n < 50; n += 1) events = joined(events, [event(20_000 + n, 'web-1', 'oom', {}, 30_000 + n)], BEGIN).events
    expect(events.length).toBe(10_000)
    expect(events.at(-1)?.key).toBe('20049')
  })
})

describe('while the disk does not take changes', () => {
  const told = (n: number, seq: number, second: number, value: unknown = {}) => streamed({ ...changeOf(seq, 'web-1', 'exit', value, second), n })
  const seqs = (events: readonly { change: { seq: number } }[]): number[] => events.map((one) => one.change.seq)
  const old = [event(1, 'web-1', 'phase', {}, 1)]

  test('all are kept, each once', () => {
    const fresh = [told(7, 0, 2), told(8, 0, 2), told(8, 0, 2), told(9, 5, 3)]
    const { events } = joined(old, fresh, BEGIN)
    expect(seqs(events)).toEqual([1, 0, 0, 5])
    expect(new Set(events.map((one) => one.key)).size).toBe(4)
    expect(events[3]?.key).toBe('5')
    expect([awaitsNumbers(events), awaitsNumbers(old)]).toEqual([true, false])
  })
  test('an answer has them under their numbers', () => {
    const held = joined(old, [told(7, 0, 2, { code: 1 }), told(8, 0, 2, { code: 2 }), told(9, 0, 3)], BEGIN).events
    const answer = [...old, event(2, 'web-1', 'exit', { code: 1 }, 2), event(3, 'web-1', 'exit', { code: 2 }, 2)]
    const { events } = joined(settled(held, answer), answer, BEGIN)
    expect(seqs(events)).toEqual([1, 2, 3, 0])
    expect(awaitsNumbers(events)).toBe(true)
  })
  test('what the journal went past was lost', () => {
    const held = joined(old, [told(7, 0, 2), told(8, 0, 9)], BEGIN).events
    expect(seqs(settled(held, [...old, event(4, 'web-1', 'gap', {}, 5)]))).toEqual([1, 0])
    expect(settled(held, [])).toEqual(held)
  })
  test('another part of the past takes along what belongs to it', () => {
    const held = joined(old, [told(7, 0, 2), told(8, 0, 9)], BEGIN).events
    const part = (from: number, to: number, live: boolean) =>
      unstoredWithin(held, { ...extentOf(fixed(BEGIN + from, BEGIN + to), NOW, false), live }).map((one) => (one.at - BEGIN) / 1000)
    expect([part(0, 4_000, false), part(0, 4_000, true), part(3_000, 4_000, true)]).toEqual([[2], [2, 9], [9]])
  })
})

describe('as time goes on', () => {
  const held = (wanted: Wanted): Held => ({ ...extentOf(wanted, NOW, false), events: many(3600), bars: [], damages: [] })

  test('what is far behind the view is let go, in steps', () => {
    const start = held(following(HOUR, NOW))
    expect(aged(start, following(HOUR, NOW + HOUR), NOW + HOUR)).toBe(start)
    const later = aged(start, following(HOUR, NOW + 2.5 * HOUR), NOW + 2.5 * HOUR)
    expect(later.from).toBe(NOW + HOUR / 2)
    expect(later.events[0]?.at).toBeGreaterThanOrEqual(later.from)
    expect(later.events.length).toBeLessThan(start.events.length)
  })
  test('an end that was now closes a little later', () => {
    const start = held(fixed(BEGIN, NOW))
    expect(aged(start, fixed(BEGIN, NOW), NOW + 5_000)).toBe(start)
    expect(aged(start, fixed(BEGIN, NOW), NOW + 11_000)).toMatchObject({ live: false, to: NOW })
  })
})

import { expect, test } from 'vitest'
import type { Change } from '../api/types'
import { attributesOf, barOf, barsOf, eventOf, KINDS, unseenOf } from './event'
import { BEGIN, changeOf, event, findingOf } from './fixture'

test.each<[Change['attribute'], unknown, string]>([
  ['spec', {}, 'deploy diamond link D'],
  ['oom', {}, 'oom square alert O'],
  ['exit', { code: 0 }, 'exit disc dim E'],
  ['exit', { code: 137 }, 'exit square notice E'],
  ['exit', {}, 'exit square notice E'],
  ['health', { status: 'unhealthy' }, 'health triangle notice H'],
  ['health', { status: 'healthy' }, 'health triangle none H'],
  ['health', null, 'health triangle dim H'],
  ['intent', { action: 'stop' }, 'intent ring text I'],
  ['stage', { outcome: 'failed' }, 'stage down notice S'],
  ['stage', { outcome: 'passed' }, 'stage tick dim '],
  ['phase', { state: 'running' }, 'phase tick dim '],
  ['runtime', { up: false }, 'runtime hexagon alert R'],
  ['runtime', { up: true }, 'runtime hexagon dim R'],
  ['gap', {}, 'gap hexagon text G'],
])('%s %o', (attribute, value, want) => {
  const { kind, mark } = event(1, 'web-1', attribute, value, 0)
  expect(`${kind} ${mark.shape} ${mark.tone} ${mark.letter}`).toBe(want)
})

test('an attribute of a newer server is still an event', () => {
  expect(eventOf(changeOf(1, 'web-1', 'novelty' as Change['attribute'], 5, 1)).kind).toBe('phase')
})

test('kinds part the attributes among them', () => {
  const all = KINDS.flatMap(attributesOf)
  expect(new Set(all).size).toBe(all.length)
  expect(attributesOf('exit').sort()).toEqual(['exit', 'unobserved_restarts'])
})

test('a gap tells its time, what is no gap tells none', () => {
  const value = { from: '2026-11-24T03:00:00Z', to: '2026-11-24T03:01:00Z' }
  expect(unseenOf(event(1, 'web-1', 'gap', value, 60))).toEqual({ from: BEGIN, to: BEGIN + 60_000 })
  expect(unseenOf(event(1, 'web-1', 'gap', { from: value.to, to: value.from }, 60))).toBeUndefined()
  expect(unseenOf(event(1, 'web-1', 'gap', 'soon', 60))).toBeUndefined()
  expect(unseenOf(event(1, 'web-1', 'phase', value, 60))).toBeUndefined()
})

test('a finding without an end is open', () => {
  expect(barOf(findingOf('f', 'web-1', 'alert', 5))).toMatchObject({ from: BEGIN + 5_000, to: undefined })
  expect(barOf(findingOf('f', 'web-1', 'alert', 5, 6)).to).toBe(BEGIN + 6_000)
})

test('a finding that is told twice is one', () => {
  const twice = [findingOf('f', 'web-1', 'notice', 5), findingOf('g', 'web-1', 'none', 6), findingOf('f', 'web-1', 'alert', 5)]
  expect(barsOf(twice).map((bar) => `${bar.key} ${bar.finding.level}`)).toEqual(['f alert', 'g none'])
})

import { expect, test } from 'vitest'
import type { Change } from '../api/types'
import { BEGIN, event } from './fixture'
import { inOrder, stretches } from './state'

type Step = [Change['attribute'], string, number]

function told(...steps: Step[]): string[] {
  const events = steps.map(([attribute, word, at], seq) => {
    const value = attribute === 'phase' ? { state: word } : attribute === 'health' ? { status: word } : {}
    return event(seq, 'web-1', attribute, value, at)
  })
  const second = (at: number | undefined): string => (at === undefined ? '' : String((at - BEGIN) / 1000))
  return stretches(events, BEGIN).map((one) => `${one.state} ${second(one.from)}-${second(one.to)}`)
}

test.each<[string, Step[], string[]]>([
  ['a start', [['spec', '', 5], ['phase', 'created', 5], ['phase', 'running', 6]], ['created 5-6', 'running 6-']],
  ['an end: it ran before', [['exit', '', 9], ['phase', 'exited', 9]], ['running 0-9', 'exited 9-']],
  ['a wish does not hide what was before', [['intent', '', 3], ['exit', '', 4]], ['running 0-4', 'exited 4-']],
  ['what was before a start is not known', [['phase', 'running', 4]], ['running 4-']],
  ['a removal ends all', [['phase', 'running', 1], ['exit', '', 2], ['phase', 'gone', 3]], ['running 1-2', 'exited 2-3']],
  ['health refines a run', [['phase', 'running', 1], ['health', 'starting', 2], ['health', 'healthy', 3], ['health', 'unhealthy', 4]],
    ['running 1-2', 'starting 2-3', 'healthy 3-4', 'unhealthy 4-']],
  ['a verdict after the end does not make it run', [['phase', 'running', 1], ['exit', '', 2], ['health', 'unhealthy', 3]], ['running 1-2', 'exited 2-']],
  ['a new run begins without a verdict', [['phase', 'running', 1], ['health', 'unhealthy', 2], ['phase', 'restarting', 3], ['phase', 'running', 4]],
    ['running 1-2', 'unhealthy 2-3', 'restarting 3-4', 'running 4-']],
  ['a pause', [['phase', 'paused', 1], ['phase', 'unpaused', 2]], ['running 0-1', 'paused 1-2', 'running 2-']],
  ['a kill for memory does not end the run', [['oom', '', 3]], ['running 0-']],
  ['nothing that decides', [['stage', '', 3]], []],
])('%s', (_, steps, want) => expect(told(...steps)).toEqual(want))

test.each<[Change['source'], string[]]>([
  ['runtime_event', ['running 0-9', 'exited 9-']],
  // It may have ended long ago, or never have run.
  ['inspect', ['exited 9-']],
  ['reconcile', ['exited 9-']],
])('an end that is known by %s', (source, want) => {
  const { change, ...rest } = event(1, 'web-1', 'exit', { code: 127 }, 9)
  const all = stretches([{ ...rest, change: { ...change, source } }], BEGIN)
  expect(all.map((one) => `${one.state} ${(one.from - BEGIN) / 1000}-${one.to === undefined ? '' : (one.to - BEGIN) / 1000}`)).toEqual(want)
})

test('of several containers the one that matters more covers the other', () => {
  const all = inOrder([{ state: 'unhealthy', from: 1, to: 2 }, { state: 'exited', from: 5, to: 6 }, { state: 'running', from: 0, to: 9 }])
  expect(all.map((one) => one.state)).toEqual(['exited', 'running', 'unhealthy'])
})

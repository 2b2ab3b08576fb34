import { expect, test } from 'vitest'
import type { Workload } from '../api/types'
import { hostNames, ranked, SHOWN_MAX, type Entry } from './search'

const named = (...names: string[]): Entry[] => names.map((name) => ({ kind: 'workload', name, run: () => undefined }))
const found = (text: string, ...names: string[]): string[] => ranked(named(...names), text).map((entry) => entry.name)

test('beginnings come before words, words before parts, parts before scattered letters', () => {
  expect(found('web', 'wide-elbow', 'cobweb', 'shop/web', 'web')).toEqual(['web', 'shop/web', 'cobweb', 'wide-elbow'])
})

test('what does not fit is left out, case does not matter', () => {
  expect(found('ZZ', 'web', 'Buzz')).toEqual(['Buzz'])
})

test('without a text all are shown, up to a bound', () => {
  expect(found('', ...Array.from({ length: 80 }, (_, n) => `w${n}`))).toHaveLength(SHOWN_MAX)
})

test('hosts: this one first, then the others by name, each once', () => {
  const instance = (cluster: string, node?: string): Workload['instances'][number] => ({
    resource: { tenant: 'default', cluster, kind: 'container', uid: 'a', name: 'a', ...(node === undefined ? {} : { node }) },
    state: 'running', since: '2026-11-24T12:00:00.000Z', image: 'a', stages: [], restarts: 0,
  })
  const workload: Workload = {
    name: 'a', cluster: 'box', kind: 'lone_container', desired: 2, ready: 2, level: 'none', instances: [instance('box'), instance('box', 'barn')],
  }
  expect(hostNames('tower', [workload], ['tower', 'attic'])).toEqual(['tower', 'attic', 'barn', 'box'])
  expect(hostNames(undefined, [], [])).toEqual([])
})

import { expect, test } from 'vitest'
import { findingPath, pageOf, workloadPath } from './path'

test.each([
  ['/', { page: 'overview' }],
  ['/w', { page: 'workloads' }],
  ['/w/', { page: 'workloads' }],
  ['/w/web', { page: 'workload', name: 'web' }],
  ['/w/shop/web', { page: 'workload', name: 'shop/web' }],
  ['/w/a%20b', { page: 'workload', name: 'a b' }],
  ['/w/%E0%A4%A', { page: 'workload', name: '%E0%A4%A' }],
  ['/findings/f-1', { page: 'finding', id: 'f-1' }],
  ['/findings', { page: 'nowhere', path: '/findings' }],
  ['/timeline', { page: 'timeline' }],
  ['/status', { page: 'status' }],
  ['/login', { page: 'login' }],
  ['/status/x', { page: 'nowhere', path: '/status/x' }],
  ['/nope', { page: 'nowhere', path: '/nope' }],
])('%s', (path, want) => expect(pageOf(path)).toEqual(want))

test('a path leads back to its name', () => {
  for (const name of ['web', 'shop/web', 'a b', '火の見/鐘', 'x%2Fy'])
    expect(pageOf(workloadPath(name))).toEqual({ page: 'workload', name })
  expect(pageOf(findingPath('f-0/1'))).toEqual({ page: 'finding', id: 'f-0/1' })
})

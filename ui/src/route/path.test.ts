import { expect, test } from 'vitest'
import { findingPath, hostPath, instancePath, pageOf, workloadPath } from './path'

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
  ['/instances/web-1', { page: 'instance', name: 'web-1' }],
  ['/instances', { page: 'nowhere', path: '/instances' }],
  ['/hosts/tower-1', { page: 'host', name: 'tower-1' }],
  ['/hosts/a/b', { page: 'nowhere', path: '/hosts/a/b' }],
  ['/timeline', { page: 'timeline' }],
  ['/explore', { page: 'explore' }],
  ['/graph', { page: 'explore' }],
  ['/graph/x', { page: 'nowhere', path: '/graph/x' }],
  ['/status', { page: 'status' }],
  ['/login', { page: 'login' }],
  ['/status/x', { page: 'nowhere', path: '/status/x' }],
  ['/nope', { page: 'nowhere', path: '/nope' }],
])('%s', (path, want) => expect(pageOf(path)).toEqual(want))

test('a path leads back to its name', () => {
  for (const name of ['web', 'shop/web', 'a b', '火の見/鐘', 'x%2Fy'])
    expect(pageOf(workloadPath(name))).toEqual({ page: 'workload', name })
  expect(pageOf(instancePath('a/b'))).toEqual({ page: 'instance', name: 'a/b' })
  expect(pageOf(hostPath('火の見'))).toEqual({ page: 'host', name: '火の見' })
  expect(pageOf(findingPath('f-0/1'))).toEqual({ page: 'finding', id: 'f-0/1' })
})

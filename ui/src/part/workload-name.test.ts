import { expect, test } from 'vitest'
import { changeOf } from '../timeline/fixture'
import { workloadOf } from './workload-name'

test('the workload of a resource is named as its page is', () => {
  const { resource } = changeOf(1, 'web-1', 'phase', {}, 0)
  expect(workloadOf(resource)).toBe('shop/web')
  expect(workloadOf({ ...resource, workload: { kind: 'lone_container', name: 'db' } })).toBe('db')
  expect(workloadOf({ ...resource, workload: undefined })).toBeUndefined()
  expect(workloadOf({ ...resource, workload: undefined, kind: 'workload', name: 'shop/web' })).toBe('shop/web')
})

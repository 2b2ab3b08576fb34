// What a resource's workload is called. Pure.
import type { Resource } from '../api/types'

/** The workload's name as its page has it; undefined for what belongs to none: a host, a runtime. */
export function workloadOf(resource: Resource): string | undefined {
  const { workload } = resource
  if (workload) return workload.project === undefined || workload.project === '' ? workload.name : `${workload.project}/${workload.name}`
  return resource.kind === 'workload' ? resource.name : undefined
}

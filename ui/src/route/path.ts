// Which page an address means. Pure.

export type Page =
  | { page: 'overview' }
  | { page: 'workloads' }
  | { page: 'workload'; name: string }
  | { page: 'instance'; name: string }
  | { page: 'host'; name: string }
  | { page: 'timeline' }
  | { page: 'explore' }
  | { page: 'finding'; id: string }
  | { page: 'status' }
  | { page: 'login' }
  | { page: 'nowhere'; path: string }

/** The page of a path. */
export function pageOf(path: string): Page {
  const parts = path.split('/').filter((part) => part !== '').map(decoded)
  const [first, ...rest] = parts
  const alone = rest.length === 0
  if (first === undefined) return { page: 'overview' }
  if (first === 'w') return alone ? { page: 'workloads' } : { page: 'workload', name: rest.join('/') }
  if (first === 'instances' && rest.length === 1 && rest[0]) return { page: 'instance', name: rest[0] }
  if (first === 'hosts' && rest.length === 1 && rest[0]) return { page: 'host', name: rest[0] }
  if (first === 'findings' && rest.length === 1 && rest[0]) return { page: 'finding', id: rest[0] }
  if (alone && (first === 'timeline' || first === 'status' || first === 'login')) return { page: first }
  // Prometheus and its Alertmanager link to /graph.
  if (alone && (first === 'explore' || first === 'graph')) return { page: 'explore' }
  return { page: 'nowhere', path }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** The path of a workload's page; its name may be `project/service`. */
export const workloadPath = (name: string): string => `/w/${name.split('/').map(encodeURIComponent).join('/')}`

/** The path of a finding's page. */
export const findingPath = (id: string): string => `/findings/${encodeURIComponent(id)}`

/** The path of a container's page. */
export const instancePath = (name: string): string => `/instances/${encodeURIComponent(name)}`

/** The path of a host's page. */
export const hostPath = (name: string): string => `/hosts/${encodeURIComponent(name)}`

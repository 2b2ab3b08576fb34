import { expect, test } from 'vitest'
import { found } from './search'

const HELPS: Record<string, string> = { cpu_seconds: 'time spent', host_cpu: 'processor', up: 'whether the CPU of a target answers', x: '' }
test.each([
  ['', ['cpu_seconds', 'host_cpu', 'up', 'x']], ['CPU', ['cpu_seconds', 'host_cpu', 'up']], ['cpu host', ['host_cpu']], ['target up', ['up']], ['nothing', []],
])('%s', (search, want) => expect(found(Object.keys(HELPS), (name) => HELPS[name] ?? '', search)).toEqual(want))

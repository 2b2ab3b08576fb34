import { expect, test } from 'vitest'
import { metricNames, nearest } from './nearest'

const NAMES = ['hinomi_host_cpu_seconds_total', 'hinomi_host_memory_bytes', 'up', 'process_start_time_seconds']
test.each([
  ['hinomi_host_cpu_second_total', 'hinomi_host_cpu_seconds_total'],
  ['hinomi_host_cpu_seconds', 'hinomi_host_cpu_seconds_total'],
  ['host_memory_bytes', 'hinomi_host_memory_bytes'],
  ['Up', 'up'], ['up', undefined], ['zzz', undefined], ['start_time_seconds', 'process_start_time_seconds'],
])('%s', (name, want) => expect(nearest(name, NAMES)).toBe(want))

test.each([
  ['up', ['up']],
  ['sum by (job, instance) (rate(http_requests_total{code=~"5.."}[5m])) / on(job) group_left(x) up offset 5m', ['http_requests_total', 'up']],
  ['label_replace(a:b, "x", "$1", "y", "(.*)") > bool 1e3 or NaN', ['a:b']],
  ['# up\ntopk(3, foo) and bar unless {job="x"}', ['foo', 'bar']],
  ['1 + 2', []],
])('names in %s', (expr, want) => expect(metricNames(expr)).toEqual(want))

// The charts of a container, and of the containers of a workload together. Pure.
import { anyOf, quoted } from '../api/prometheus'
import type { ChartDef, LineDef, Terms } from './chart'

/** What takes the series of all containers of a host. */
export const containersSelector = (host: string): string => `host=${quoted(host)}`

/** What takes all series of a container. By its name: a container of the same name that took its place goes on with its lines. */
export const containerSelector = (host: string, name: string): string => `${containersSelector(host)},name=${quoted(name)}`

export interface WorkloadRef {
  readonly project?: string
  readonly name: string
}

/** What takes all series of a workload's containers, also of those that are gone. */
export function workloadSelector(host: string, workload: WorkloadRef, containers: readonly string[]): string {
  const own = containersSelector(host)
  if (workload.project !== undefined && workload.project !== '') return `${own},compose_project=${quoted(workload.project)},compose_service=${quoted(workload.name)}`
  return containers.length === 0 ? `${own},name=${quoted(workload.name)}` : `${own},name=~${anyOf(containers)}`
}

const cpuLimit = (own: string): string => `(container_spec_cpu_quota{${own}} > 0) / container_spec_cpu_period{${own}}`

/** Of one container everything. */
export function containerCharts(own: string): ChartDef[] {
  const of = (metric: string): string => `${metric}{${own}}`
  const sum = (word: string, metric: string): LineDef => ({ word, query: (t) => `sum(${t.rate(of(metric))})` })
  return [
    {
      id: 'cpu', unit: 'cores', aspect: 'utilisation',
      lines: [
        sum('all', 'container_cpu_usage_seconds_total'),
        sum('user', 'container_cpu_user_seconds_total'),
        sum('system', 'container_cpu_system_seconds_total'),
      ],
      limits: [{ word: 'limit', query: () => `max(${cpuLimit(own)})` }],
    },
    {
      id: 'throttling', unit: 'share', aspect: 'saturation', optional: true,
      lines: [{
        word: 'throttled',
        query: (t) => `sum(${t.rate(of('container_cpu_cfs_throttled_periods_total'))}) / (sum(${t.rate(of('container_cpu_cfs_periods_total'))}) > 0)`,
      }],
    },
    {
      id: 'memory', unit: 'bytes', aspect: 'utilisation',
      lines: [
        { word: 'workingSet', query: (t) => `max(${t.peak(of('container_memory_working_set_bytes'))})` },
        { word: 'rss', query: (t) => `max(${t.mean(of('container_memory_rss'))})` },
        { word: 'cache', query: (t) => `max(${t.mean(of('container_memory_cache'))})` },
        { word: 'swapped', query: (t) => `max(${t.mean(of('container_memory_swap'))}) > 0` },
      ],
      limits: [{ word: 'limit', query: () => `max(${of('container_spec_memory_limit_bytes')} > 0)` }],
    },
    {
      id: 'oom', unit: 'count', aspect: 'errors', counted: 'oom',
      lines: [
        { word: 'oomKills', query: (t) => `sum(${t.count(of('container_oom_events_total'))})` },
        { word: 'limitHits', query: (t) => `sum(${t.count(of('container_memory_failcnt'))})` },
      ],
    },
    {
      id: 'pids', unit: 'count', aspect: 'utilisation',
      lines: [
        { word: 'threads', query: (t) => `max(${t.peak(of('container_threads'))})` },
        { word: 'processes', query: (t) => `max(${t.peak(of('container_processes'))})` },
      ],
      limits: [{ word: 'limit', query: () => `max(${of('container_threads_max')} > 0)` }],
    },
    {
      id: 'io', unit: 'bytes_per_second', aspect: 'utilisation', optional: true,
      lines: [sum('read', 'container_fs_reads_bytes_total'), sum('written', 'container_fs_writes_bytes_total')],
    },
    {
      id: 'network', unit: 'bytes_per_second', aspect: 'utilisation', optional: true,
      lines: [sum('received', 'container_network_receive_bytes_total'), sum('sent', 'container_network_transmit_bytes_total')],
    },
    {
      id: 'neterrors', unit: 'per_second', aspect: 'errors', optional: true,
      lines: [
        { word: 'errors', query: (t) => both(t, of, 'errors_total') },
        { word: 'dropped', query: (t) => both(t, of, 'packets_dropped_total') },
      ],
    },
    {
      id: 'pressure', unit: 'share', aspect: 'saturation', optional: true,
      lines: [
        sum('psiCpu', 'container_pressure_cpu_waiting_seconds_total'),
        sum('psiMemory', 'container_pressure_memory_waiting_seconds_total'),
        sum('psiIo', 'container_pressure_io_waiting_seconds_total'),
      ],
    },
  ]
}

const both = (t: Terms, of: (metric: string) => string, what: string): string =>
  `sum(${t.rate(of(`container_network_receive_${what}`))}) + sum(${t.rate(of(`container_network_transmit_${what}`))})`

/** Of several containers each, or all in one line. */
export function workloadCharts(own: string, together: boolean): ChartDef[] {
  const of = (metric: string): string => `${metric}{${own}}`
  const by = together ? '' : ' by (name)'
  const line = (query: (t: Terms) => string, word: string): LineDef => (together ? { word, query } : { label: 'name', query })
  const rated = (metric: string, word: string): LineDef => line((t) => `sum${by} (${t.rate(of(metric))})`, word)
  const directed = (metric: string, word: string): LineDef =>
    together ? rated(metric, word) : { word, label: 'name', query: (t) => `sum by (name) (${t.rate(of(metric))})` }
  // Together they have so much; one alone has this much, and mostly all have the same.
  const limit = (query: string): LineDef => ({ word: 'limit', query: () => (together ? `sum(max by (name) (${query}))` : `max(${query})`) })
  return [
    {
      id: 'cpu', unit: 'cores', aspect: 'utilisation', lines: [rated('container_cpu_usage_seconds_total', 'all')], limits: [limit(cpuLimit(own))],
    },
    {
      id: 'throttling', unit: 'share', aspect: 'saturation', optional: true,
      lines: [line(
        (t) => `sum${by} (${t.rate(of('container_cpu_cfs_throttled_periods_total'))}) / (sum${by} (${t.rate(of('container_cpu_cfs_periods_total'))}) > 0)`,
        'throttled',
      )],
    },
    {
      id: 'memory', unit: 'bytes', aspect: 'utilisation',
      lines: [line((t) => (together ? `sum(max by (name) (${t.peak(of('container_memory_working_set_bytes'))}))` : `max by (name) (${t.peak(of('container_memory_working_set_bytes'))})`), 'workingSet')],
      limits: [limit(`${of('container_spec_memory_limit_bytes')} > 0`)],
    },
    {
      id: 'oom', unit: 'count', aspect: 'errors', counted: 'oom', lines: [line((t) => `sum${by} (${t.count(of('container_oom_events_total'))})`, 'oomKills')],
    },
    {
      id: 'io', unit: 'bytes_per_second', aspect: 'utilisation', optional: true,
      lines: [directed('container_fs_reads_bytes_total', 'read'), directed('container_fs_writes_bytes_total', 'written')],
    },
    {
      id: 'network', unit: 'bytes_per_second', aspect: 'utilisation', optional: true,
      lines: [directed('container_network_receive_bytes_total', 'received'), directed('container_network_transmit_bytes_total', 'sent')],
    },
  ]
}

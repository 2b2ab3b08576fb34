// What the editor's completion asks: names, labels and values of the server, by the page's own client.
import type { PrometheusClient } from '@prometheus-io/codemirror-promql'
import { EqlRegex, EqlSingle, Neq, NeqRegex } from '@prometheus-io/lezer-promql'
import { quoted } from '../api/prometheus'
import { helps, labelsOf, names, valuesOf } from './catalog'

/** A matcher as the grammar tells it: its operator is a node's id. */
export interface Matcher {
  readonly type: number
  readonly name: string
  readonly value: string
}

const OPERATORS: Record<number, string> = { [EqlSingle]: '=', [Neq]: '!=', [EqlRegex]: '=~', [NeqRegex]: '!~' }

/** A selector of a metric and what is written beside it, without the label that is being completed; undefined: of all series. Pure. */
export function selectorOf(metric: string | undefined, matchers: readonly Matcher[] = [], without?: string): string | undefined {
  const pairs = matchers.filter(({ name, value }) => name !== without && value !== '').map(({ type, name, value }) => `${name}${OPERATORS[type] ?? '='}${quoted(value)}`)
  if (metric !== undefined && metric !== '') pairs.unshift(`__name__=${quoted(metric)}`)
  return pairs.length === 0 ? undefined : `{${pairs.join(',')}}`
}

export const completionSource: PrometheusClient = {
  metricNames: async () => await names().catch(() => []),
  labelNames: async (metric) => (await labelsOf(selectorOf(metric)).catch(() => [])).filter((name) => name !== '__name__'),
  labelValues: async (label, metric, matchers) => await valuesOf(label, selectorOf(metric, matchers, label)).catch(() => []),
  metricMetadata: async () => Object.fromEntries(Object.entries(await helps().catch(() => ({}))).map(([name, entries]) => [name, entries.map(({ type, help }) => ({ type, help }))])),
  // Only what `info()` needs would ask for these.
  series: async () => await Promise.resolve([]),
  flags: async () => await Promise.resolve({}),
}

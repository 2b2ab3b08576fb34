// A series as PromQL writes it. Pure.
import { quoted, type Labels } from '../api/prometheus'

const PLAIN = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** `up{instance="a"}`; a name that is no identifier is quoted inside of the braces. */
export function seriesName(labels: Labels): string {
  const name = labels['__name__']
  const plain = name !== undefined && PLAIN.test(name)
  const pairs = Object.keys(labels).filter((key) => key !== '__name__').sort().map((key) => `${PLAIN_LABEL.test(key) ? key : quoted(key)}=${quoted(labels[key] ?? '')}`)
  if (name !== undefined && !plain) pairs.unshift(quoted(name))
  return `${plain ? name : ''}${pairs.length > 0 || !plain ? `{${pairs.join(', ')}}` : ''}`
}

/** A metric's name as it goes into a query. */
export const metricSelector = (name: string): string => (PLAIN.test(name) ? name : `{${quoted(name)}}`)

/** The labels in which the series differ, in their order; the name first if it is one of them. */
export function differing(series: readonly Labels[]): string[] {
  const [first] = series
  if (!first) return []
  const keys = new Set(series.flatMap((labels) => Object.keys(labels)))
  return [...keys].filter((key) => series.some((labels) => labels[key] !== first[key])).sort((a, b) => order(a).localeCompare(order(b)))
}

const order = (key: string): string => (key === '__name__' ? '' : key)

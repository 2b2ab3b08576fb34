// A result as a file: CSV with a column for each label, or the JSON of the API. Pure.
import type { Labels, Result } from '../api/prometheus'
import { histogramText } from './histogram'

/** CSV as RFC 4180 has it. Times are RFC 3339; a label that a series lacks is empty. */
export function csv(answer: Result): string {
  if (answer.resultType === 'scalar' || answer.resultType === 'string') return lines([['time', 'value'], [time(answer.result[0]), answer.result[1]]])
  const series: readonly { readonly metric: Labels }[] = answer.result
  const names = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort((a, b) => (a === '__name__' ? -1 : b === '__name__' ? 1 : a < b ? -1 : 1))
  const of = (metric: Labels): string[] => names.map((name) => metric[name] ?? '')
  const rows = answer.resultType === 'vector'
    ? answer.result.map(({ metric, value, histogram }) => [time((value ?? histogram)?.[0] ?? NaN), ...of(metric), value ? value[1] : histogram ? histogramText(histogram[1]) : ''])
    : answer.result.flatMap(({ metric, values = [], histograms = [] }) => [
        ...values.map(([at, value]) => [time(at), ...of(metric), value]),
        ...histograms.map(([at, histogram]) => [time(at), ...of(metric), histogramText(histogram)]),
      ])
  return lines([['time', ...names, 'value'], ...rows])
}

const time = (seconds: number): string => (Number.isFinite(seconds) ? new Date(seconds * 1_000).toISOString() : '')
const lines = (rows: readonly (readonly string[])[]): string => rows.map((row) => `${row.map(cell).join(',')}\r\n`).join('')

/** Quoted where the format asks for it. A text that a spreadsheet would compute is told to be one: labels come from anybody. */
function cell(text: string): string {
  const told = /^[=+\-@\t\r]/.test(text) && !/^[+-](?:\d|Inf$)/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(told) ? `"${told.replaceAll('"', '""')}"` : told
}

/** A name for the file: what of the query may stand in one. */
export function fileName(expr: string, kind: 'csv' | 'json'): string {
  const plain = expr.replace(/[^\w]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 60)
  return `${plain === '' ? 'query' : plain}.${kind}`
}

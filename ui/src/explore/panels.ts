// The panels of Explore as they stand in the address. Prometheus' own addresses (`g0.expr=…`, of its old and its new page)
// are read as well; what is written is a part of them, beside the time range of all pages (`from`, `to`). Pure.
import { isRelative, span, type Range } from '../route/range'
import { formatDuration, parseDuration } from './duration'

export type View = 'graph' | 'table'

/** How the table is ordered: by the value or a label; down or up. */
export interface Sort {
  readonly by: string
  readonly down: boolean
}

export interface Panel {
  readonly expr: string
  readonly view: View
  readonly stacked: boolean
  /** Milliseconds; undefined: as fits the width. */
  readonly step: number | undefined
  /** A range of its own, beside that of the page. */
  readonly range: Range | undefined
  readonly sort: Sort | undefined
}

/** What an address says. */
export interface Decoded {
  readonly panels: readonly Panel[]
  /** The range of the page: that of the address, or else of the first panel that has one. */
  readonly range: Range | undefined
}

/** More in an address are not read: each asks the server. */
export const PANELS_MAX = 20
export const EMPTY: Panel = { expr: '', view: 'graph', stacked: false, step: undefined, range: undefined, sort: undefined }
/** Length of a range that has only an end, as Prometheus has it. */
const LENGTH = 3_600_000

export type Query = Readonly<Record<string, string | undefined>>

export function decode(query: Query): Decoded {
  const panels: Panel[] = []
  while (panels.length < PANELS_MAX && query[`g${panels.length}.expr`] !== undefined) panels.push(panelOf(query, panels.length))
  if (panels.length === 0) panels.push(EMPTY)
  const { from, to } = query
  const range = from === undefined ? panels.find((panel) => panel.range)?.range : { from, to: to ?? 'now' }
  // What is the same is no range of its own.
  return { range, panels: panels.map((panel) => (range && panel.range && same(panel.range, range) ? { ...panel, range: undefined } : panel)) }
}

const same = (one: Range, other: Range): boolean => one.from === other.from && one.to === other.to

function panelOf(query: Query, at: number): Panel {
  const value = (name: string): string | undefined => query[`g${at}.${name}`]
  const tab = value('tab')
  return {
    expr: value('expr') ?? '',
    view: tab === '1' || tab === 'table' || tab === 'explain' ? 'table' : 'graph',
    stacked: (value('display_mode') ?? (value('stacked') === '1' ? 'stacked' : 'lines')) === 'stacked',
    step: stepOf(value),
    range: rangeOf(value('range_input'), value('end_input') ?? value('moment_input')),
    sort: sortOf(value('sort')),
  }
}

/** The new page names how the step is found, the old one only the step; both mean seconds by a bare number. */
function stepOf(value: (name: string) => string | undefined): number | undefined {
  const kind = value('res_type')
  if (kind === 'auto') return undefined
  return parseDuration((kind === undefined ? value('step_input') : value('res_step')) ?? '')
}

function rangeOf(length: string | undefined, end: string | undefined): Range | undefined {
  if (length === undefined && end === undefined) return undefined
  const ms = parseDuration(length ?? '') ?? LENGTH
  const at = end === undefined ? undefined : momentOf(end)
  if (at === undefined) return { from: ago(ms), to: 'now' }
  return { from: new Date(at - ms).toISOString(), to: new Date(at).toISOString() }
}

/** `2026-11-24 12:00:00` in UTC as Prometheus writes it, RFC 3339, or seconds since the epoch. */
function momentOf(text: string): number | undefined {
  if (/^\d{9,11}(\.\d+)?$/.test(text)) return Number(text) * 1_000
  const [, day, time, zone] = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?(Z|[+-]\d\d:\d\d)?$/.exec(text.trim()) ?? []
  if (day === undefined) return undefined
  const at = Date.parse(`${day}T${time ?? '00:00'}${zone ?? 'Z'}`)
  return Number.isNaN(at) ? undefined : at
}

/** `now-1h`: addresses have one unit. */
function ago(ms: number): string {
  const [size, unit] = ([[86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'm']] as const).find(([size]) => ms % size === 0) ?? [1_000, 's']
  return `now-${Math.max(1, Math.round(ms / size))}${unit}`
}

function sortOf(text: string | undefined): Sort | undefined {
  if (text === undefined || text === '' || text === '-') return undefined
  return text.startsWith('-') ? { by: text.slice(1), down: true } : { by: text, down: false }
}

/** The query of an address; values that are as by themselves are left out. Of a query before, what is not the panels' stays. */
export function encode(panels: readonly Panel[], range: Range | undefined, before: Query = {}): string {
  const out = new URLSearchParams()
  for (const [key, value] of Object.entries(before)) if (value !== undefined && !/^g\d+\./.test(key) && key !== 'from' && key !== 'to') out.set(key, value)
  if (range) {
    out.set('from', range.from)
    if (range.to !== 'now') out.set('to', range.to)
  }
  // A panel alone and empty is what an address without one means.
  const told = panels.length === 1 && panels[0] && panels[0].expr === '' && panels[0].view === 'graph' ? [] : panels
  told.forEach((panel, at) => pairsOf(panel).forEach(([name, value]) => out.set(`g${at}.${name}`, value)))
  return out.toString()
}

function pairsOf(panel: Panel): [string, string][] {
  const pairs: [string, string][] = [['expr', panel.expr]]
  if (panel.view === 'table') pairs.push(['tab', '1'])
  if (panel.stacked) pairs.push(['stacked', '1'])
  if (panel.step !== undefined) pairs.push(['step_input', panel.step % 1_000 === 0 ? String(panel.step / 1_000) : formatDuration(panel.step)])
  if (panel.sort) pairs.push(['sort', (panel.sort.down ? '-' : '') + panel.sort.by])
  return panel.range ? [...pairs, ...ownRange(panel.range)] : pairs
}

function ownRange(range: Range): [string, string][] {
  const relative = isRelative(range.from) && range.to === 'now'
  // Lengths do not depend on when it is now.
  const of = span(range, Date.UTC(2026, 0, 1))
  if (!of) return []
  const length: [string, string] = ['range_input', formatDuration(of.to - of.from)]
  return relative ? [length] : [length, ['end_input', new Date(of.to).toISOString()]]
}

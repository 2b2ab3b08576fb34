// A state change as the timeline draws it: its kind, its place in time, its mark. Pure.
import type { Change, Level, Timeline } from '../api/types'

/** Kinds of changes that a reader tells apart, the loudest first. */
export const KINDS = ['oom', 'exit', 'health', 'stage', 'deploy', 'intent', 'runtime', 'gap', 'phase'] as const
export type Kind = (typeof KINDS)[number]

export type Shape = 'square' | 'disc' | 'triangle' | 'down' | 'diamond' | 'ring' | 'hexagon' | 'tick'
export type Tone = 'alert' | 'notice' | 'none' | 'link' | 'text' | 'dim'

/** How a change is drawn. Of several that fall together the one with the highest weight is seen. */
export interface Mark {
  shape: Shape
  tone: Tone
  letter: string
  weight: number
}

/** A state change, read once. */
export interface Event {
  key: string
  change: Change
  kind: Kind
  mark: Mark
  /** When Hinomi saw it, milliseconds: orders all. */
  at: number
}

/** A finding, read once. */
export interface Bar {
  key: string
  finding: Timeline['findings'][number]
  from: number
  /** Absent: still open. */
  to: number | undefined
}

/** A time in which Hinomi saw nothing. */
export interface Unseen {
  from: number
  to: number
}

const KIND_OF: Record<Change['attribute'], Kind> = {
  spec: 'deploy', name: 'deploy', phase: 'phase', exit: 'exit', unobserved_restarts: 'exit', health: 'health', oom: 'oom',
  intent: 'intent', stage: 'stage', runtime: 'runtime', clock_step: 'runtime', gap: 'gap',
}

/** Attributes of the API that make up a kind. */
export const attributesOf = (kind: Kind): string[] =>
  (Object.keys(KIND_OF) as Change['attribute'][]).filter((attribute) => KIND_OF[attribute] === kind)

/** Up to this weight a change is a tick only: the bar of its state tells the rest. */
export const TICK = 1

const LETTER: Record<Kind, string> = {
  oom: 'O', exit: 'E', health: 'H', stage: 'S', deploy: 'D', intent: 'I', runtime: 'R', gap: 'G', phase: '',
}
const tick: Mark = { shape: 'tick', tone: 'dim', letter: '', weight: TICK }

function markOf(kind: Kind, change: Change): Mark {
  const of = (shape: Shape, tone: Tone, weight: number): Mark => ({ shape, tone, letter: LETTER[kind], weight })
  switch (kind) {
    case 'oom':
      return of('square', 'alert', 9)
    case 'exit':
      return field(change.value, 'code') === 0 ? of('disc', 'dim', 3) : of('square', 'notice', 8)
    case 'health':
      return HEALTH_MARK[text(field(change.value, 'status'))]?.(of) ?? of('triangle', 'dim', 3)
    case 'stage':
      return field(change.value, 'outcome') === 'failed' ? of('down', 'notice', 7) : tick
    case 'deploy':
      return of('diamond', 'link', 6)
    case 'intent':
      return of('ring', 'text', 5)
    case 'runtime':
      return of('hexagon', field(change.value, 'up') === false ? 'alert' : 'dim', 8)
    case 'gap':
      return of('hexagon', 'text', 7)
    case 'phase':
      return tick
  }
}

type Maker = (shape: Shape, tone: Tone, weight: number) => Mark
const HEALTH_MARK: Record<string, (of: Maker) => Mark> = {
  unhealthy: (of) => of('triangle', 'notice', 7),
  healthy: (of) => of('triangle', 'none', 4),
}

/** What the value of a change says under a name. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** A change of the API as an event. */
export function eventOf(change: Change): Event {
  const kind = KIND_OF[change.attribute] ?? 'phase'
  return { key: String(change.seq), change, kind, mark: markOf(kind, change), at: Date.parse(change.observed_at) }
}

/** A finding of the API as a bar. */
export function barOf(finding: Timeline['findings'][number]): Bar {
  const to = finding.resolved_at === undefined ? undefined : Date.parse(finding.resolved_at)
  return { key: finding.id, finding, from: Date.parse(finding.started_at), to }
}

/** Findings of an answer as bars, each once. */
export function barsOf(findings: Timeline['findings']): Bar[] {
  return [...new Map(findings.map((finding) => [finding.id, barOf(finding)])).values()]
}

/** The time that a gap tells of. */
export function unseenOf(event: Event): Unseen | undefined {
  if (event.change.attribute !== 'gap') return undefined
  const from = Date.parse(text(field(event.change.value, 'from')))
  const to = Date.parse(text(field(event.change.value, 'to')))
  return Number.isNaN(from) || Number.isNaN(to) || from >= to ? undefined : { from, to }
}

export const LEVELS: readonly Level[] = ['none', 'notice', 'alert']
export const rank = (level: Level): number => LEVELS.indexOf(level)

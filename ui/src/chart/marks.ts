// What happened in the time of a chart: marks that all charts of a page draw, and where each leads. Pure.
import type { Change, Resource, Timeline } from '../api/types'
import { workloadOf } from '../part/workload-name'
import { GLYPHS } from '../part/shapes'
import { pointsOf, type Column, type Grid } from './grid'
import { barOf, eventOf, type Event } from '../timeline/event'

export type MarkKind = 'oom' | 'exit' | 'deploy' | 'intent' | 'runtime' | 'level' | 'over'
export type Tone = 'alert' | 'notice' | 'none' | 'link' | 'text' | 'dim'

export interface Mark {
  /** The row of the timeline. */
  readonly key: string
  readonly kind: MarkKind
  /** Milliseconds. */
  readonly at: number
  readonly glyph: string
  readonly tone: Tone
  readonly words: string
  /** Who told of it; of a finding nobody but Hinomi. */
  readonly source: Change['source']
  readonly name: string
  /** Of those that fall together the highest is seen. */
  readonly weight: number
}

/** What a page is about: marks of others are not its own. */
export type Target =
  | { readonly kind: 'instance'; readonly name: string }
  | { readonly kind: 'workload'; readonly name: string }
  | { readonly kind: 'host'; readonly name: string }

/** What the timeline is asked for. */
export const MARK_ATTRIBUTES = 'exit,intent,oom,runtime,spec'

const GLYPH: Partial<Record<Event['kind'], { kind: MarkKind; glyph: string }>> = {
  oom: { kind: 'oom', glyph: '■' },
  exit: { kind: 'exit', glyph: '■' },
  deploy: { kind: 'deploy', glyph: '◆' },
  intent: { kind: 'intent', glyph: '○' },
  runtime: { kind: 'runtime', glyph: '⬢' },
}

/** The marks of an answer that concern the target, oldest first. */
export function marksOf(answer: Pick<Timeline, 'changes' | 'findings'>, target: Target): Mark[] {
  const changes = answer.changes.map(eventOf).flatMap((event): Mark[] => {
    const shape = GLYPH[event.kind]
    // What was there when Hinomi came is no deploy; an image or configuration that replaces another is.
    const first = event.kind === 'deploy' && event.change.old === undefined && isFound(event)
    if (!shape || first || !concerns(event.change.resource, target)) return []
    const { mark, change, key, at } = event
    return [{ key, kind: shape.kind, at, glyph: shape.glyph, tone: mark.tone, words: change.words, source: change.source, name: change.resource.name, weight: mark.weight }]
  })
  const levels = answer.findings.filter((finding) => concerns(finding.resource, target)).map(barOf).flatMap((bar): Mark[] => {
    const { level, cause, resource } = bar.finding
    const common = { key: bar.key, words: cause, source: 'hinomi' as const, name: resource.name }
    const begin: Mark = { ...common, kind: 'level', at: bar.from, glyph: GLYPHS[level], tone: level, weight: level === 'alert' ? 10 : level === 'notice' ? 8.5 : 4 }
    return bar.to === undefined ? [begin] : [begin, { ...common, kind: 'over', at: bar.to, glyph: '✓', tone: 'none', weight: 3.5 }]
  })
  return [...changes, ...levels].sort((a, b) => a.at - b.at || b.weight - a.weight)
}

const isFound = (event: Event): boolean => event.change.source === 'reconcile' || event.change.source === 'inspect'

function concerns(resource: Resource, target: Target): boolean {
  // What happens to the host or its runtime happens to all on it.
  if (resource.kind === 'cluster' || resource.kind === 'node') return true
  if (target.kind === 'host') return resource.cluster === target.name || resource.node === target.name
  if (target.kind === 'workload') return workloadOf(resource) === target.name
  return resource.name === target.name
}

/** How many of a kind fall into each step of a grid. What several tell of is counted once: by who tells of most. */
export function countsOf(marks: readonly Mark[], kind: MarkKind, grid: Grid): Column {
  const bySource = new Map<string, number[]>()
  for (const mark of marks) {
    // What happened before a point and after the one before it belongs to it.
    const place = Math.ceil((mark.at / 1000 - grid.start) / grid.step)
    if (mark.kind !== kind || place < 0 || place >= pointsOf(grid)) continue
    const counts = bySource.get(mark.source) ?? new Array<number>(pointsOf(grid)).fill(0)
    counts[place] = (counts[place] ?? 0) + 1
    bySource.set(mark.source, counts)
  }
  return Array.from({ length: pointsOf(grid) }, (_, at) => Math.max(0, ...[...bySource.values()].map((counts) => counts[at] ?? 0)))
}

/** Marks at one place. */
export interface Cluster {
  readonly at: number
  /** Share of the width, 0 to 1. */
  readonly place: number
  readonly marks: readonly Mark[]
  /** The one that is seen. */
  readonly top: Mark
}

/** Pixels that a mark takes. */
const MARK_WIDTH = 12

/** Marks in a span (milliseconds) of so many pixels; those that would cover each other are one. */
export function clustersOf(marks: readonly Mark[], from: number, to: number, width: number): Cluster[] {
  const xOf = (at: number): number => ((at - from) / (to - from)) * width
  const groups: { marks: Mark[]; top: Mark }[] = []
  for (const mark of marks) {
    if (mark.at < from || mark.at > to) continue
    const before = groups.at(-1)
    // Both stand where their heaviest mark is.
    if (!before || xOf(mark.at) - xOf(before.top.at) >= MARK_WIDTH) groups.push({ marks: [mark], top: mark })
    else {
      before.marks.push(mark)
      if (mark.weight > before.top.weight) before.top = mark
    }
  }
  return groups.map(({ marks, top }) => ({ at: top.at, place: (top.at - from) / (to - from), marks, top }))
}

// What the palette shows for a text. Pure.
import type { Level, Workload } from '../api/types'

export interface Entry {
  kind: 'page' | 'workload' | 'host' | 'finding' | 'command'
  name: string
  /** What tells it from others, where the name may change. */
  id?: string
  level?: Level
  run: () => void
}

/** Most entries that are shown. */
export const SHOWN_MAX = 50

/** Names of hosts: this one first, then those of containers and those that were measured, each once. */
export function hostNames(own: string | undefined, workloads: readonly Workload[], measured: readonly string[]): string[] {
  const running = workloads.flatMap((one) => one.instances.map(({ resource }) => resource.node ?? resource.cluster))
  return [...new Set([...(own === undefined ? [] : [own]), ...[...running, ...measured].sort()])]
}

/** Entries whose name has the letters of `text` in order; whole words and beginnings first. */
export function ranked(entries: Entry[], text: string): Entry[] {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return entries.slice(0, SHOWN_MAX)
  return entries
    .map((entry, index) => ({ entry, index, score: score(entry.name.toLowerCase(), wanted) }))
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, SHOWN_MAX)
    .map((one) => one.entry)
}

function score(name: string, wanted: string): number {
  const at = name.indexOf(wanted)
  if (at === 0) return 4
  if (at > 0) return /[\s/:_-]/.test(name[at - 1] ?? '') ? 3 : 2
  return hasInOrder(name, wanted) ? 1 : 0
}

function hasInOrder(name: string, wanted: string): boolean {
  let from = 0
  for (const letter of wanted) {
    const at = name.indexOf(letter, from)
    if (at < 0) return false
    from = at + letter.length
  }
  return true
}

// What the palette shows for a text. Pure.
import type { Level } from '../api/types'

export interface Entry {
  kind: 'page' | 'workload' | 'finding' | 'command'
  name: string
  /** What tells it from others, where the name may change. */
  id?: string
  level?: Level
  run: () => void
}

/** Most entries that are shown. */
export const SHOWN_MAX = 50

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

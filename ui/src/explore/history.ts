// Queries that were run here, newest first; the browser keeps them.
import { recall, remember } from '../memory'

const KEY = 'explore.history'
export const ENTRIES_MAX = 50
/** Longer queries are not kept. */
const LENGTH_MAX = 4_000

/** With a query at the front; each stands there once. Pure. */
export function added(entries: readonly string[], expr: string): readonly string[] {
  const trimmed = expr.trim()
  if (trimmed === '' || trimmed.length > LENGTH_MAX) return entries
  return [trimmed, ...entries.filter((one) => one !== trimmed)].slice(0, ENTRIES_MAX)
}

/** What was kept; nothing of it that is no list of texts. Pure. */
export function parsed(text: string | undefined): readonly string[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string' && one.length <= LENGTH_MAX).slice(0, ENTRIES_MAX) : []
  } catch {
    return []
  }
}

export const entries = (): readonly string[] => parsed(recall(KEY))
export const keep = (expr: string): void => remember(KEY, JSON.stringify(added(entries(), expr)))
export const forget = (): void => remember(KEY, '[]')

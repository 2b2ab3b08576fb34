// Log lines with keys that stay while newer lines come and the oldest go. Pure.
import type { Log } from '../api/types'

type Line = Log['lines'][number]

export interface LogRow {
  key: number
  line: Line
}

const same = (a: Line | undefined, b: Line | undefined): boolean => a?.at === b?.at && a?.text === b?.text && a?.stderr === b?.stderr

/**
 * The lines, oldest first, with the keys that they had before. Lines have no number, and the same one may come many times:
 * they are known by the longest stretch in which the end of what was shown is the begin of what is.
 */
export function logRows(before: readonly LogRow[], lines: readonly Line[]): LogRow[] {
  const next = (before.at(-1)?.key ?? -1) + 1
  const gone = before.findIndex((_, from) => before.length - from <= lines.length && before.slice(from).every((row, at) => same(row.line, lines[at])))
  const kept = gone < 0 ? [] : before.slice(gone)
  return lines.map((line, at) => kept[at] ?? { key: next + at - kept.length, line })
}

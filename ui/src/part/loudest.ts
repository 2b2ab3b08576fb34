// Which of several findings speaks for all: the loudest, of equals the one that has been open longest. Pure.
import type { Level, NowRow } from '../api/types'

const LOUD: Record<Level, number> = { none: 0, notice: 1, alert: 2 }

export function loudest<T extends Pick<NowRow, 'level' | 'started_at'>>(findings: readonly T[]): T | undefined {
  return findings.reduce<T | undefined>((first, one) => {
    if (!first || LOUD[one.level] > LOUD[first.level]) return one
    return one.level === first.level && one.started_at < first.started_at ? one : first
  }, undefined)
}

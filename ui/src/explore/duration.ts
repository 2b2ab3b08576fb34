// Durations as PromQL writes them: `90s`, `1h30m`, `500ms`, `2w`. Pure.

const UNITS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 31_536_000_000 }
const PART = /(\d{1,12})(ms|[smhdwy])/g
const WHOLE = /^(?:\d{1,12}(?:ms|[smhdwy]))+$/

/** Milliseconds; undefined if it is no duration, or is none at all. A bare number is seconds. */
export function parseDuration(text: string): number | undefined {
  const trimmed = text.trim()
  if (/^\d{1,9}(\.\d{1,3})?$/.test(trimmed)) return Number(trimmed) > 0 ? Math.round(Number(trimmed) * 1_000) : undefined
  if (!WHOLE.test(trimmed)) return undefined
  const sum = [...trimmed.matchAll(PART)].reduce((ms, [, count, unit]) => ms + Number(count) * (UNITS[unit ?? ''] ?? 0), 0)
  return sum > 0 && Number.isSafeInteger(sum) ? sum : undefined
}

/** Written with the largest units that fit, without years and weeks: `1d12h`, `90s` is `1m30s`. */
export function formatDuration(ms: number): string {
  let rest = Math.max(0, Math.round(ms))
  let text = ''
  for (const [unit, size] of [['d', 86_400_000], ['h', 3_600_000], ['m', 60_000], ['s', 1_000], ['ms', 1]] as const) {
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest -= count * size
  }
  return text === '' ? '0s' : text
}

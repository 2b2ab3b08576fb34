// The name that somebody may have meant. Pure.

/** More names are not compared: it is a hint. */
const NAMES_MAX = 20_000

/** The nearest of the names; undefined if none is near, or the name is there. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const other of names.slice(0, NAMES_MAX)) {
    if (other === name) return undefined
    const far = Math.min(distance(name, other, least), within(name, other))
    if (far < least) [best, least] = [other, far]
  }
  return best
}

/** A name that goes on where the other ends is near, though it may be long: `cpu_seconds`, `cpu_seconds_total`. */
const within = (name: string, other: string): number => (name.length >= 4 && (other.startsWith(`${name}_`) || other.endsWith(`_${name}`)) ? 1 : Infinity)

/** Letters to be changed, put in or left out; `limit` or more is not counted to its end. */
function distance(one: string, other: string, limit: number): number {
  if (Math.abs(one.length - other.length) >= limit) return limit
  let before = Array.from({ length: other.length + 1 }, (_, at) => at)
  for (let row = 1; row <= one.length; row++) {
    const next = [row]
    for (let at = 1; at <= other.length; at++) {
      const same = one[row - 1] === other[at - 1] ? 0 : 1
      next.push(Math.min((before[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1, (before[at - 1] ?? 0) + same))
    }
    if (Math.min(...next) >= limit) return limit
    before = next
  }
  return before[other.length] ?? limit
}

const WORDS = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right', 'bool', 'offset', 'and', 'or', 'unless', 'atan2', 'inf', 'nan', 'start', 'end', 'step', 'range'])

/** Names of metrics in a query: identifiers that are no function, keyword or label. */
export function metricNames(expr: string): string[] {
  const plain = expr.replace(/#[^\n]*/g, ' ').replace(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`/g, '""').replace(/\{[^}]*\}/g, ' ').replace(/\[[^\]]*\]/g, ' ')
  const without = plain.replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/gi, ' ')
  const found = [...without.matchAll(/(?<![\w.:])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])/g)].map(([word]) => word)
  return [...new Set(found.filter((word) => !WORDS.has(word.toLowerCase())))].filter((word) => !AGGREGATIONS.has(word))
}

const AGGREGATIONS = new Set(['sum', 'avg', 'min', 'max', 'count', 'count_values', 'quantile', 'topk', 'bottomk', 'stddev', 'stdvar', 'group', 'limitk', 'limit_ratio'])

// Keys for rows that have no id of their own. Pure.

/** Each item with a key that no other one has: what `name` gives, numbered where that is the same. */
export function keyed<T>(items: readonly T[], name: (item: T) => string): { key: string; item: T }[] {
  const seen = new Map<string, number>()
  // From the oldest on, so that a new item in front changes no key.
  const rows = items.map((item) => ({ item, base: name(item) })).reverse()
  const named = rows.map(({ item, base }) => {
    const count = seen.get(base) ?? 0
    seen.set(base, count + 1)
    return { key: count === 0 ? base : `${base} ${count}`, item }
  })
  return named.reverse()
}

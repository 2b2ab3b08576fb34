// Rows of an answer that is asked for again and again. A row that says the same as before stays the same object, so that
// a page of hundreds of rows redraws only those that changed. Pure but for what the keeper remembers: the last list.

/** A row under a key that no other row of the list has. */
export interface Kept<T> {
  readonly key: string
  readonly value: T
  /** The value as text, to compare by. */
  readonly text: string
}

/** Remembers the last list; gives for the next one the rows to draw. */
export function keeper<T>(keyOf: (value: T) => string): (list: readonly T[]) => Kept<T>[] {
  let before = new Map<string, Kept<T>>()
  return (list) => {
    const next = new Map<string, Kept<T>>()
    for (const value of list) {
      const key = unused(keyOf(value), next)
      const text = JSON.stringify(value)
      const old = before.get(key)
      next.set(key, old?.text === text ? old : { key, value, text })
    }
    before = next
    return [...next.values()]
  }
}

/** The key itself, or with a number if two rows of the list have it. */
function unused(key: string, taken: ReadonlyMap<string, unknown>): string {
  let at = 1
  let tried = key
  while (taken.has(tried)) tried = `${key} #${(at += 1)}`
  return tried
}

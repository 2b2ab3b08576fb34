// Search among metrics. Pure.

/** Those with all words in name or help; names that begin so first, then names, then helps. */
export function found(names: readonly string[], help: (name: string) => string, search: string): readonly string[] {
  const words = search.toLowerCase().split(/\s+/).filter((word) => word !== '')
  const [first] = words
  if (first === undefined) return names
  const ranks: string[][] = [[], [], []]
  for (const name of names) {
    const lower = name.toLowerCase()
    const inName = words.every((word) => lower.includes(word))
    if (inName) ranks[lower.startsWith(first) ? 0 : 1]?.push(name)
    else {
      const both = `${lower} ${help(name).toLowerCase()}`
      if (words.every((word) => both.includes(word))) ranks[2]?.push(name)
    }
  }
  return ranks.flat()
}

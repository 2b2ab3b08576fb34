// What the browser remembers for the next visit; without storage (private mode) it forgets, and nothing breaks.

export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(`hinomi.${key}`) ?? undefined
  } catch {
    return undefined
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`hinomi.${key}`, value)
  } catch {
    // Full or forbidden: the choice lasts as long as the page.
  }
}

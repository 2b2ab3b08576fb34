// Waiting for conditions, and small numbers.

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms))

/** Asks until `look` gives something other than undefined, null or false. Errors of `look` count as not yet. */
export async function waitFor(what, limitMs, look, pauseMs = 50) {
  const end = Date.now() + limitMs
  let last
  for (;;) {
    try {
      const value = await look()
      if (value) return value
      last = undefined
    } catch (error) {
      last = error
    }
    if (Date.now() > end) throw new Error(`no ${what} within ${limitMs} ms${last ? `: ${last.message ?? last}` : ''}`)
    await sleep(pauseMs)
  }
}

/** Percentile by nearest rank; NaN of nothing. */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.max(1, Math.ceil((sorted.length * percent) / 100)) - 1] ?? NaN
}

export const median = (values) => percentile(values, 50)

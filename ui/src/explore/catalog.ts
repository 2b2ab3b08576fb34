// What the server knows of metrics and labels, kept for a while: for the completion, the list of metrics, and hints.
import { labelValues, labels, metadata, type Answer, type Metadata, type MetadataEntry } from '../api/prometheus'

/** How long an answer is taken as fresh, milliseconds. */
const FRESH = 60_000
/** How long something may be asked for, milliseconds: nobody waits longer for a completion. */
const TIME_MAX = 15_000
export const NAMES_MAX = 20_000
const VALUES_MAX = 5_000
/** Answers that are kept. */
const KEPT_MAX = 100
/** What was there so long ago is offered too, seconds. */
const LOOKBACK = 12 * 3_600

interface Kept { readonly at: number; readonly answer: Promise<unknown> }
const kept = new Map<string, Kept>()

/** The answer of a minute ago, or a new one. One that failed is not kept. */
function fresh<T>(key: string, ask: () => Promise<Answer<T>>): Promise<T> {
  const known = kept.get(key)
  if (known && Date.now() - known.at < FRESH) return known.answer as Promise<T>
  const answer = ask().then(({ data }) => data)
  kept.delete(key)
  kept.set(key, { at: Date.now(), answer })
  const oldest = kept.keys().next().value
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest)
  answer.catch(() => kept.get(key)?.answer === answer && kept.delete(key))
  return answer
}

const bounds = (): { start: number } => ({ start: Math.floor(Date.now() / 1_000 - LOOKBACK) })

/** Names of all metrics, in order. */
export const names = (): Promise<string[]> => fresh('names', () => labelValues('__name__', [], bounds(), { limit: NAMES_MAX, timeout: TIME_MAX }))
/** Type and help of all metrics. */
export const helps = (): Promise<Metadata> => fresh('helps', () => metadata(undefined, { timeout: TIME_MAX }))
/** Labels of the series that a selector takes; of all. */
export const labelsOf = (selector: string | undefined): Promise<string[]> =>
  fresh(`labels ${selector ?? ''}`, () => labels(selector === undefined ? [] : [selector], bounds(), { limit: VALUES_MAX, timeout: TIME_MAX }))
/** Values of a label, of the series that a selector takes. */
export const valuesOf = (label: string, selector: string | undefined): Promise<string[]> =>
  fresh(`values ${label} ${selector ?? ''}`, () => labelValues(label, selector === undefined ? [] : [selector], bounds(), { limit: VALUES_MAX, timeout: TIME_MAX }))

/** What is known of a metric; parts of a family are described by it. */
export function helpOf(all: Metadata, name: string): MetadataEntry | undefined {
  return (all[name] ?? all[name.replace(/_(?:total|count|sum|bucket|created|info)$/, '')])?.[0]
}

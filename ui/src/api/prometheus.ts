// Asks for numbers by Prometheus' HTTP API, which the same server answers at /api/v1. Failures are the `Failure` of the other API.
//
// At most so many questions are under way at once, for the whole page: the others wait in order. A question whose signal is
// aborted leaves the queue, or is taken back from the server.
import { Failure, type FailureKind, refused } from './client'

export const PROMETHEUS = '/api/v1'

export type Labels = Readonly<Record<string, string>>
/** Seconds since the epoch, and the value as text: `NaN` and `+Inf` are no JSON numbers. */
export type Sample = readonly [number, string]

/** A native histogram as the API tells it: count, sum, and buckets of (boundary rule, lower, upper, count). */
export interface HistogramAnswer {
  readonly count: string
  readonly sum: string
  readonly buckets?: readonly (readonly [number, string, string, string])[]
}
export type HistogramSample = readonly [number, HistogramAnswer]

export interface MatrixSeries {
  readonly metric: Labels
  readonly values?: readonly Sample[]
  readonly histograms?: readonly HistogramSample[]
}
export interface VectorSeries {
  readonly metric: Labels
  readonly value?: Sample
  readonly histogram?: HistogramSample
}

export type Result =
  | { readonly resultType: 'matrix'; readonly result: readonly MatrixSeries[] }
  | { readonly resultType: 'vector'; readonly result: readonly VectorSeries[] }
  | { readonly resultType: 'scalar'; readonly result: Sample }
  | { readonly resultType: 'string'; readonly result: readonly [number, string] }

/** What a question was answered, and what the server adds for whoever reads it. */
export interface Answer<T> {
  readonly data: T
  readonly warnings: readonly string[]
  readonly infos: readonly string[]
}

export interface MetadataEntry {
  readonly type: string
  readonly help: string
  readonly unit: string
}
/** Of each metric what is known of it. */
export type Metadata = Readonly<Record<string, readonly MetadataEntry[]>>

/** What may be said with each question. */
export interface Options {
  readonly signal?: AbortSignal
  /** Longest wait for the answer, milliseconds. */
  readonly timeout?: number
}

/** A time range in seconds since the epoch. */
export interface Bounds {
  readonly start?: number
  readonly end?: number
}

/** Longest wait for an answer unless told otherwise, milliseconds; longer than the server's own limit for a query. */
const TIME_MAX = 130_000
/** So many questions are under way at once. A browser opens six connections to a server: the stream has one, and the other answers need one. */
const AT_ONCE = 4
/** A longer query goes in the body, not in the address. */
const ADDRESS_MAX = 1_500

/** A range of points, all in seconds. `lookback`: how long a sample counts for the points behind it; else as the server has it. */
export interface PointRange {
  readonly start: number
  readonly end: number
  readonly step: number
  readonly lookback?: number
}

/** PromQL over a range. */
export const queryRange = (
  query: string,
  range: PointRange,
  options: Options = {},
): Promise<Answer<Extract<Result, { resultType: 'matrix' }>>> =>
  asked('/query_range', [['query', query], ['start', range.start], ['end', range.end], ['step', range.step], ['lookback_delta', range.lookback]], options)

/** PromQL at one moment, seconds since the epoch; without one: now. */
export const query = (query: string, time?: number, options: Options = {}): Promise<Answer<Result>> =>
  asked('/query', [['query', query], ['time', time]], options)

/** Names of labels, of those series that a selector takes. */
export const labels = (match: readonly string[] = [], bounds: Bounds = {}, options: Options & { readonly limit?: number } = {}): Promise<Answer<string[]>> =>
  asked('/labels', [...matches(match), ...bounded(bounds), ['limit', options.limit]], options)

/** Values of a label. */
export const labelValues = (
  name: string,
  match: readonly string[] = [],
  bounds: Bounds = {},
  options: Options & { readonly limit?: number } = {},
): Promise<Answer<string[]>> =>
  asked(`/label/${encodeURIComponent(name)}/values`, [...matches(match), ...bounded(bounds), ['limit', options.limit]], options)

/** Series that the selectors take. */
export const series = (match: readonly string[], bounds: Bounds = {}, options: Options & { readonly limit?: number } = {}): Promise<Answer<Labels[]>> =>
  asked('/series', [...matches(match), ...bounded(bounds), ['limit', options.limit]], options)

/** Type, help and unit of metrics; of one if it is named. */
export const metadata = (metric?: string, options: Options & { readonly limit?: number } = {}): Promise<Answer<Metadata>> =>
  asked('/metadata', [['metric', metric], ['limit', options.limit]], options)

/** The query, laid out by the server. */
export const formatQuery = (query: string, options: Options = {}): Promise<Answer<string>> => asked('/format_query', [['query', query]], options)

/** Whether the query can be parsed: fails with what is wrong and where. */
export const parseQuery = (query: string, options: Options = {}): Promise<Answer<unknown>> => asked('/parse_query', [['query', query]], options)

type Pair = readonly [string, string | number | undefined]

const matches = (match: readonly string[]): Pair[] => match.map((one) => ['match[]', one])
const bounded = ({ start, end }: Bounds): Pair[] => [['start', start], ['end', end]]

/** A string of PromQL, quoted: for values in a selector. */
export const quoted = (value: string): string => JSON.stringify(value)

/** A regular expression that takes exactly these values. */
export const anyOf = (values: readonly string[]): string => quoted(values.map((value) => value.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|'))

async function asked<T>(path: string, pairs: readonly Pair[], options: Options): Promise<Answer<T>> {
  const form = new URLSearchParams(pairs.flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])))
  const leave = await turn(options.signal)
  try {
    return await fetched<T>(path, form, options)
  } finally {
    leave()
  }
}

async function fetched<T>(path: string, form: URLSearchParams, { signal, timeout = TIME_MAX }: Options): Promise<Answer<T>> {
  const limit = AbortSignal.timeout(timeout)
  const text = form.toString()
  const posted = text.length > ADDRESS_MAX && (path.startsWith('/query') || path === '/series' || path === '/labels')
  const address = PROMETHEUS + path + (posted || text === '' ? '' : `?${text}`)
  let response: Response
  try {
    response = await fetch(address, {
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      credentials: 'same-origin',
      ...(posted ? { method: 'POST', body: form } : {}),
    })
  } catch (error) {
    throw new Failure('away', said(error))
  }
  if (response.status === 401) refused()
  if (!response.ok) throw new Failure(kindOf(response.status), await reason(response))
  try {
    const body = (await response.json()) as { data: T; warnings?: string[]; infos?: string[] }
    return { data: body.data, warnings: body.warnings ?? [], infos: body.infos ?? [] }
  } catch (error) {
    throw new Failure(signal?.aborted || limit.aborted ? 'away' : 'broken', said(error))
  }
}

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** 422 is what a query cannot do, 503 what the server has no time or memory for. */
function kindOf(status: number): FailureKind {
  if (status === 401) return 'unauthorized'
  if (status === 404) return 'not_found'
  return status >= 500 ? 'broken' : 'refused'
}

/** The error of the answer: of Prometheus' shape, or of Hinomi's (a login that is missing); else the status line. */
async function reason(response: Response): Promise<string> {
  const plain = `${response.status} ${response.statusText}`.trim()
  try {
    const { error } = (await response.json()) as { error?: string | { message?: string } }
    return (typeof error === 'string' ? error : error?.message) ?? plain
  } catch {
    return plain
  }
}

let underWay = 0
const waiting: (() => void)[] = []

/** Waits for a place among those under way; gives back how to leave it. */
async function turn(signal: AbortSignal | undefined): Promise<() => void> {
  if (signal?.aborted) throw new Failure('away', 'taken back')
  if (underWay >= AT_ONCE) await placed(signal)
  else underWay++
  let left = false
  return () => {
    if (left) return
    left = true
    const next = waiting.shift()
    if (next) next()
    else underWay--
  }
}

/** Until somebody leaves a place to this one. */
function placed(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((done, fail) => {
    const takenBack = (): void => {
      const at = waiting.indexOf(mine)
      if (at >= 0) waiting.splice(at, 1)
      fail(new Failure('away', 'taken back'))
    }
    const mine = (): void => {
      signal?.removeEventListener('abort', takenBack)
      done()
    }
    signal?.addEventListener('abort', takenBack, { once: true })
    waiting.push(mine)
  })
}

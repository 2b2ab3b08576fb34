// The numbers of a page's charts: asked for together, taken back when something else is wanted, and kept fresh.
import { untrack } from 'svelte'
import { Failure } from '../api/client'
import { query, queryRange, type MatrixSeries } from '../api/prometheus'
import { viewOf, type ChartAnswer, type ChartDef, type LineDef, type View } from './chart'
import { lookbackOf, termsOf, type Grid } from './grid'
import { DEFAULT_INTERVAL, intervalOf } from './interval'

/** Before another try while there is no answer, milliseconds: longer each time, for a server with too much to do shall not get more. */
const RETRY = 3_000
const RETRY_MAX = 30_000

export interface Wanted {
  /** What is asked, apart from its moving end: with another one all that is under way is taken back. */
  readonly key: string
  readonly charts: readonly ChartDef[]
  readonly grid: Grid
  /** Seconds between two samples. */
  readonly interval: number
  /** How much earlier the other lines are, seconds. */
  readonly shift: number | undefined
}

export interface ChartState {
  readonly view: View | undefined
  readonly failure: Failure | undefined
  /** When the view was got, browser's clock. */
  readonly at: number | undefined
}

export interface Numbers {
  of(id: string): ChartState
  /** Something else than what is shown was asked for. */
  readonly loading: boolean
  /** All that was asked for last was answered, or failed. */
  readonly settled: boolean
  retry(): void
}

const NOTHING: ChartState = { view: undefined, failure: undefined, at: undefined }

/** Call it while a component is made; it ends with the component. */
export function numbers(wanted: () => Wanted | undefined): Numbers {
  let states = $state.raw<Readonly<Record<string, ChartState>>>({})
  let loading = $state(false)
  let settled = $state(false)
  let visible = $state(document.visibilityState !== 'hidden')
  let tries = $state(0)
  let abort = new AbortController()
  let busy = false
  /** What was asked for last. */
  let askedKey: string | undefined
  let askedEnd = 0
  let askedTry = -1
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Failed in a row, and until when it is not tried again. */
  let failed = 0
  let restsUntil = 0

  $effect(() => {
    const want = wanted()
    void tries
    if (want && visible) untrack(() => check(want))
  })
  $effect(() => {
    const seen = (): void => void (visible = document.visibilityState !== 'hidden')
    document.addEventListener('visibilitychange', seen)
    return () => {
      document.removeEventListener('visibilitychange', seen)
      clearTimeout(timer)
      abort.abort()
    }
  })

  function check(want: Wanted): void {
    const other = want.key !== askedKey
    if (!other && want.grid.end === askedEnd && tries === askedTry) return
    // What only moved on waits for the answers before: a slow server would never be heard to the end.
    if (!other && (busy || (Date.now() < restsUntil && tries === askedTry))) return
    void load(want, other)
  }

  async function load(want: Wanted, other: boolean): Promise<void> {
    abort.abort()
    abort = new AbortController()
    const { signal } = abort
    clearTimeout(timer)
    ;[askedKey, askedEnd, askedTry, busy] = [want.key, want.grid.end, tries, true]
    if (other) [loading, settled, failed] = [true, false, 0]
    const ended = await Promise.all(want.charts.map((chart) => one(chart, want, signal)))
    if (signal.aborted) return
    ;[busy, loading, settled] = [false, false, true]
    const again = ended.includes(false)
    failed = again ? failed + 1 : 0
    const rest = again ? Math.min(RETRY_MAX, RETRY * 2 ** (failed - 1)) : 0
    restsUntil = Date.now() + rest
    if (again) timer = setTimeout(() => (tries += 1), rest)
    const now = untrack(wanted)
    if (now && visible) check(now)
  }

  /** Whether there is nothing to try again. */
  async function one(chart: ChartDef, want: Wanted, signal: AbortSignal): Promise<boolean> {
    try {
      const answer = await answerOf(chart, want, signal)
      if (!signal.aborted) set(chart.id, { view: viewOf(chart, answer, want.grid), failure: undefined, at: Date.now() })
      return true
    } catch (error) {
      if (signal.aborted) return true
      const failure = error instanceof Failure ? error : new Failure('broken', String(error))
      set(chart.id, { ...(states[chart.id] ?? NOTHING), failure })
      return failure.kind !== 'away' && failure.kind !== 'broken'
    }
  }

  const set = (id: string, state: ChartState): void => void (states = { ...states, [id]: state })

  return {
    of: (id) => states[id] ?? NOTHING,
    get loading() {
      return loading
    },
    get settled() {
      return settled
    },
    retry: () => (tries += 1),
  }
}

async function answerOf(chart: ChartDef, want: Wanted, signal: AbortSignal): Promise<ChartAnswer> {
  const ask = (defs: readonly LineDef[], shift: number): Promise<(readonly MatrixSeries[])[]> =>
    Promise.all(defs.map((def) => matrix(def, want, shift, signal)))
  const [lines, limits, earlier] = await Promise.all([
    ask(chart.lines, 0), ask(chart.limits ?? [], 0), want.shift === undefined ? [] : ask(chart.lines, want.shift),
  ])
  return { lines, limits, earlier }
}

/** Answers about earlier times, moved to the present. */
async function matrix(def: LineDef, { grid, interval }: Wanted, shift: number, signal: AbortSignal): Promise<readonly MatrixSeries[]> {
  const range = { start: grid.start - shift, end: grid.end - shift, step: grid.step, lookback: lookbackOf(interval) }
  const { data } = await queryRange(def.query(termsOf(grid, interval)), range, { signal })
  if (shift === 0) return data.result
  return data.result.map((series) => ({ ...series, values: series.values?.map(([at, value]) => [at + shift, value] as const) }))
}

/** Intervals as they were measured, by selector. */
const measured = new Map<string, number>()
const MEASURED_MAX = 64

/** Seconds between two samples of a series around a moment (milliseconds). Never fails: what can't be measured is as delivered. */
export async function measuredInterval(selector: string, at: number, signal: AbortSignal): Promise<number> {
  const known = measured.get(selector)
  if (known !== undefined) return known
  try {
    const { data } = await query(`${selector}[5m]`, at / 1000, { signal, timeout: 5_000 })
    const found = data.resultType === 'matrix' ? intervalOf(data.result) : undefined
    if (found === undefined) return DEFAULT_INTERVAL
    if (measured.size >= MEASURED_MAX) measured.clear()
    measured.set(selector, found)
    return found
  } catch {
    return DEFAULT_INTERVAL
  }
}

const MONTH = 30 * 86_400

/** First and last time (milliseconds) with samples in the 30 days before; undefined of none. */
export async function extentOf(selector: string, now: number, signal: AbortSignal): Promise<{ first: number; last: number } | undefined> {
  const end = Math.ceil(now / 3_600_000) * 3600
  const { data } = await queryRange(`count(last_over_time(${selector}[1h]))`, { start: end - MONTH, end, step: 3600 }, { signal })
  const values = data.result[0]?.values ?? []
  const [first, last] = [values[0], values.at(-1)]
  return first && last ? { first: (first[0] - 3600) * 1000, last: Math.min(now, last[0] * 1000) } : undefined
}

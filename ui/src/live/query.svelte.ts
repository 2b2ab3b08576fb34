// An answer of the API that stays fresh: asked for at once, and again whenever the stream says that something is new.
//
//   const overview = live<Overview>(() => '/overview')
//   {#if overview.data} …
//
// Call it while a component is made; it ends with the component.
import { untrack } from 'svelte'
import { ask, Failure, withQuery } from '../api/client'
import { language } from '../i18n/language.svelte'
import { begins, onStale } from './stream.svelte'

/** Shortest time between two questions of the same place, milliseconds. */
const PAUSE = 200
/**
 * What is heard together leads to one question, milliseconds. When the page begins, the question waits for the stream's
 * first words, but not for long: asked before them, it would have to be asked again because of them.
 */
const GATHER = 10
const BEGIN_WAIT = 300
/** Between tries while the server does not answer. */
const RETRY = 2_000

export interface Live<T> {
  /** The last good answer. */
  readonly data: T | undefined
  /** Why the last try failed; the data then is older than it should be. */
  readonly failure: Failure | undefined
  /** When `data` was got, browser's clock. */
  readonly at: number | undefined
  /** Asks again now. */
  refresh(): void
}

/** `path` may depend on reactive state; `undefined` asks nothing. */
export function live<T>(path: () => string | undefined): Live<T> {
  // What was answered, with the question: the answer to another question is none to this one.
  let answer = $state.raw<{ target: string; data: T; at: number } | undefined>(undefined)
  let failed = $state.raw<{ target: string; why: Failure } | undefined>(undefined)
  let asker: Asker | undefined

  // The same target again is no new question: the address may have changed elsewhere.
  const target = $derived.by(() => {
    const asked = path()
    return asked !== undefined && language() === 'ja' ? joined(asked, 'lang=ja') : asked
  })
  const fitting = $derived(answer?.target === target ? answer : undefined)

  $effect(() => {
    const asked = target
    if (asked === undefined) return
    const mine = new Asker(
      asked,
      (data) => {
        answer = { target: asked, data: data as T, at: Date.now() }
        failed = undefined
      },
      (why) => (failed = { target: asked, why }),
    )
    asker = mine
    if (untrack(begins)) mine.askIn(BEGIN_WAIT)
    else mine.askNow()
    const stop = onStale(() => mine.askSoon())
    return () => {
      stop()
      mine.end()
      if (asker === mine) asker = undefined
    }
  })

  return {
    get data() {
      return fitting?.data
    },
    get failure() {
      return failed?.target === target ? failed?.why : undefined
    },
    get at() {
      return fitting?.at
    },
    refresh: () => asker?.askNow(),
  }
}

const joined = (path: string, pair: string): string => `${path}${path.includes('?') ? '&' : '?'}${pair}`

export { withQuery }

/** One question at a time; what comes up meanwhile is asked once more afterwards. */
class Asker {
  #abort = new AbortController()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** When the timer is due. */
  #due = 0
  #busy = false
  #again = false
  #lastAt = 0

  constructor(
    private readonly target: string,
    private readonly got: (answer: unknown) => void,
    private readonly failed: (why: Failure) => void,
  ) {}

  askNow(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    void this.#ask()
  }

  askSoon(): void {
    this.askIn(Math.max(GATHER, this.#lastAt + PAUSE - Date.now()))
  }

  /** In so many milliseconds, unless that is so earlier anyway. */
  askIn(wait: number): void {
    const due = Date.now() + wait
    if (this.#timer !== undefined && this.#due <= due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(() => this.askNow(), wait)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#abort.abort()
  }

  async #ask(): Promise<void> {
    if (this.#busy) {
      this.#again = true
      return
    }
    this.#busy = true
    this.#lastAt = Date.now()
    let wait: number | undefined
    try {
      const answer = await ask(this.target, { signal: this.#abort.signal })
      if (!this.#abort.signal.aborted) this.got(answer)
    } catch (error) {
      if (this.#abort.signal.aborted) return
      const why = error instanceof Failure ? error : new Failure('broken', String(error))
      this.failed(why)
      if (why.kind === 'away' || why.kind === 'broken') wait = RETRY
    } finally {
      this.#busy = false
    }
    if (this.#again) {
      this.#again = false
      this.askSoon()
    } else if (wait !== undefined) this.askIn(wait)
  }
}

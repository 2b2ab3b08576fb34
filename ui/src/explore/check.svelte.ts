// Asks the server, while a query is typed, whether it can be parsed.
import { Failure } from '../api/client'
import { formatQuery, parseQuery } from '../api/prometheus'
import { told, type Told } from './failure'

/** Since the last key, milliseconds. */
const PAUSE = 300
const TIME_MAX = 5_000

export class Checker {
  /** What is wrong with `text`. */
  wrong = $state.raw<{ readonly text: string; readonly told: Told } | undefined>(undefined)
  #timer: ReturnType<typeof setTimeout> | undefined
  #abort: AbortController | undefined

  /** The text is now this. What was wrong before stays said until the answer is there. */
  typed(text: string): void {
    this.end()
    if (text.trim() === '') this.wrong = undefined
    else this.#timer = setTimeout(() => void this.#check(text), PAUSE)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#abort?.abort()
  }

  async #check(text: string): Promise<void> {
    const { signal } = (this.#abort = new AbortController())
    try {
      await parsed(text, signal)
      if (!signal.aborted) this.wrong = undefined
    } catch (error) {
      if (signal.aborted) return
      // When the server does not answer, nothing is known of the query.
      this.wrong = error instanceof Failure && error.kind === 'refused' ? { text, told: told(error, text) } : undefined
    }
  }
}

/** A server without `parse_query` parses to lay out. */
let canParse = true

async function parsed(text: string, signal: AbortSignal): Promise<void> {
  try {
    await (canParse ? parseQuery : formatQuery)(text, { signal, timeout: TIME_MAX })
  } catch (error) {
    if (!canParse || !(error instanceof Failure) || error.kind !== 'not_found') throw error
    canParse = false
    await formatQuery(text, { signal, timeout: TIME_MAX })
  }
}

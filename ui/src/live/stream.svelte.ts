// The one stream of server-sent events. It says that something is new; what it is, is asked for (`query.svelte.ts`).
// Nothing is kept here but the last words, so a page that is open for days does not grow.
import { API, ask, Failure } from '../api/client'
import type { Change, StreamChanges, StreamHello, StreamState, Totals } from '../api/types'
import { language } from '../i18n/language.svelte'
import { heard } from '../time/now.svelte'

export type Connection = 'connecting' | 'live' | 'lost' | 'paused' | 'unauthorized'

/** The server sends at least a beat each five seconds: after this silence the line is dead. */
const SILENCE_MAX = 12_000
/** Between tries after the browser itself gave up, milliseconds. */
const RETRY = 2_000

let connection = $state<Connection>('connecting')
let lostAt = $state<number | undefined>(undefined)
let totals = $state.raw<Totals | undefined>(undefined)
let source: EventSource | undefined
let lastHeard = 0
let watchdog: ReturnType<typeof setInterval> | undefined
let retry: ReturnType<typeof setTimeout> | undefined
let version = ''

const staleListeners = new Set<() => void>()
const changeListeners = new Set<(changes: Change[]) => void>()

export const connectionState = (): Connection => connection
/** Since when nothing is heard, browser's clock, milliseconds. */
export const lostSince = (): number | undefined => lostAt
/** Sums as the stream last told them. */
export const streamTotals = (): Totals | undefined => totals

/** Calls `listener` whenever answers of the API may be new. Gives back how to stop. */
export function onStale(listener: () => void): () => void {
  staleListeners.add(listener)
  return () => staleListeners.delete(listener)
}

/** Calls `listener` with state changes as they are taken in. Gives back how to stop. */
export function onChanges(listener: (changes: Change[]) => void): () => void {
  changeListeners.add(listener)
  return () => changeListeners.delete(listener)
}

const stale = (): void => staleListeners.forEach((listener) => listener())

/** Opens the stream; gives back how to close it. */
export function beginStream(): () => void {
  open()
  watchdog = setInterval(() => {
    if (source && Date.now() - lastHeard > SILENCE_MAX) reopen()
  }, 2_000)
  return () => {
    clearInterval(watchdog)
    close()
  }
}

/** Stops listening until `resume`. */
export function pause(): void {
  close()
  connection = 'paused'
}

export function resume(): void {
  if (connection === 'paused') open()
}

/** Opens anew: after a login, or in another language. What was missed is asked for. */
export function reopen(): void {
  if (connection === 'paused') return
  close()
  lost()
  open()
}

function close(): void {
  clearTimeout(retry)
  source?.close()
  source = undefined
}

function open(): void {
  close()
  if (connection !== 'lost') connection = 'connecting'
  lastHeard = Date.now()
  const lang = language() === 'ja' ? '?lang=ja' : ''
  source = new EventSource(`${API}/stream${lang}`)
  source.addEventListener('hello', (event) => hello(parse<StreamHello>(event)))
  source.addEventListener('beat', (event) => alive(parse<{ now: string }>(event)))
  source.addEventListener('reset', () => stale())
  source.addEventListener('state', (event) => {
    const said = parse<StreamState>(event)
    alive(said)
    if (said) totals = said.totals
    stale()
  })
  source.addEventListener('changes', (event) => {
    lastHeard = Date.now()
    const said = parse<StreamChanges>(event)
    if (said) changeListeners.forEach((listener) => listener(said.changes))
  })
  source.addEventListener('error', failed)
}

function hello(said: StreamHello | undefined): void {
  // Another page than this server's: after an update of Hinomi the old page must not go on.
  if (said && version !== '' && said.version !== version) location.reload()
  if (said) version = said.version
  alive(said)
  stale()
}

function alive(said: { now: string } | undefined): void {
  lastHeard = Date.now()
  connection = 'live'
  lostAt = undefined
  if (said) heard(said.now)
}

function lost(): void {
  connection = 'lost'
  lostAt ??= lastHeard
}

/** The browser tries again by itself as long as the source is not closed; it closes after a refusal. */
function failed(): void {
  lost()
  if (source?.readyState !== EventSource.CLOSED) return
  close()
  retry = setTimeout(() => void again(), RETRY)
}

/** An `EventSource` does not say why it was refused; an ordinary question does. */
async function again(): Promise<void> {
  try {
    await ask('/status')
  } catch (error) {
    if (error instanceof Failure && error.kind === 'unauthorized') {
      connection = 'unauthorized'
      return
    }
  }
  open()
}

function parse<T>(event: Event): T | undefined {
  if (!(event instanceof MessageEvent) || typeof event.data !== 'string') return undefined
  try {
    return JSON.parse(event.data) as T
  } catch {
    return undefined
  }
}

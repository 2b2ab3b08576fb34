// The one stream of server-sent events. It says that something is new; what it is, is asked for (`query.svelte.ts`).
// Nothing is kept here but the last words, so a page that is open for days does not grow.
import { API, ask, Failure } from '../api/client'
import type { Status, StreamChanges, StreamedChange, StreamHello, StreamState, Totals } from '../api/types'
import { language } from '../i18n/language.svelte'
import { heard, now } from '../time/now.svelte'

export type Connection = 'connecting' | 'live' | 'lost' | 'paused' | 'unauthorized'

/** The server sends at least a beat each five seconds: after this silence the line is dead. */
const SILENCE_MAX = 11_000
/** Between tries after the browser itself gave up, milliseconds. */
const RETRY = 2_000
/** As long as the stream is refused (too many are open), answers are asked for anew this often, milliseconds. */
const POLL = 10_000
/**
 * A tab that nobody sees lets go of its stream after this time, milliseconds: a browser opens six connections to a
 * server at most (HTTP/1.1), and tabs that each hold one would keep the seventh from loading at all.
 */
const HIDDEN_MAX = 5_000
/** How often such a tab asks for the sums in its title, milliseconds. */
const HIDDEN_ASK = 15_000

let connection = $state<Connection>('connecting')
let lostAt = $state<number | undefined>(undefined)
let heardAt = $state(Date.now())
let refusal = $state<string | undefined>(undefined)
let totals = $state.raw<Totals | undefined>(undefined)
let source: EventSource | undefined
let lastHeard = 0
let watchdog: ReturnType<typeof setInterval> | undefined
let retry: ReturnType<typeof setTimeout> | undefined
let rests = false
let resting: ReturnType<typeof setTimeout> | undefined
let version = ''

const staleListeners = new Set<() => void>()
const changeListeners = new Set<(changes: StreamedChange[]) => void>()

export const connectionState = (): Connection => connection
/** The page is new: nothing was heard yet, and that is not given up. */
export const begins = (): boolean => connection === 'connecting' && version === ''
/** Since when nothing is heard, browser's clock, milliseconds; not known before the first word. */
export const lostSince = (): number | undefined => lostAt
/** When the server was last heard, by its clock, milliseconds: nothing is known of later times. */
export const lastHeardAt = (): number => heardAt
/** Why the server refuses the stream, in its words; answers are asked for every ten seconds meanwhile. */
export const streamRefusal = (): string | undefined => refusal
/** Sums as the stream last told them. */
export const streamTotals = (): Totals | undefined => totals

/** Calls `listener` whenever answers of the API may be new. Gives back how to stop. */
export function onStale(listener: () => void): () => void {
  staleListeners.add(listener)
  return () => staleListeners.delete(listener)
}

/** Calls `listener` with state changes as they are taken in. Gives back how to stop. */
export function onChanges(listener: (changes: StreamedChange[]) => void): () => void {
  changeListeners.add(listener)
  return () => changeListeners.delete(listener)
}

const stale = (): void => staleListeners.forEach((listener) => listener())

/** Opens the stream; gives back how to close it. */
export function beginStream(): () => void {
  open()
  watchdog = setInterval(() => {
    if (!source || Date.now() - lastHeard <= SILENCE_MAX) return
    lost()
    open()
  }, 2_000)
  document.addEventListener('visibilitychange', seen)
  return () => {
    document.removeEventListener('visibilitychange', seen)
    clearInterval(watchdog)
    clearTimeout(resting)
    close()
  }
}

/** Somebody looks at the tab, or looks away. */
function seen(): void {
  clearTimeout(resting)
  if (document.visibilityState === 'hidden') resting = setTimeout(rest, HIDDEN_MAX)
  else if (rests) {
    rests = false
    if (wants()) open()
  }
}

function rest(): void {
  if (!wants()) return
  rests = true
  close()
  void glance()
}

/** While it rests: what its title says. */
async function glance(): Promise<void> {
  try {
    totals = (await ask<Status>('/status')).totals
  } catch {
    // The title says what was last known; who comes back sees that the line is dead.
  }
  if (rests) resting = setTimeout(() => void glance(), HIDDEN_ASK)
}

const wants = (): boolean => connection !== 'paused' && connection !== 'unauthorized'

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
  refusal = undefined
  if (said) heard(said.now)
  heardAt = now()
}

function lost(): void {
  connection = 'lost'
  // Before the first word there is nothing that could be old.
  if (version !== '') lostAt ??= lastHeard
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
    await refused()
  } catch (error) {
    if (error instanceof Failure && error.kind === 'unauthorized') {
      connection = 'unauthorized'
      return
    }
  }
  // Meanwhile somebody may have paused it, or left the tab.
  if (connection === 'lost' && !rests) open()
}

/** Asks for the stream as for any answer: a refusal has words then. Ends at once if the stream is given after all. */
async function refused(): Promise<void> {
  const abort = new AbortController()
  try {
    const response = await fetch(`${API}/stream`, { signal: abort.signal, credentials: 'same-origin' })
    if (response.ok) return
    if (response.status === 401) throw new Failure('unauthorized', '')
    const body = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined
    refusal = body?.error?.message ?? `${response.status} ${response.statusText}`.trim()
    await new Promise((resolve) => setTimeout(resolve, POLL))
    stale()
  } finally {
    abort.abort()
  }
}

function parse<T>(event: Event): T | undefined {
  if (!(event instanceof MessageEvent) || typeof event.data !== 'string') return undefined
  try {
    return JSON.parse(event.data) as T
  } catch {
    return undefined
  }
}

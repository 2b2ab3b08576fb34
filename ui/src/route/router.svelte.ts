// The address is the page's state: path and query. Links are ordinary `<a href>`; a click on one stays in the page.
import { now } from '../time/now.svelte'
import { pageOf, type Page } from './path'
import { isRelative, span, type Range, type Span } from './range'

interface Place {
  path: string
  query: Record<string, string>
}

const here = (): Place => ({
  path: location.pathname,
  query: Object.fromEntries(new URLSearchParams(location.search)),
})

let place = $state.raw<Place>(here())

/** The page that the address means. */
export const page = (): Page => pageOf(place.path)

/** A value of the address's query. */
export const query = (key: string): string | undefined => place.query[key]

/** All values of the address's query. */
export const wholeQuery = (): Readonly<Record<string, string>> => place.query

/** What goes along from page to page: the time range. */
const CARRIED = ['from', 'to']

/** A link to `path` that keeps the time range. */
export function href(path: string, more: Record<string, string | undefined> = {}): string {
  const carried = CARRIED.flatMap((key) => (place.query[key] === undefined ? [] : [[key, place.query[key]] as const]))
  const pairs = [...carried.filter(([key]) => !(key in more)), ...Object.entries(more)]
  const given = pairs.filter((pair): pair is [string, string] => pair[1] !== undefined)
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`
}

/** What stays with an entry of the history: how far down one was, and how many entries of ours lie before it. */
interface Kept {
  scroll: number
  row: string | undefined
  depth: number
}

const kept = (): Kept => {
  const state: unknown = history.state
  return { scroll: 0, row: undefined, depth: 0, ...(typeof state === 'object' && state !== null ? state : {}) }
}

/** Notes where one is on the page that is about to be left. */
function keepPlace(): void {
  const row = document.activeElement?.closest<HTMLAnchorElement>('a[data-row]')?.getAttribute('href') ?? undefined
  history.replaceState({ ...kept(), scroll: scrollY, row } satisfies Kept, '')
}

/** Goes to an address of this page. */
export function go(target: string, how: { replace?: boolean } = {}): void {
  if (target === location.pathname + location.search + location.hash) return
  if (how.replace) history.replaceState(kept(), '', target)
  else {
    keepPlace()
    history.pushState({ scroll: 0, row: undefined, depth: kept().depth + 1 } satisfies Kept, '', target)
  }
  const before = place.path
  place = here()
  if (place.path === before) return
  scrollTo(0, 0)
  // Whoever listens to the page hears that it is another one, and goes on from its begin.
  document.getElementById('content')?.focus({ preventScroll: true })
}

/** Back to where one came from within Hinomi; out of it never. */
export function back(): void {
  if (kept().depth > 0) history.back()
  else if (place.path !== '/') go('/')
}

/** How long a page may take to be as long as it was, milliseconds. */
const RESTORE_TIME = 3_000

/** Once the page is there again: as far down, and on the row, as it was left. */
function restorePlace(): void {
  const { scroll, row } = kept()
  const until = Date.now() + RESTORE_TIME
  const path = place.path
  const attempt = (): void => {
    if (place.path !== path || Date.now() > until) return
    const link = row === undefined ? null : document.querySelector<HTMLElement>(`main a[data-row][href="${CSS.escape(row)}"]`)
    const long = document.documentElement.scrollHeight - innerHeight >= scroll
    if (!long || (row !== undefined && !link)) {
      requestAnimationFrame(attempt)
      return
    }
    scrollTo(0, scroll)
    link?.focus({ preventScroll: true })
  }
  requestAnimationFrame(attempt)
}

/** Changes values of the query, `undefined` takes one out. `replace` while something is dragged or typed. */
export function setQuery(changes: Record<string, string | undefined>, how: { replace?: boolean } = {}): void {
  const next = new URLSearchParams(location.search)
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.delete(key)
    else next.set(key, value)
  }
  const text = next.toString()
  go(place.path + (text === '' ? '' : `?${text}`), how)
}

/** The range that the address names, if it names one. */
export function chosenRange(): Range | undefined {
  const { from, to } = place.query
  return from === undefined ? undefined : { from, to: to ?? 'now' }
}

/** The span that the address names, if it names one; moves along when it is relative. */
export function chosenSpan(): Span | undefined {
  const range = chosenRange()
  if (!range) return undefined
  const moves = isRelative(range.from) || isRelative(range.to)
  return span(range, moves ? now() : 0)
}

/** Begins to follow links and the browser's back and forward; gives back how to stop. */
export function beginRouter(): () => void {
  history.scrollRestoration = 'manual'
  const popped = (): void => {
    place = here()
    restorePlace()
  }
  const clicked = (event: MouseEvent): void => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (link.pathname.startsWith('/api/') || (link.hash && link.pathname === location.pathname)) return
    event.preventDefault()
    go(link.pathname + link.search + link.hash)
  }
  addEventListener('popstate', popped)
  document.addEventListener('click', clicked)
  return () => {
    removeEventListener('popstate', popped)
    document.removeEventListener('click', clicked)
  }
}

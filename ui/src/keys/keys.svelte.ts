// Single keys. They work outside of inputs only, can be switched off, and can be given another key (WCAG 2.1.4).
import { recall, remember } from '../memory'

/** What a key can do. */
export type Action =
  | 'palette' | 'filter' | 'help' | 'down' | 'up' | 'open' | 'back'
  | 'overview' | 'workloads' | 'timeline' | 'explore' | 'status'
  | 'logs' | 'previous_logs' | 'evidence' | 'owner' | 'copy'
  | 'compare' | 'time_back' | 'time_forward' | 'zoom_in' | 'zoom_out' | 'pause' | 'theme' | 'language'

/** Keys as they are given out; two keys in a row are written with a space. */
export const DEFAULTS: Record<Action, string> = {
  palette: ':',
  filter: '/',
  help: '?',
  down: 'j',
  up: 'k',
  open: 'Enter',
  back: 'Escape',
  overview: 'g o',
  workloads: 'g w',
  timeline: 't',
  explore: 'g e',
  status: 'g s',
  logs: 'l',
  previous_logs: 'p',
  evidence: 'd',
  owner: 'o',
  copy: 'y',
  compare: 'c',
  time_back: '[',
  time_forward: ']',
  zoom_in: '+',
  zoom_out: '-',
  pause: ' ',
  theme: 'D',
  language: 'L',
}

/** These always work: Escape closes, Enter opens, in any program. */
export const FIXED: readonly Action[] = ['open', 'back']
/** A second way to the same, as k9s and the wireframes have it. */
const ALSO: Record<string, Action> = { 'g t': 'timeline' }
/** Waiting for the second of two keys, milliseconds. */
const PREFIX_TIME = 1_500

let enabled = $state(true)
let bindings = $state<Record<Action, string>>({ ...DEFAULTS })
const handlers = new Map<Action, (() => void)[]>()
let prefix = ''
let prefixTimer: ReturnType<typeof setTimeout> | undefined

export const keysEnabled = (): boolean => enabled
export const keyOf = (action: Action): string => bindings[action]

export function enableKeys(on: boolean): void {
  enabled = on
  remember('keys.enabled', String(on))
}

/** First keys of pairs, like the `g` of `g o`: alone they can't be given to anything. */
const prefixes = (): Set<string> => new Set([...Object.values(bindings), ...Object.keys(ALSO)].flatMap((key) => (key.includes(' ') && key !== ' ' ? [key.split(' ')[0] ?? ''] : [])))

/** Gives an action another key; whoever had it gets the old one. `false`: the key begins pairs of keys. */
export function bind(action: Action, key: string): boolean {
  if (prefixes().has(key)) return false
  const other = (Object.keys(bindings) as Action[]).find((name) => bindings[name] === key)
  if (other && other !== action) bindings[other] = bindings[action]
  bindings[action] = key
  remember('keys', JSON.stringify(bindings))
  return true
}

/** Whether the page that is shown does something on the action. */
export const isHandled = (action: Action): boolean => FIXED.includes(action) || (handlers.get(action)?.length ?? 0) > 0

export function resetKeys(): void {
  bindings = { ...DEFAULTS }
  remember('keys', '{}')
}

/** Does `handler` on the action while the component lives; the newest handler of an action is the one that runs. */
export function onKey(action: Action, handler: () => void): () => void {
  const list = handlers.get(action) ?? []
  handlers.set(action, [...list, handler])
  return () => {
    handlers.set(action, (handlers.get(action) ?? []).filter((one) => one !== handler))
  }
}

/** Several at once; for `$effect(() => onKeys({…}))`. */
export function onKeys(map: Partial<Record<Action, () => void>>): () => void {
  const stops = (Object.entries(map) as [Action, () => void][]).map(([action, handler]) => onKey(action, handler))
  return () => stops.forEach((stop) => stop())
}

/** Begins to listen; gives back how to stop. */
export function beginKeys(): () => void {
  enabled = recall('keys.enabled') !== 'false'
  bindings = { ...DEFAULTS, ...remembered() }
  addEventListener('keydown', pressed)
  return () => removeEventListener('keydown', pressed)
}

function remembered(): Partial<Record<Action, string>> {
  try {
    const value: unknown = JSON.parse(recall('keys') ?? '{}')
    if (typeof value !== 'object' || value === null) return {}
    const known = Object.entries(value).filter(([action, key]) => action in DEFAULTS && typeof key === 'string')
    return Object.fromEntries(known) as Partial<Record<Action, string>>
  } catch {
    return {}
  }
}

function pressed(event: KeyboardEvent): void {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') return run('palette', event)
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
  const typing = isTyping(event.target)
  // An open dialog closes by itself.
  if (event.key === 'Escape') return document.querySelector('dialog[open]') ? undefined : run('back', event)
  if (typing || !enabled) return
  // Enter and Space on a button or link are that button's.
  if ((event.key === 'Enter' || event.key === ' ') && isControl(event.target)) return
  const key = prefix === '' ? event.key : `${prefix} ${event.key}`
  setPrefix('')
  const action = (Object.keys(bindings) as Action[]).find((name) => bindings[name] === key) ?? ALSO[key]
  // Behind an open dialog nothing moves; the key of the help closes it.
  if (document.querySelector('dialog[open]')) return action === 'help' ? run(action, event) : undefined
  if (action) return run(action, event)
  if (Object.values(bindings).some((bound) => bound.startsWith(`${event.key} `))) setPrefix(event.key)
}

function run(action: Action, event: KeyboardEvent): void {
  const handler = handlers.get(action)?.at(-1)
  if (!handler) return
  event.preventDefault()
  handler()
}

function setPrefix(next: string): void {
  prefix = next
  clearTimeout(prefixTimer)
  if (next !== '') prefixTimer = setTimeout(() => (prefix = ''), PREFIX_TIME)
}

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName))

const isControl = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && target.closest('a[href], button, summary, [role="button"]') !== null

/** Moves the focus by rows: elements with `data-row`. */
export function moveRow(step: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('main [data-row]')].filter((row) => row.offsetParent !== null)
  if (rows.length === 0) return
  const at = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement))
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))]
  next?.focus()
  next?.scrollIntoView({ block: 'nearest' })
}

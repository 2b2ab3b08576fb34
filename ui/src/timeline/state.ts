// What a container was, from when to when: folded from its changes of phase and health. Pure.
import { field, type Event } from './event'

/** States that are drawn as bars. Of several containers in one lane the later one here is seen. */
export const STATES = ['created', 'exited', 'running', 'healthy', 'starting', 'paused', 'restarting', 'dead', 'unhealthy'] as const
export type State = (typeof STATES)[number]

/** A time in which a state held. */
export interface Stretch {
  state: State
  from: number
  /** Absent: it still holds. */
  to: number | undefined
}

const PHASE: Record<string, State | undefined> = {
  created: 'created', running: 'running', unpaused: 'running', paused: 'paused', restarting: 'restarting', removing: 'exited',
  dead: 'dead', exited: 'exited',
}
/** What must have been before the first thing seen, where that is certain: it was seen as it happened. */
const BEFORE: Record<string, State | undefined> = {
  paused: 'running', unpaused: 'paused', exited: 'running', exit: 'running', oom: 'running', healthy: 'running', unhealthy: 'running',
}

/** The word that decides the state after an event, and whether it is one of phase. */
function said(event: Event): string | undefined {
  const { attribute, value } = event.change
  if (attribute === 'phase') return String(field(value, 'state'))
  if (attribute === 'health') return String(field(value, 'status'))
  return attribute === 'exit' || attribute === 'oom' ? attribute : undefined
}

/** Hinomi came upon it by comparing: it may be long past. */
const found = (event: Event): boolean => event.change.source === 'reconcile' || event.change.source === 'inspect'

/** Stretches of one container. `events` are its own, oldest first; `begin` is where the seen time begins. */
export function stretches(events: readonly Event[], begin: number): Stretch[] {
  const out: Stretch[] = []
  let known = false
  let current: Stretch | undefined
  const turn = (state: State | undefined, at: number): void => {
    if (current?.state === state) return
    if (current) current.to = at
    current = state === undefined ? undefined : { state, from: at, to: undefined }
    if (current) out.push(current)
  }
  for (const event of events) {
    const word = said(event)
    if (word === undefined) continue
    if (!known && !found(event)) turn(BEFORE[word], begin)
    known = true
    turn(after(event, word, current?.state), event.at)
  }
  return out.filter((one) => one.to === undefined || one.to > one.from)
}

function after(event: Event, word: string, now: State | undefined): State | undefined {
  switch (event.change.attribute) {
    case 'phase':
      return PHASE[word]
    case 'health':
      // A verdict that comes after the end says nothing of the next run.
      return now === undefined || now === 'exited' || now === 'dead' || now === 'created' ? now : (word as State)
    case 'exit':
      return 'exited'
    default:
      return now
  }
}

/** The states of several containers in one row: what matters more covers the rest. */
export const inOrder = (all: Stretch[]): Stretch[] =>
  all.sort((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || a.from - b.from)

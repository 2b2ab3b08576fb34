// What a question's failure is, for the reader: what to do differs. Pure.
import { Failure } from '../api/client'
import { placed, type Place } from './place'

export type Trouble = 'away' | 'timeout' | 'limit' | 'wrong' | 'broken'

export interface Told {
  readonly trouble: Trouble
  /** The server's words, without the position. */
  readonly message: string
  /** Where in the query. */
  readonly place: Place | undefined
}

const TIMEOUT = /timed? ?out|deadline/i
const LIMIT = /too many|exceeded|more than|limit|maximum|at most/i

export function told(failure: Failure, expr: string): Told {
  const { message, place } = placed(failure.message, expr)
  return { trouble: troubleOf(failure, place), message, place }
}

function troubleOf({ kind, message }: Failure, place: Place | undefined): Trouble {
  if (TIMEOUT.test(message)) return 'timeout'
  if (kind === 'away') return 'away'
  if (place === undefined && LIMIT.test(message)) return 'limit'
  return kind === 'broken' ? 'broken' : 'wrong'
}

// Which cell of the level table a finding stands in. Pure. The table itself is the one of the server's level function.
import type { FindingDetail, Level } from '../api/types'

export const ROWS = ['working', 'standing', 'healer_down'] as const
export const COLUMNS = ['full', 'reduced', 'within', 'beyond'] as const
/** How the healing goes; `standing` is overdue or stopped. */
export type Row = (typeof ROWS)[number]
/** How many serve; `within` and `beyond` the start grace where none does. */
export type Column = (typeof COLUMNS)[number]

export const TABLE: Record<Row, Record<Column, Level>> = {
  working: { full: 'none', reduced: 'none', within: 'none', beyond: 'alert' },
  standing: { full: 'notice', reduced: 'alert', within: 'alert', beyond: 'alert' },
  healer_down: { full: 'alert', reduced: 'alert', within: 'alert', beyond: 'alert' },
}

/** A place in the table; two columns where both would say the same. */
export interface Cell {
  row: Row
  columns: Column[]
  /** It is louder than its cell: several tries in a row, incurable, or a slow loop. */
  raised: boolean
}

type Facts = Pick<FindingDetail, 'level' | 'level_reason' | 'healing' | 'resolved_at' | 'desired' | 'ready'>

/**
 * The cell, as far as it follows from the finding; undefined for what the table does not decide (what is over, hosts
 * and runtimes, one-shot work).
 */
export function cellOf(finding: Facts): Cell | undefined {
  const row = rowOf(finding)
  if (!row || finding.resolved_at || finding.desired === undefined || finding.ready === undefined) return undefined
  const columns = serving(finding).filter((column) => allows(row, column, finding.level))
  const [first] = columns
  return first && { row, columns, raised: TABLE[row][first] !== finding.level }
}

function rowOf(finding: Facts): Row | undefined {
  const { state } = finding.healing
  if (state === 'done') return undefined
  return state === 'overdue' || state === 'stopped' ? 'standing' : state
}

// Whether the start grace is over stands in the reason's words only; without them both columns remain.
const WITHIN = /within the start grace|起動猶予内/
const BEYOND = /beyond the start grace|起動猶予を超過/

function serving({ desired = 0, ready = 0, level_reason: reason }: Facts): Column[] {
  if (ready >= desired) return ['full']
  if (ready > 0) return ['reduced']
  if (WITHIN.test(reason)) return ['within']
  return BEYOND.test(reason) ? ['beyond'] : ['within', 'beyond']
}

/** A working healing is raised from None to Notice by its footnote. */
function allows(row: Row, column: Column, level: Level): boolean {
  const plain = TABLE[row][column]
  return plain === level || (row === 'working' && plain === 'none' && level === 'notice')
}

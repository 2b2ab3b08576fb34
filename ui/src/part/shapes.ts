// Shapes of levels and of the stages of a launch: nothing is told by colour alone.
import type { Level, Stage, StageRecord } from '../api/types'

export const GLYPHS: Record<Level, string> = { none: '●', notice: '▲', alert: '■' }

export const STAGE_SHAPES: Record<StageRecord['outcome'], string> = {
  passed: '●', failed: '■', running: '◐', pending: '○', unknown: '◌', not_applicable: '–',
}

/** How a stage went; the one that a finding blames has failed. */
export const outcomeOf = (record: StageRecord, failed: Stage | undefined): StageRecord['outcome'] =>
  record.stage === failed ? 'failed' : record.outcome

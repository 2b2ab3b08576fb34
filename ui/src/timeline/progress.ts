// Up to where the changes that are held are complete. What is asked for is what comes after that, not after the newest
// change held: between two pushed changes a broken stream may have lost others. Pure.

/** How far it is known. Begins with `START`. */
export interface Progress {
  /** Up to this number of the journal nothing is missing. */
  readonly upTo: number
  /** How often something may have been missed. */
  readonly missed: number
  /** Up to which of these an answer told what was missed. */
  readonly told: number
}

export const START: Progress = { upTo: 0, missed: 0, told: 0 }

/** An answer is still due: something may be missing. */
export const owes = (of: Progress): boolean => of.missed > of.told

/** Something may have been missed: the stream began anew, or says that answers are old. */
export const missing = (of: Progress): Progress => ({ ...of, missed: of.missed + 1 })

const highest = (seqs: readonly number[], least: number): number => seqs.reduce((most, seq) => Math.max(most, seq), least)

/** Changes came by the stream. Only where nothing is missing before them do they lead further. */
export const pushed = (of: Progress, seqs: readonly number[]): Progress => (owes(of) ? of : { ...of, upTo: highest(seqs, of.upTo) })

/** What came after `upTo` was answered; it was asked for when `asked` held. */
export const caughtUp = (of: Progress, asked: Progress, seqs: readonly number[]): Progress =>
  ({ ...of, upTo: highest(seqs, of.upTo), told: Math.max(of.told, asked.missed) })

/** Another part of the past was answered as a whole; it was asked for when `asked` held. */
export const loaded = (of: Progress, asked: Progress, seqs: readonly number[]): Progress =>
  ({ ...of, upTo: highest(seqs, 0), told: Math.max(of.told, asked.missed) })

// The facts of a finding in a form to show: of those over numbers the query and the time of the limit are more than text. Pure.
import type { FindingDetail } from '../api/types'

type Evidence = FindingDetail['evidence']

/** A fact: a text, PromQL with its address on the page, or the time at which the limit is reached. */
export type EvidenceRow =
  | { kind: 'text'; label: string; value: string }
  | { kind: 'query'; label: string; value: string; explore: string | undefined }
  | { kind: 'full_at'; label: string; at: string }

/** The facts in their order. They come with labels in the reader's language, so what they are is told by their value. */
export function evidenceRows(evidence: Evidence): EvidenceRow[] {
  const { numbers } = evidence
  return evidence.facts.map(([label, value]): EvidenceRow => {
    if (numbers !== undefined && value === numbers.query) return { kind: 'query', label, value, explore: within(numbers.explore) }
    if (numbers?.full_at !== undefined && isSameTime(value, numbers.full_at)) return { kind: 'full_at', label, at: numbers.full_at }
    return { kind: 'text', label, value }
  })
}

/** Only an address of this page is made a link. */
const within = (address: string): string | undefined => (/^\/(?!\/)/.test(address) ? address : undefined)

const isSameTime = (one: string, other: string): boolean => one === other || Date.parse(one) === Date.parse(other)

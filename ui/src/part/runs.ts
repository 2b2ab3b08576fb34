// The runs of an instance whose log lines can be looked at: the current one and those that ended. Pure.
import type { End, InstanceDetail, Log, NowRow } from '../api/types'
import { keyed } from './keyed'

/** One run. */
export interface Run {
  /** Stays the same while newer runs come: when it ended; `now` for the current one. */
  key: string
  end?: End
  log?: Log
}

/** The current run first, then the ended ones as given. */
export function runsOf(instance: Pick<InstanceDetail, 'log' | 'ends'>, ends: readonly End[] = instance.ends): Run[] {
  const ended = keyed(ends, (end) => end.at).map(({ key, item: end }) => ({ key, end, ...(end.log && { log: end.log }) }))
  return [{ key: 'now', ...(instance.log && { log: instance.log }) }, ...ended]
}

/** The run of a key; the current one if that run is not there any more. */
export function runOf(runs: readonly Run[], key: string | undefined): Run {
  return runs.find((run) => run.key === key) ?? runs[0] ?? { key: 'now' }
}

/** The next run further back that left lines; behind the oldest comes the current one again. */
export function olderRun(runs: readonly Run[], key: string | undefined): string {
  const at = runs.findIndex((run) => run.key === (key ?? 'now'))
  return runs.slice(at + 1).find((run) => run.key === 'now' || run.log !== undefined)?.key ?? 'now'
}

/** How many letters of a container's id stand in the address. */
const ID_LETTERS = 12

/** What stands in the address for an instance. */
export const instanceKey = (instance: Pick<InstanceDetail, 'resource'>): string => instance.resource.uid.slice(0, ID_LETTERS)

/** The chosen instance, else the one that the loudest finding is about, else the first. */
export function chosenInstance(
  instances: readonly InstanceDetail[],
  key: string | undefined,
  findings: readonly Pick<NowRow, 'resource'>[],
): InstanceDetail | undefined {
  const chosen = key ? instances.find((one) => one.resource.uid.startsWith(key) || one.resource.name === key) : undefined
  const blamed = findings.map((finding) => instances.find((one) => one.resource.uid === finding.resource.uid))
  return chosen ?? blamed.find((one) => one !== undefined) ?? instances[0]
}

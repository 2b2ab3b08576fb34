// The runs of an instance whose log lines can be looked at: the current one and those that ended. Pure.
import type { End, InstanceDetail, Log, NowRow, Stage } from '../api/types'
import { keyed } from './keyed'
import { loudest } from './loudest'

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

/** The stage of an instance's newest launch that the loudest open finding about it blames, and that launch's number. */
export function failedOf(
  { findings, instances }: { findings: readonly Pick<NowRow, 'resource' | 'stage' | 'level' | 'started_at'>[]; instances: readonly unknown[] },
  instance: Pick<InstanceDetail, 'resource' | 'attempts'>,
): { stage: Stage; number: number } | undefined {
  const number = instance.attempts[0]?.number
  // What is said of the whole workload is said of its only instance.
  const mine = findings.filter((one) => one.stage !== undefined && (one.resource.uid === instance.resource.uid || instances.length === 1))
  const stage = loudest(mine)?.stage
  return stage === undefined || number === undefined ? undefined : { stage, number }
}

/** It was launched more often than is counted: the counting began when Hinomi saw it first. */
export const hasMore = (instance: Pick<InstanceDetail, 'attempts' | 'restarts'>): boolean =>
  instance.attempts[0] !== undefined && instance.attempts[0].number < instance.restarts + 1

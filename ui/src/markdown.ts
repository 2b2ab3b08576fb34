// A finding as Markdown, for a chat or a ticket: all that its page says, in the page's language. Pure but for the language.
import type { Delivery, FindingDetail, Level, Log, StageRecord } from './api/types'
import { findingWords as label } from './part/finding-words'
import { shownText } from './part/log-text'
import { GLYPHS, STAGE_SHAPES } from './part/shapes'
import { telling, took } from './part/told'
import { words } from './part/words'
import { duration } from './time/format'
import { timesWithin } from './time/within-text'

/** What the text needs beside the finding. */
export interface About {
  /** Milliseconds since the epoch. */
  now: number
  /** IANA name of the zone that times are written in. */
  zone: string
  /** Address of the finding's page. */
  link: string
  /** Levels that no route takes to a receiver, if known. */
  unheard?: readonly Level[] | undefined
}

/** The finding as Markdown; ends with a line feed. */
export function markdown(finding: FindingDetail, about: About): string {
  const blocks = [
    `# ${GLYPHS[finding.level]} ${words().level[finding.level]}: ${plain(finding.cause)}`,
    list(summary(finding, about)),
    ...section(label().evidence, list(finding.evidence.facts.map(([name, value]) => fact(name, timesWithin(value, (at) => stamp(at, about.zone)))))),
    ...section(finding.log_now ? label().logNow : label().log, logBlock(finding.log_now ?? finding.evidence.log, about.zone)),
    ...section(label().before, before(finding, about.zone)),
    ...section(label().changes, list(finding.evidence.changes.map(([at, said]) => `${stamp(at, about.zone)} ${plain(said)}`))),
    ...section(label().told, told(finding, about)),
    `${label().timesIn(about.zone)} <${about.link}>`,
  ]
  return `${blocks.join('\n\n')}\n`
}

function summary(finding: FindingDetail, about: About): string[] {
  const { healing } = finding
  const end = finding.resolved_at
  const lasted = duration(Math.max(0, (end ? Date.parse(end) : about.now) - Date.parse(finding.started_at)))
  const ready = finding.ready === undefined || finding.desired === undefined ? '' : ` (${words().ready(finding.ready, finding.desired)})`
  const host = `${label().comma}${label().kind.node} ${plain(finding.resource.node ?? finding.resource.cluster)}`
  const subject = `${plain(finding.workload_name ?? finding.resource.name)}${ready}${finding.workload_name ? host : ''}`
  const failed = finding.stages?.find((record) => record.stage === finding.stage || record.outcome === 'failed')
  const healer = healing.healer === 'nobody' ? words().nobody : plain(healing.healer)
  const facts: (string | undefined)[] = [
    fact(finding.workload_name ? label().workload : label().kind[finding.resource.kind], subject, true),
    fact(label().since, `${stamp(finding.started_at, about.zone)}${end ? '' : ` (${lasted}${label().comma}${label().goesOn})`}`, true),
    end && fact(label().until, `${stamp(end, about.zone)} (${lasted})`, true),
    finding.resolved_because && fact(label().because, finding.resolved_because),
    fact(label().why, finding.level_reason),
    finding.stages?.length ? fact(label().stages, strip(finding), true) : undefined,
    failed && fact(label().failedStage, `${words().stage[failed.stage]}${failed.cause ? `: ${plain(failed.cause)}` : ''}`, true),
    fact(label().healer, [healer, healing.action && plain(healing.action), words().healing[healing.state]].filter(Boolean).join(label().comma), true),
    healing.tries > 0 ? fact(label().tries, String(healing.tries)) : undefined,
    healing.next_try_at && !end ? fact(label().nextTry, stamp(healing.next_try_at, about.zone), true) : undefined,
    finding.loop && fact(label().loop, loop(finding.loop), true),
    fact(label().incident, `\`${finding.incident}\` (${label().toldStatus[finding.status]}${label().comma}${finding.root ? label().root : label().notRoot})`, true),
    finding.stored ? undefined : fact(label().stored, label().notStored),
  ]
  return facts.filter((one): one is string => one !== undefined && one !== '')
}

const loop = (of: NonNullable<FindingDetail['loop']>): string =>
  `${label().loopIs(of.count, duration(of.period_ms))}${of.slow ? `${label().comma}${label().slowLoop}` : ''}`

/** `Pull ● 3.1 s → Create ● → Health ■` */
function strip(finding: FindingDetail): string {
  const told = (record: StageRecord): string => {
    const outcome = record.stage === finding.stage ? 'failed' : record.outcome
    const time = record.took_ms === undefined ? '' : ` ${duration(record.took_ms)}`
    const failed = outcome === 'failed'
    const text = `${words().stage[record.stage]} ${STAGE_SHAPES[outcome]}${failed ? ` ${words().outcome.failed}` : ''}${time}`
    return failed ? `**${text}**` : text
  }
  return (finding.stages ?? []).map(told).join(' → ')
}

function logBlock(log: Log | undefined, zone: string): string {
  const note = log?.note ? `${label().missing}: ${plain(log.note)}` : undefined
  if (!log || log.lines.length === 0) return log?.note ? plain(log.note) : label().noLines
  const lines = log.lines.map((line) => `${line.at ? `${clockIn(line.at, zone)} ` : ''}${line.stderr ? 'E ' : ''}${shownText(line.text)}`)
  const block = fenced(lines.join('\n'))
  return note ? `${note}\n\n${block}` : block
}

/** In a fence longer than any run of backticks in it. */
export function fenced(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length))
  const fence = '`'.repeat(Math.max(3, longest + 1))
  return `${fence}text\n${text}\n${fence}`
}

function before(finding: FindingDetail, zone: string): string {
  if (finding.changes_before.length === 0) return label().nothingBefore
  return list(finding.changes_before.map((one) => `${stamp(one.at, zone)} ${plain(one.workload_name ?? one.resource.name)}: ${plain(one.words)}`))
}

function told(finding: FindingDetail, { zone, unheard }: About): string {
  const names = (): string => finding.told.map(([name, level]) => `${plain(name)} (${words().level[level]})`).join(label().comma)
  switch (telling(finding, unheard)) {
    case 'messages': return list(finding.deliveries.map((delivery) => message(delivery, zone)))
    case 'names': return label().namesOnly(names())
    case 'level': return label().nobodyForLevel
    case 'route': return label().nobodyForRoute(words().level[finding.incident_level])
    case 'not_yet': return label().nobodyYet
  }
}

function message(delivery: Delivery, zone: string): string {
  const ms = took(delivery)
  const what = `${words().level[delivery.level]}${label().comma}${label().toldStatus[delivery.status]} #${delivery.sequence}`
  const how = [label().toldState[delivery.state], ms === undefined ? undefined : duration(ms), label().toldTries(delivery.tries)]
  const error = delivery.last_error ? `: ${plain(delivery.last_error)}` : ''
  return `${stamp(delivery.queued_at, zone)} ${plain(delivery.receiver)} (${what}): ${how.filter(Boolean).join(label().comma)}${error}`
}

const section = (title: string, body: string): string[] => (body === '' ? [] : [`## ${title}`, body])
const list = (items: string[]): string => items.map((item) => `- ${item}`).join('\n')
const fact = (name: string, value: string, ready = false): string => `**${plain(name)}**: ${ready ? value : plain(value)}`

/** On one line, without a sign that Markdown takes for its own. */
export const plain = (text: string): string => text.replace(/\s+/g, ' ').trim().replace(/[\\`*_[\]<>|~#]/g, '\\$&')

const formatters = new Map<string, Intl.DateTimeFormat>()

function partsIn(at: string, zone: string): Record<string, string> | undefined {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return undefined
  let formatter = formatters.get(zone)
  if (!formatter) {
    formatter = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
      timeZoneName: 'longOffset',
    })
    formatters.set(zone, formatter)
  }
  return Object.fromEntries(formatter.formatToParts(date).map((part) => [part.type, part.value]))
}

/** `2026-11-24 12:00:05 +09:00`: the same in every language, and clear in every zone. */
export function stamp(at: string, zone: string): string {
  const of = partsIn(at, zone)
  if (!of) return '–'
  const offset = of['timeZoneName']?.replace('GMT', '') || '+00:00'
  return `${of['year']}-${of['month']}-${of['day']} ${of['hour']}:${of['minute']}:${of['second']} ${offset}`
}

function clockIn(at: string, zone: string): string {
  const of = partsIn(at, zone)
  return of ? `${of['hour']}:${of['minute']}:${of['second']}` : '–'
}

// Points in time and durations for people: the user's zone, 24 hours.
import { language } from '../i18n/language.svelte'
import { currentDay } from './now.svelte'

const options = (parts: Intl.DateTimeFormatOptions): Intl.DateTimeFormatOptions => ({ ...parts, hourCycle: 'h23' })

const CLOCK = options({ hour: '2-digit', minute: '2-digit', second: '2-digit' })
const SHORT = options({ hour: '2-digit', minute: '2-digit' })
const DAY = options({ month: '2-digit', day: '2-digit' })
const FULL = options({ year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' })

// A formatter is dear to make and cheap to use.
const formatters = new Map<string, Intl.DateTimeFormat>()

function format(at: number | string | Date, name: string, parts: Intl.DateTimeFormatOptions): string {
  const locale = language() === 'ja' ? 'ja-JP' : 'en-GB'
  const key = `${locale} ${name}`
  let formatter = formatters.get(key)
  if (!formatter) formatters.set(key, (formatter = new Intl.DateTimeFormat(locale, parts)))
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? '–' : formatter.format(date)
}

/** `03:00:05` */
export const clock = (at: number | string | Date): string => format(at, 'clock', CLOCK)
/** `03:00` */
export const hourMinute = (at: number | string | Date): string => format(at, 'short', SHORT)
/** Day and month. */
export const day = (at: number | string | Date): string => format(at, 'day', DAY)
/** Date and time to the second. */
export const full = (at: number | string | Date): string => format(at, 'full', FULL)

/** `clock` for today (or for the day of `beside`), else with the day before it. */
export function clockOrDay(at: number | string | Date, beside?: number): string {
  const here = beside === undefined ? currentDay() : new Date(beside).toDateString()
  return new Date(at).toDateString() === here ? clock(at) : `${day(at)} ${clock(at)}`
}

/** The zone that times are shown in, like `Asia/Tokyo`. */
export const zone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone

/** A duration in two units at most: `0.3 s`, `42 s`, `5 min 3 s`, `2 h 10 min`, `3 d 4 h`. */
export function duration(ms: number): string {
  const ja = language() === 'ja'
  const u = ja ? { s: '秒', min: '分', h: '時間', d: '日' } : { s: ' s', min: ' min', h: ' h', d: ' d' }
  const join = ja ? '' : ' '
  const secs = Math.floor(Math.max(0, ms) / 1000)
  const two = (a: number, ua: string, b: number, ub: string): string => (b === 0 ? `${a}${ua}` : `${a}${ua}${join}${b}${ub}`)
  if (ms < 10_000) return `${(Math.max(0, ms) / 1000).toFixed(1)}${u.s}`
  if (secs < 60) return `${secs}${u.s}`
  if (secs < 3600) return two(Math.floor(secs / 60), u.min, secs % 60, u.s)
  if (secs < 86_400) return two(Math.floor(secs / 3600), u.h, Math.floor((secs % 3600) / 60), u.min)
  return two(Math.floor(secs / 86_400), u.d, Math.floor((secs % 86_400) / 3600), u.h)
}

/** A duration in one unit, for narrow places: `42 s`, `5 min`, `2 h`, `3 d`. */
export function roughly(ms: number): string {
  const ja = language() === 'ja'
  const secs = Math.max(0, Math.round(ms / 1000))
  if (secs < 60) return ja ? `${secs}秒` : `${secs} s`
  if (secs < 3600) return ja ? `${Math.floor(secs / 60)}分` : `${Math.floor(secs / 60)} min`
  if (secs < 86_400) return ja ? `${Math.floor(secs / 3600)}時間` : `${Math.floor(secs / 3600)} h`
  return ja ? `${Math.floor(secs / 86_400)}日` : `${Math.floor(secs / 86_400)} d`
}

/** Bytes in binary units: `64 MiB`. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = count
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit === 0 || value >= 100 || Number.isInteger(value) ? 0 : 1
  return `${value.toFixed(digits)} ${units[unit]}`
}

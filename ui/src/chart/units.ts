// Values with their units, and round marks of an axis. Pure.
import type { Language } from '../i18n/language.svelte'

export type Unit = 'cores' | 'share' | 'bytes' | 'bytes_per_second' | 'seconds' | 'count' | 'per_second'

/** Three digits that count: `0.035`, `1.25`, `87.5`, `1,240`. */
function digits(value: number): string {
  const size = Math.abs(value)
  if (size === 0) return '0'
  if (size >= 1000) return Math.round(value).toLocaleString('en-US')
  if (size < 0.0005) return size < 1e-7 ? value.toExponential(1) : value.toFixed(7).replace(/^(-?0\.0*[1-9]\d?)\d*$/, '$1').replace(/0+$/, '')
  const places = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3
  return String(Number(value.toFixed(places)))
}

const scaled = (value: number, base: number, units: readonly string[]): string => {
  let rest = value
  let at = 0
  while (Math.abs(rest) >= base * 0.9995 && at < units.length - 1) {
    rest /= base
    at += 1
  }
  return `${digits(rest)} ${units[at]}`
}

const BYTES = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
const COUNTS = [1e3, 1e6, 1e9, 1e12]

function big(value: number): string {
  if (Math.abs(value) < 100_000) return digits(value)
  const at = COUNTS.findLastIndex((size) => Math.abs(value) >= size)
  return `${digits(value / (COUNTS[at] ?? 1))}${'kMGT'[at] ?? ''}`
}

function seconds(value: number): string {
  const size = Math.abs(value)
  if (size === 0 || size >= 1) return `${digits(value)} s`
  return size >= 0.001 ? `${digits(value * 1e3)} ms` : `${digits(value * 1e6)} µs`
}

/** A value for people. Those of `cores` and `count` are bare: the title of the chart names what is counted. */
export function valueText(unit: Unit, value: number, language: Language): string {
  switch (unit) {
    case 'share':
      return `${digits(value * 100)}%`
    case 'bytes':
      return scaled(value, 1024, BYTES)
    case 'bytes_per_second':
      return `${scaled(value, 1024, BYTES)}/${language === 'ja' ? '秒' : 's'}`
    case 'seconds':
      return seconds(value)
    case 'per_second':
      return `${big(value)}/${language === 'ja' ? '秒' : 's'}`
    case 'cores':
      return digits(value)
    case 'count':
      return big(value)
  }
}

/** Distance of marks so that there are at most `most` of them up to `span`. */
function markStep(unit: Unit, span: number, most: number): number {
  const least = span / Math.max(1, most)
  if (unit === 'bytes' || unit === 'bytes_per_second') return 2 ** Math.ceil(Math.log2(least) - 1e-9)
  const power = 10 ** Math.floor(Math.log10(least) + 1e-9)
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10) * power
  return unit === 'count' ? Math.max(1, step) : step
}

/** Room above the highest mark, as a part of the axis. */
const HEADROOM = 0.03

/** An axis reaches at least this far: noise shall not look like a mountain. */
const SMALLEST: Record<Unit, number> = { cores: 0.01, share: 0.01, bytes: 1024, bytes_per_second: 1024, seconds: 0.001, count: 1, per_second: 1 }

/** An axis from zero (or below, if values are) to above the highest value, and its marks. */
export function axisOf(unit: Unit, low: number, high: number, least: number, most = 5): { min: number; max: number; marks: number[] } {
  const bottom = Math.min(0, low)
  // A share of the whole is at most the whole: what is measured a little above it is the clock's fault.
  const highest = unit === 'share' && high < 1.05 ? Math.min(high, 1) : high
  const top = Math.max(highest, least, bottom + SMALLEST[unit])
  const step = markStep(unit, top - bottom, most)
  const from = Math.floor(bottom / step + 1e-9)
  const to = Math.ceil(top / step - 1e-9)
  const marks = Array.from({ length: to - from + 1 }, (_, at) => (from + at) * step)
  // A line on the highest mark would be cut in half.
  return { min: from * step, max: (to + HEADROOM * (to - from)) * step, marks }
}

/** A limit is drawn if the values come near it; far above them it would press them flat. */
export const isNear = (limit: number, high: number): boolean => limit <= high * 4

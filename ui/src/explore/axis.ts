// An axis for values of which nothing is known but that they are numbers. Pure.

export interface Axis {
  readonly min: number
  readonly max: number
  readonly marks: number[]
  readonly said: (value: number) => string
}

const UNITS = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const
/** Smaller ones are written as they are. */
const SCALED_FROM = 1e5
/** Values that vary by less than this part of them are looked at closely, without zero. */
const CLOSE = 0.5

/** Round marks around the values; from zero, unless they are far from it. */
export function axisFor(low: number, high: number, most = 5): Axis {
  if (!Number.isFinite(low) || !Number.isFinite(high)) [low, high] = [0, 1]
  const far = Math.max(Math.abs(low), Math.abs(high))
  let [from, to] = low >= 0 && high - low >= CLOSE * high ? [0, high] : high <= 0 && high - low >= CLOSE * -low ? [low, 0] : [low, high]
  // One value alone: from zero.
  if (to - from <= far * 1e-12) [from, to] = far === 0 ? [0, 1] : [Math.min(0, low), Math.max(0, high)]
  const step = round((to - from) / most)
  const [first, last] = [Math.floor(from / step + 1e-9), Math.ceil(to / step - 1e-9)]
  const marks = Array.from({ length: last - first + 1 }, (_, at) => (first + at) * step)
  return { min: first * step, max: last * step, marks, said: saidBy(Math.max(Math.abs(first), Math.abs(last)) * step, step) }
}

/** 1, 2 or 5 of a power of ten, at least `least`. */
function round(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least) + 1e-9)
  return ([1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10) * power
}

/** As many digits as tell two marks apart. */
function saidBy(top: number, step: number): (value: number) => string {
  if (top < 1e-4) return (value) => (value === 0 ? '0' : value.toExponential(1))
  if (top >= 1e15) return (value) => (value === 0 ? '0' : value.toExponential(2))
  const [size, unit] = top >= SCALED_FROM ? (UNITS.find(([size]) => top >= size) ?? [1, '']) : ([1, ''] as const)
  const digits = Math.min(9, Math.max(0, -Math.floor(Math.log10(step / size) + 1e-9)))
  return (value) => (value === 0 ? '0' : `${(value / size).toFixed(digits)}${unit}`)
}

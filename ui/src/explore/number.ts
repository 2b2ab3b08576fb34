// Values as the API writes them, for people. Pure.

const DIGITS = 6

/** Six digits, and a power where it would be long: `1.23457e+9`, `0.00012`. What is no finite number stays as it is. */
export function numberText(value: string | number): string {
  const number = Number(value)
  if (!Number.isFinite(number)) return String(value)
  if (Number.isInteger(number) && Math.abs(number) < 1e15) return String(number)
  const text = String(Number(number.toPrecision(DIGITS)))
  return text
}

/** Order of values as the API writes them: NaN behind all others. */
export function compareValues(one: string, other: string): number {
  const [a, b] = [valueOf(one), valueOf(other)]
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b))
  return a === b ? 0 : a < b ? -1 : 1
}

/** `+Inf` is a number too. */
export function valueOf(text: string): number {
  return text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text)
}

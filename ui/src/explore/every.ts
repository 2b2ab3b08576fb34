// How often the page asks anew by itself. Pure.
import { parseDuration } from './duration'

/** As the address has it; the empty one is never. */
export const EVERY = ['', '10s', '30s', '1m', '5m'] as const

/** Milliseconds; undefined: never. What is not offered is never. */
export const everyOf = (text: string | undefined): number | undefined => (EVERY.some((one) => one !== '' && one === text) ? parseDuration(text ?? '') : undefined)

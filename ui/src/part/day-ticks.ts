// Where the hours stand under a strip of a day. Pure.

/** A mark of the axis. */
export interface Tick {
  at: number
  /** How far from the begin: 0 to 1. */
  part: number
}

const HOURS = 6
/** Nearer than this to the begin there is no room for a text; at the end stands another one. */
const BEGIN_EDGE = 0.05
const END_EDGE = 0.17

/** Full hours of the user's zone, each six, that have room between the ends. */
export function dayTicks(from: number, length: number): Tick[] {
  if (!(length > 0) || length > 10 * 86_400_000) return []
  const hour = new Date(from)
  hour.setMinutes(0, 0, 0)
  const ticks: Tick[] = []
  for (let at = hour.getTime(); at <= from + length; at += 3_600_000) {
    const part = (at - from) / length
    if (new Date(at).getHours() % HOURS === 0 && part >= BEGIN_EDGE && part <= 1 - END_EDGE) ticks.push({ at, part })
  }
  return ticks
}

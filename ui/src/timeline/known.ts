// What is known of the times at both ends: before the first record and after the last word of the server nothing. Pure.
import type { Unseen } from './event'

/** The server sends a beat each five seconds. */
const BEAT = 6_500

/** Until when it is known how everything is. `heardAt`: when the server was last heard; all by the server's clock. */
export function knownUntil(now: number, heardAt: number, live: boolean): number {
  return live && now - heardAt < BEAT ? now : Math.min(now, heardAt)
}

/** What is not known before `from` (undefined: nothing is missing there) and after `until`, which is not yet `now`. */
export function unseenEnds(from: number | undefined, until: number, now: number): Unseen[] {
  const before = from === undefined ? [] : [{ from: -Infinity, to: from }]
  return until < now ? [...before, { from: until, to: now }] : before
}

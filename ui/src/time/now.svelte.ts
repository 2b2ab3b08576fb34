// The server's time as the page shows it: ticks once a second, so that "since" and "next try" go on by themselves.

let offset = 0
let tick = $state(Date.now())
let today = $state(dayOf(Date.now()))

function dayOf(at: number): string {
  return new Date(at).toDateString()
}

function set(at: number): void {
  tick = at
  today = dayOf(at)
}

/** Now by the server's clock, milliseconds; reactive, once a second. */
export function now(): number {
  return tick
}

/** The day that `now` lies in, in the user's zone; changes once at midnight. */
export const currentDay = (): string => today

/** The server said its time just now: a browser's clock may be minutes off. */
export function heard(serverTime: string): void {
  const at = Date.parse(serverTime)
  if (Number.isNaN(at)) return
  const next = at - Date.now()
  // Small differences are the way of the message; only real ones count.
  if (Math.abs(next - offset) > 250) offset = next
  set(Date.now() + offset)
}

/** Begins to tick; gives back how to stop. */
export function beginClock(): () => void {
  const timer = setInterval(() => set(Date.now() + offset), 1000)
  return () => clearInterval(timer)
}

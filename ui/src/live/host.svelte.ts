// The host that this Hinomi runs on. Its name stays as long as Hinomi runs, so it is asked for once.
import { ask } from '../api/client'
import type { Status } from '../api/types'
import { once } from '../once'

const asked = once(async () => (await ask<Status>('/status')).cluster)

let name = $state<string | undefined>(undefined)

/** Its name, once it is known. */
export const ownHost = (): string | undefined => name

/** Asks for it unless that was done; what failed is tried again by the next who wants it. */
export function wantOwnHost(): void {
  asked().then(
    (answer) => (name = answer),
    // What is shown without it is complete but for a link; the page beside it says what is wrong.
    () => undefined,
  )
}

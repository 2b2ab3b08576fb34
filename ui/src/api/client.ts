// Asks the API. Every failure becomes a `Failure` that says what kind it is.

export const API = '/api/hinomi/v1'

export type FailureKind = 'away' | 'unauthorized' | 'not_found' | 'refused' | 'broken'

/** Why an answer could not be had. */
export class Failure extends Error {
  constructor(
    readonly kind: FailureKind,
    message: string,
  ) {
    super(message)
  }
}

let refusedListener: (() => void) | undefined

/** Calls `listener` whenever an answer is refused for want of a login. */
export function onUnauthorized(listener: () => void): void {
  refusedListener = listener
}

/** An answer was refused for want of a login. */
export const refused = (): void => refusedListener?.()

const KINDS: Record<number, FailureKind> = { 401: 'unauthorized', 404: 'not_found' }

/** Longest wait for an answer, milliseconds; longer than the server's own limit. */
const TIME_MAX = 20_000

/** An answer of the API. `path` begins behind `API`, with its query. */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const signal = init.signal ? AbortSignal.any([init.signal, AbortSignal.timeout(TIME_MAX)]) : AbortSignal.timeout(TIME_MAX)
  let response: Response
  try {
    response = await fetch(API + path, { ...init, signal, credentials: 'same-origin' })
  } catch (error) {
    throw new Failure('away', error instanceof Error ? error.message : String(error))
  }
  if (response.status === 204) return undefined as T
  if (response.status === 401) refused()
  if (!response.ok) throw new Failure(kindOf(response.status), await said(response))
  try {
    return (await response.json()) as T
  } catch (error) {
    throw new Failure('broken', error instanceof Error ? error.message : String(error))
  }
}

function kindOf(status: number): FailureKind {
  return KINDS[status] ?? (status >= 500 ? 'broken' : 'refused')
}

/** The message in an error's body, else its status line. */
async function said(response: Response): Promise<string> {
  const plain = `${response.status} ${response.statusText}`.trim()
  try {
    const body = (await response.json()) as { error?: { message?: string } }
    return body.error?.message ?? plain
  } catch {
    return plain
  }
}

/** `path?key=value…`; absent values are left out. */
export function withQuery(path: string, query: Record<string, string | number | undefined>): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  if (pairs.length === 0) return path
  return `${path}?${new URLSearchParams(pairs.map(([key, value]) => [key, String(value)])).toString()}`
}

// Whether this browser may ask. Without a token on the server everybody on this machine may.
import { ask, onUnauthorized } from './client'

interface Session {
  login_required: boolean
  authenticated: boolean
}

let session = $state.raw<Session | undefined>(undefined)

/** A login is needed before anything is answered. */
export const mustLogIn = (): boolean => session !== undefined && session.login_required && !session.authenticated
/** There is a login to end. */
export const canLogOut = (): boolean => session !== undefined && session.login_required && session.authenticated

/** Asks how it is; while the server does not answer, nothing is known. */
export async function beginSession(): Promise<void> {
  onUnauthorized(() => (session = { login_required: true, authenticated: false }))
  try {
    session = await ask<Session>('/session')
  } catch {
    // Not known: the pages say that the server does not answer.
  }
}

export async function logIn(token: string): Promise<void> {
  await ask('/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token }) })
  session = { login_required: true, authenticated: true }
}

export async function logOut(): Promise<void> {
  await ask('/session', { method: 'DELETE' })
  session = { login_required: true, authenticated: false }
}

// Whether this browser may ask. Without a token on the server everybody on this machine may.
import { ask, onUnauthorized } from './client'

interface Session {
  login_required: boolean
  authenticated: boolean
}

let session = $state.raw<Session | undefined>(undefined)

/** A login is needed before anything is answered. */
export const mustLogIn = (): boolean => session !== undefined && session.login_required && !session.authenticated
/** Nobody has to log in here. */
export const isOpen = (): boolean => session !== undefined && !session.login_required
/** There is a login to end. */
export const canLogOut = (): boolean => session !== undefined && session.login_required && session.authenticated

/** Asks how it is, until that is known; called again whenever the server is heard. */
export async function beginSession(): Promise<void> {
  onUnauthorized(() => (session = { login_required: true, authenticated: false }))
  if (session) return
  try {
    session = await ask<Session>('/session')
  } catch {
    // Not known yet: the pages say that the server does not answer.
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

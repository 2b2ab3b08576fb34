// Containers that break, one of each kind, for pages that must show something.
import { get } from './api.mjs'
import { docker, remove, start, startFailing } from './docker.mjs'
import { waitFor } from './wait.mjs'

/** A port that one container holds and another one wants, by prefix. */
export const portOf = (name) => 18_700 + [...name.split('-')[0]].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 200

/** Name and how it breaks. The names of one prefix belong to one test. */
export const FAULTS = {
  oom: (name) => start(name, ['--restart', 'always', '-m', '20m', '--memory-swap', '20m'], ['sh', '-c', 'echo "reading the whole catalogue"; sleep 0.5; exec tail /dev/zero']),
  crash: (name) => start(name, ['--restart', 'always'], ['sh', '-c', 'echo "starting"; sleep 0.3; echo "fatal: cannot read /etc/app.conf" >&2; exit 3']),
  unhealthy: (name) =>
    start(name, ['--init', '--restart', 'always', '--health-cmd', 'test -e /tmp/ready', '--health-interval', '1s', '--health-retries', '2'], [
      'sh', '-c', 'touch /tmp/ready; echo serving; sleep 3; rm /tmp/ready; echo "lost the database" >&2; exec sleep 100000',
    ]),
  badcmd: (name) => startFailing(name, ['--restart', 'always'], ['/usr/bin/no-such-program']),
  port: async (name) => {
    await start(`${name}-holder`, ['--init', '-p', `127.0.0.1:${portOf(name)}:80`], ['sleep', '100000'])
    await startFailing(name, ['-p', `127.0.0.1:${portOf(name)}:80`], ['sleep', '100000'])
  },
}

/** Starts all; gives back their names by kind. */
export async function breakAll(prefix) {
  const names = namesOf(prefix)
  await removeAll(prefix)
  await Promise.all(Object.entries(FAULTS).map(([kind, begin]) => begin(names[kind])))
  return names
}

export const namesOf = (prefix) => Object.fromEntries(Object.keys(FAULTS).map((kind) => [kind, `${prefix}-${kind}`]))

export async function removeAll(prefix) {
  await remove(...Object.values(namesOf(prefix)), `${prefix}-port-holder`)
}

/** Faults that stay for all tests that only look: started once, then waited for until Hinomi knows them all. */
export async function ensureFaults(base) {
  const wanted = Object.values(namesOf('page'))
  const there = (await docker('ps', '-a', '--format', '{{.Names}}')).split('\n')
  if (!wanted.every((name) => there.includes(name))) await breakAll('page')
  await waitFor('findings of all faults', 30_000, async () => {
    const { now } = await get(base, '/overview')
    return wanted.every((name) => now.some((row) => row.name === name))
  })
  return namesOf('page')
}

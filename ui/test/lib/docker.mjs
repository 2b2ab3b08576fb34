// The docker command, against the runtime of the test. Everything that is made carries the test's label.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { dockerHost, image, label } from './env.mjs'

const run = promisify(execFile)

/** `docker ARGS…`; its output. */
export async function docker(...args) {
  const { stdout } = await run('docker', args, { env: { ...process.env, DOCKER_HOST: dockerHost() }, maxBuffer: 1 << 24 })
  return stdout.trim()
}

/** A container that runs detached: `start('web', ['--restart', 'always'], ['sleep', '9'])`. */
export const start = (name, options, command, of = image) => docker('run', '-d', '--name', name, '--label', label, ...options, of, ...command)

/** As `start`, for what must fail to start; what Docker said. */
export async function startFailing(name, options, command) {
  try {
    await start(name, options, command)
  } catch (error) {
    return String(error.stderr ?? error)
  }
  throw new Error(`${name} should not have started`)
}

/** Takes containers away; those that do not exist are no error. */
export async function remove(...names) {
  if (names.length > 0) await docker('rm', '-f', '-v', ...names).catch(() => undefined)
}

/** A second name for the image, as a deployment of another version. */
export const tag = (name) => docker('tag', image, name)

// A Hinomi of one test's own: the built program with its own configuration, data folder and port.
import { spawn } from 'node:child_process'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { binary } from './env.mjs'
import { waitFor } from './wait.mjs'

/** A port of 127.0.0.1 that is free at this moment. */
export async function freePort() {
  const server = createServer()
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address()
  await new Promise((done) => server.close(done))
  return port
}

/** Starts `hinomi up` (or `server`, which watches nothing) with more lines of configuration and waits until it is ready. */
export async function startHinomi(config, role = 'up') {
  const folder = await mkdtemp(join(tmpdir(), 'hinomi-page-'))
  const port = await freePort()
  const file = join(folder, 'hinomi.yaml')
  await writeFile(file, `listen: 127.0.0.1:${port}\ndata_dir: ${folder}/data\nhost: { name: page-host }\n${config}\n`)
  const hinomi = new Hinomi(folder, port, file, role)
  await hinomi.start()
  return hinomi
}

class Hinomi {
  #process

  constructor(folder, port, file, role) {
    this.folder = folder
    this.url = `http://127.0.0.1:${port}`
    this.file = file
    this.role = role
  }

  /** Also again after `kill`, on the same port and data folder. */
  async start() {
    const log = await open(join(this.folder, 'log'), 'a')
    // The token is that of another Hinomi.
    const { HINOMI_TOKEN: _, ...env } = process.env
    this.#process = spawn(binary(), [this.role, '--config', this.file], { env, stdio: ['ignore', log.fd, log.fd] })
    const ended = new Promise((done) => this.#process.once('exit', done))
    await log.close()
    await Promise.race([
      waitFor('readiness of Hinomi', 30_000, async () => (await fetch(`${this.url}/-/ready`)).ok),
      ended.then(async (code) => {
        throw new Error(`hinomi ended with ${code}; its log:\n${await this.log()}`)
      }),
    ])
  }

  get pid() {
    return this.#process.pid
  }

  signal(name) {
    this.#process.kill(name)
  }

  /** SIGKILL; returns when it has ended. */
  async kill() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = new Promise((done) => this.#process.once('exit', done))
    this.#process.kill('SIGKILL')
    await ended
  }

  /** Ends it and takes its folder away. */
  async remove() {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }

  async log() {
    return (await readFile(join(this.folder, 'log'), 'utf8').catch(() => '')).slice(-4000)
  }
}

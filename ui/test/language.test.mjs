// With Japanese chosen nothing English is left, apart from names, commands, log lines and what the runtime said.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { get } from './lib/api.mjs'
import { openBrowser, openPage } from './lib/browser.mjs'
import { docker } from './lib/docker.mjs'
import { collect, residue } from './lib/english.mjs'
import { image, tokenUrl, url } from './lib/env.mjs'
import { ensureFaults } from './lib/faults.mjs'
import { allViews, lockedView } from './lib/views.mjs'

/** Terms that Japanese text uses as they are. */
const TERMS = ['Docker Engine', 'Docker', 'Hinomi', 'Markdown', 'Compose', 'Ctrl-K', 'Asia/Tokyo', 'Linux', 'OOM']

let browser
before(async () => {
  browser = await openBrowser()
  await ensureFaults(url())
})
after(() => browser.close())

test('the search for left-over English finds what it should', () => {
  const of = (text, known = []) => residue([text], known, TERMS).length
  assert.equal(of('web は終了しました'), 0)
  assert.equal(of('web を Docker の再起動ポリシー always が修復'), 0, 'terms between Japanese words')
  assert.equal(of('Docker の restart policy always が修復'), 1, 'half translated')
  assert.equal(of('it heals by itself'), 1)
  assert.equal(of('再起動: killed for memory again'), 1)
  assert.equal(of('cannot open the file', ['cannot open the file']), 0, 'a known text')
  assert.equal(of('demo-oom, demo-port, demo-web', ['demo-oom', 'demo-port', 'demo-web']), 0)
})

test('no view has English sentences left', async () => {
  const known = await knownNames()
  const page = await openPage(browser, url(), { language: 'ja' })
  const found = []
  for (const [name, open] of Object.entries(await allViews(url()))) {
    await open(page)
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'ja', name)
    found.push(...residue(await collect(page), known, TERMS).map((line) => `${name}: ${line}`))
  }
  await page.close()
  const locked = await openPage(browser, tokenUrl(), { language: 'ja' })
  await lockedView(locked)
  found.push(...residue(await collect(locked), known, TERMS).map((line) => `login: ${line}`))
  await locked.close()
  assert.deepEqual(found, [])
})

/** Names of things, commands, log lines, and the runtime's own error texts: what is shown as somebody else wrote it. */
async function knownNames() {
  // What Docker said of containers that are gone by now stays in what happened.
  const known = new Set([image, 'driver failed programming external connectivity on endpoint'])
  const { workloads } = await get(url(), '/workloads')
  for (const workload of workloads) {
    known.add(workload.name).add(workload.cluster)
    const detail = await get(url(), `/workload?name=${encodeURIComponent(workload.name)}`)
    for (const one of detail.instances) for (const log of [one.log, ...one.ends.map((end) => end.log)]) for (const line of log?.lines ?? []) known.add(line.text)
  }
  const { changes } = await get(url(), '/timeline?since=2h&limit=10000&attributes=spec')
  for (const { resource, value } of changes) known.add(resource.name).add(value.image).add(value.image_id).add(value.command)
  for (const name of (await docker('ps', '-aq')).split('\n')) {
    const error = await docker('inspect', '--format', '{{.State.Error}}', name)
    // Hinomi shows the part of it that says something.
    for (const part of [error, ...error.split(/: |[()]/)]) known.add(part.trim())
  }
  const status = await get(url(), '/status')
  for (const name of [status.data_dir, status.version, ...Object.keys(status.counters), ...status.receivers.map((one) => one.name)]) known.add(name)
  return known
}

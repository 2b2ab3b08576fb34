// The click budget: things break while the Overview is open, and nobody reloads anything.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { findingsOf } from './lib/api.mjs'
import { openBrowser, openPage, settled, show } from './lib/browser.mjs'
import { countClicks } from './lib/clicks.mjs'
import { docker, remove, start, tag } from './lib/docker.mjs'
import { dockerHost } from './lib/env.mjs'
import { breakAll, namesOf, portOf, removeAll } from './lib/faults.mjs'
import { startHinomi } from './lib/hinomi.mjs'
import { linkOf, rowOf, seenRows, watchRows } from './lib/overview.mjs'
import { startReceiver } from './lib/receiver.mjs'
import { median, waitFor } from './lib/wait.mjs'

/** From Hinomi's knowledge to the open page. */
const VISIBLE_MS = 1_000
const SHOP = 'clicks-shop'
const SHOP_IMAGE = 'clicks-shop-image'

let browser
let receiver
let hinomi
let page
let clicks
let names

before(async () => {
  browser = await openBrowser()
  receiver = await startReceiver()
  hinomi = await startHinomi(
    `docker: { host: "${dockerHost()}" }\nreceivers:\n  - { name: test, webhook: { url: "${receiver.url}" } }\nroutes:\n  - { receiver: test }`,
  )
  page = await openPage(browser, hinomi.url)
  await show(page, '/')
  await page.locator('button.connection.live').waitFor()
  await watchRows(page)
  clicks = countClicks(page)
  // It runs well, then somebody deploys another image with less memory, and it fails.
  await remove(SHOP)
  await Promise.all(['v1', 'v2'].map((version) => tag(`${SHOP_IMAGE}:${version}`)))
  await start(SHOP, ['--restart', 'always', '-m', '64m'], ['sleep', '1000'], `${SHOP_IMAGE}:v1`)
  await waitFor('the shop', 10_000, async () => (await (await fetch(`${hinomi.url}/api/hinomi/v1/workloads`)).json()).workloads.some(({ name }) => name === SHOP))
  await remove(SHOP)
  await start(SHOP, ['--restart', 'always', '-m', '32m'], ['sh', '-c', 'echo "no such table: orders" >&2; exit 3'], `${SHOP_IMAGE}:v2`)
  names = await breakAll('clicks')
})

after(async () => {
  await page.close()
  await browser.close()
  await removeAll('clicks')
  await remove(SHOP)
  await docker('rmi', `${SHOP_IMAGE}:v1`, `${SHOP_IMAGE}:v2`).catch(() => undefined)
  await hinomi.remove()
  await receiver.close()
})

test('0 clicks: what is broken, and who heals it', { timeout: 60_000 }, async (t) => {
  // The OOM loop, the crash loop and the failing health check are healed by Docker's policy; nobody heals the others.
  const healed = { oom: /restart policy always/, crash: /restart policy always/, unhealthy: /nobody/, badcmd: /nobody/, port: /nobody/ }
  const causes = { oom: /memory/, crash: /exit code 3/, unhealthy: /failed probes/, badcmd: /no-such-program|command/, port: /port/ }
  for (const [kind, name] of Object.entries(names)) {
    await rowOf(page, name).waitFor({ timeout: 30_000 })
    const said = await waitFor(`the cause of ${name}`, 20_000, async () => {
      const text = await rowOf(page, name).innerText()
      return causes[kind].test(text) && text
    })
    assert.match(said, healed[kind], name)
    t.diagnostic(`${kind}: ${said.replace(/\s+/g, ' ')}`)
  }
  assert.equal(clicks.count, 0)
})

/** From the Overview by one click to the finding of `name`; gives back the text of that page. */
async function oneClick(name) {
  clicks.reset()
  await page.click(`section.now li a[data-row]:text-is("${name}")`)
  await page.waitForURL(/\/findings\//)
  await settled(page)
}

async function backToOverview() {
  await page.goBack()
  await linkOf(page, SHOP).waitFor()
}

test('1 click: which stage failed, and why', async () => {
  for (const [kind, why] of [['badcmd', /no-such-program/], ['port', new RegExp(`${portOf(names.port)}`)]]) {
    await oneClick(names[kind])
    assert.match(await page.locator('main h1').innerText(), why)
    const failed = page.locator('main li.failed, main .stage.failed').first()
    assert.match(await failed.innerText(), /Start/)
    assert.equal(clicks.count, 1)
    await backToOverview()
  }
})

test('1 click: the log lines before its death', async () => {
  for (const [kind, line] of [['oom', 'reading the whole catalogue'], ['crash', 'fatal: cannot read /etc/app.conf']]) {
    await oneClick(names[kind])
    await page.locator('main').getByText(line).first().waitFor()
    assert.ok(await page.locator('main').getByText(line).first().isVisible())
    assert.equal(clicks.count, 1)
    await backToOverview()
  }
})

test('1 click: what changed before', async () => {
  await oneClick(SHOP)
  const before = page.locator('main section', { hasText: 'before' })
  await before.getByText(`${SHOP_IMAGE}:v2`).first().waitFor()
  assert.match((await before.allInnerTexts()).join(' '), /deploy/)
  assert.equal(clicks.count, 1)
  await backToOverview()
})

test(`what Hinomi knows is on the open page within ${VISIBLE_MS} ms`, async (t) => {
  const seen = await seenRows(page)
  const known = []
  const told = []
  for (const name of [...Object.values(namesOf('clicks')), SHOP]) {
    const [first] = (await findingsOf(hinomi.url, name)).sort((a, b) => a.started_at.localeCompare(b.started_at))
    known.push({ name, ms: seen[name].any - Date.parse(first.started_at) })
    const message = receiver.first(name, ({ status }) => status === 'firing')
    const at = message && seen[name][message.body.level]
    if (message) told.push({ name: `${name} ${message.body.level}`, ms: at === undefined ? NaN : at - message.at })
  }
  for (const [what, all] of [['observed by Hinomi', known], ['told by webhook', told]]) {
    const ms = all.map((one) => one.ms)
    t.diagnostic(`from ${what} to visible: median ${median(ms)} ms, max ${Math.max(...ms)} ms (${all.map((one) => `${one.name} ${one.ms}`).join(', ')})`)
    assert.ok(all.length > 0 && all.every((one) => one.ms <= VISIBLE_MS), JSON.stringify(all))
  }
})

test('it was always the same page, and it has no problems', async () => {
  assert.equal(await page.evaluate(() => performance.getEntriesByType('navigation').length), 1)
  assert.ok(await seenRows(page), 'what was noted at the begin is still there: no reload')
  assert.deepEqual(page.problems, [])
})

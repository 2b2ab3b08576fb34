// Loading, empty, disconnected, stale, back again: each says what it is, and goes on by itself.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { openBrowser, openPage, settled, show } from './lib/browser.mjs'
import { dockerHost, tokenUrl, url } from './lib/env.mjs'
import { remove, start } from './lib/docker.mjs'
import { startHinomi } from './lib/hinomi.mjs'
import { linkOf as row } from './lib/overview.mjs'
import { waitFor } from './lib/wait.mjs'

/** What the page may take to say that the line is dead. */
const NOTICED_MS = 15_000
const PATHS = ['/', '/w', '/timeline', '/status']
/** Broken lines are broken on purpose here. */
const EXPECTED = ['Failed to load resource', 'ERR_']

let browser
before(async () => (browser = await openBrowser()))
after(() => browser.close())

test('while an answer takes its time the page says that it is loading', async () => {
  const page = await openPage(browser, url(), { expected: EXPECTED })
  let go
  const held = new Promise((done) => (go = done))
  await page.route(/\/api\/hinomi\/v1\/(overview|workloads|timeline|status)/, async (route) => {
    await held
    await route.continue()
  })
  for (const path of PATHS) {
    await page.goto(path)
    await page.locator('main .loading, main [aria-busy=true]').first().waitFor()
  }
  go()
  await settled(page)
  await page.close()
})

test('an error of the server is shown as what it is, with a way to try again', async () => {
  const page = await openPage(browser, url(), { expected: EXPECTED })
  let broken = true
  await page.route(/\/overview/, (route) =>
    broken ? route.fulfill({ status: 500, contentType: 'application/json', body: '{"error":{"kind":"internal","message":"the lantern is out"}}' }) : route.continue(),
  )
  await page.goto('/')
  await page.getByText('the lantern is out').waitFor()
  broken = false
  await page.getByRole('button', { name: 'Try again' }).click()
  await settled(page)
  assert.equal(await page.getByText('the lantern is out').count(), 0)
  await page.close()
})

test('a Hinomi without containers says so on every page', async () => {
  const hinomi = await startHinomi('', 'server')
  const page = await openPage(browser, hinomi.url)
  for (const path of PATHS) {
    await show(page, path)
    const text = await page.locator('main').innerText()
    assert.ok(text.trim().length > 30, `${path} is not blank: ${text}`)
    assert.ok(!/undefined|NaN|null|Invalid Date|\[object/.test(text), `${path}: ${text}`)
  }
  assert.deepEqual(page.problems, [])
  await page.close()
  await hinomi.remove()
})

test('it says since when nothing came: a frozen server', { timeout: 90_000 }, async () => {
  await withFault(async (hinomi, page, name) => {
    hinomi.signal('SIGSTOP')
    const since = Date.now()
    const bar = page.locator('[role=alert]', { hasText: 'Connection lost' })
    await bar.waitFor({ timeout: NOTICED_MS })
    assert.ok(Date.now() - since <= NOTICED_MS)
    assert.match(await bar.innerText(), /since \d\d:\d\d/, 'with the time')
    assert.ok(await row(page, name).isVisible(), 'what is known stays to be read')
    hinomi.signal('SIGCONT')
    await bar.waitFor({ state: 'detached', timeout: NOTICED_MS })
  })
})

test('it goes on by itself after a crash, with what happened meanwhile', { timeout: 90_000 }, async () => {
  await withFault(async (hinomi, page, name) => {
    let loads = 0
    page.on('framenavigated', () => loads++)
    await hinomi.kill()
    const bar = page.locator('[role=alert]', { hasText: 'Connection lost' })
    await bar.waitFor({ timeout: NOTICED_MS })
    await remove(name)
    await start(`${name}-2`, ['--restart', 'always'], ['sh', '-c', 'exit 4'])
    await hinomi.start()
    await bar.waitFor({ state: 'detached', timeout: NOTICED_MS })
    await row(page, `${name}-2`).waitFor({ timeout: 20_000 })
    await waitFor('the end of what is gone', 20_000, async () => (await row(page, name).count()) === 0)
    assert.equal(loads, 0, 'without a reload')
    await page.locator('button.connection.live').waitFor()
    await remove(`${name}-2`)
  })
})

test('data that could not be renewed says how old it is', { timeout: 60_000 }, async () => {
  await withFault(async (hinomi, page, name) => {
    await page.route(/\/overview/, (route) => route.abort())
    await start(`${name}-late`, ['--restart', 'always'], ['sh', '-c', 'exit 5'])
    const stale = page.locator('main [role=status]', { hasText: /stale since \d\d:\d\d/ })
    await stale.waitFor({ timeout: 10_000 })
    assert.ok(await row(page, name).isVisible(), 'and stays to be read')
    await page.unroute(/\/overview/)
    await stale.waitFor({ state: 'detached', timeout: 10_000 })
    await row(page, `${name}-late`).waitFor({ timeout: 10_000 })
  })
})

test('paused, nothing moves; resumed, it catches up', { timeout: 60_000 }, async () => {
  await withFault(async (hinomi, page, name) => {
    await page.keyboard.press('Space')
    await page.locator('button.connection.paused').waitFor()
    await start(`${name}-late`, ['--restart', 'always'], ['sh', '-c', 'exit 5'])
    await waitFor('a finding', 20_000, async () => {
      const answer = await fetch(`${hinomi.url}/api/hinomi/v1/overview`)
      return (await answer.json()).now.some((one) => one.name === `${name}-late`)
    })
    assert.equal(await row(page, `${name}-late`).count(), 0, 'paused is paused')
    await page.keyboard.press('Space')
    await row(page, `${name}-late`).waitFor({ timeout: 5_000 })
    await remove(`${name}-late`)
  })
})

/** Pretends that nobody, or somebody, looks at a tab: here all tabs are in front. */
const look = (page, state) =>
  page.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })
    document.dispatchEvent(new Event('visibilitychange'))
  }, state)

test('many tabs: those that nobody sees let go of their connection, and take it up again', { timeout: 60_000 }, async () => {
  const first = await openPage(browser, url())
  await show(first, '/')
  await first.locator('button.connection.live').waitFor()
  // The browser's own limit is six connections to a server; a new tab hides the one before.
  let front = first
  for (let tab = 0; tab < 8; tab++) {
    await look(front, 'hidden')
    front = await first.context().newPage()
    await show(front, '/w')
    await front.locator('main a[data-row]').first().waitFor()
  }
  await look(first, 'visible')
  await waitFor('the stream of the first tab', 5_000, () => first.locator('button.connection.live').isVisible())
  assert.equal(await first.locator('[role=alert]').count(), 0)
  assert.deepEqual(first.problems, [])
  await first.close()
})

describe('pages that lead nowhere', () => {
  for (const [path, text] of [['/w/no-such-workload', 'no-such-workload'], ['/findings/no-such-finding', 'no such finding'], ['/no-such-page', '/no-such-page']])
    test(path, async () => {
      const page = await openPage(browser, url(), { expected: ['404 (Not Found)'] })
      await show(page, path)
      assert.ok((await page.locator('main').innerText()).includes(text), 'names what is missing')
      assert.ok((await page.locator('main a[href]').count()) > 0, 'and leads on')
      assert.deepEqual(page.problems, [])
      await page.close()
    })
})

test('a locked Hinomi shows a login on every address', async () => {
  const page = await openPage(browser, tokenUrl(), { expected: EXPECTED })
  for (const path of [...PATHS, '/findings/x', '/w/x']) {
    await page.goto(path)
    await page.locator('main input[type=password]').waitFor()
  }
  // It answers; that it wants a token is no lost connection. The stream has been refused by now.
  await page.waitForTimeout(1_000)
  assert.equal(await page.locator('.bar.lost').count(), 0)
  assert.ok(!(await page.title()).includes('⚠'))
  await page.close()
})

let count = 0

/** A Hinomi of its own on the runtime of the test, a container that fails, and the Overview that shows it. */
async function withFault(body) {
  const name = `state-${++count}`
  const hinomi = await startHinomi(`docker: { host: "${dockerHost()}" }`)
  const page = await openPage(browser, hinomi.url, { expected: EXPECTED })
  try {
    await remove(name)
    await start(name, ['--restart', 'always'], ['sh', '-c', 'exit 3'])
    await show(page, '/')
    await row(page, name).waitFor({ timeout: 20_000 })
    await body(hinomi, page, name)
  } finally {
    await page.close()
    await remove(name, `${name}-2`, `${name}-late`)
    await hinomi.remove()
  }
}

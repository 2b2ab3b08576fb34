// Who gets in, as a browser sees it: the origin, the policy, the token, other sites' pages, other names.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { openBrowser, openPage, settled, show } from './lib/browser.mjs'
import { get } from './lib/api.mjs'
import { token, tokenUrl, url } from './lib/env.mjs'
import { ensureFaults } from './lib/faults.mjs'
import { allViews } from './lib/views.mjs'
import { freePort } from './lib/hinomi.mjs'
import { waitFor } from './lib/wait.mjs'

let browser
before(async () => {
  browser = await openBrowser()
  await ensureFaults(url())
})
after(() => browser.close())

test('no view asks another origin, breaks its policy, or has an error', async () => {
  const page = await openPage(browser, url(), { expected: ['404 (Not Found)'] })
  for (const open of Object.values(await allViews(url()))) await open(page)
  assert.deepEqual(page.problems, [])
  await page.close()
})

test('the watch over that sees what it should', async () => {
  const page = await openPage(browser, url())
  await show(page, '/')
  await page.evaluate(() => {
    new Image().src = 'http://elsewhere.example/pixel.png'
    document.body.insertAdjacentHTML('beforeend', '<p style="color: red">inline</p>')
    setTimeout(() => {
      throw new Error('on purpose')
    })
  })
  for (const part of ['elsewhere.example', 'policy violated: img-src', 'policy violated: style-src', 'on purpose'])
    await waitFor(`the problem ${part}`, 5_000, () => page.problems.some((problem) => problem.includes(part)))
  await page.close()
})

describe('a token', () => {
  const EXPECTED = ['401 (Unauthorized)']

  test('without it nothing is shown, a wrong one is refused, the right one opens, a logout closes', async () => {
    const page = await openPage(browser, tokenUrl(), { expected: EXPECTED })
    await show(page, '/status')
    const field = page.locator('main input[type=password]')
    await field.waitFor()
    assert.equal(await page.locator('header nav').count(), 0, 'no navigation before the login')

    await field.fill('not-the-token-at-all')
    await field.press('Enter')
    await page.locator('main [role=alert]').waitFor()
    assert.deepEqual(await sessionCookies(page), [], 'no session for a wrong token')

    await field.fill(token())
    await field.press('Enter')
    await page.locator('header nav').waitFor()
    await settled(page)
    assert.equal(new URL(page.url()).pathname, '/status', 'it goes on where one wanted to go')
    await page.locator('button.connection.live').waitFor()
    const [cookie] = await sessionCookies(page)
    assert.ok(cookie, 'a session')
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, 'Strict', '/'])
    assert.equal(await page.evaluate(() => document.cookie), '', 'no script reads it')
    assert.ok(!JSON.stringify(await page.evaluate(() => ({ ...localStorage, ...sessionStorage }))).includes(token()), 'the token is not kept')

    await page.reload()
    await page.locator('header nav').waitFor()
    await page.getByRole('button', { name: 'Log out' }).click()
    await field.waitFor()
    assert.deepEqual(await sessionCookies(page), [])
    const after = await page.request.get('/api/hinomi/v1/status', { headers: { cookie: `${cookie.name}=${cookie.value}` } })
    assert.equal(after.status(), 401, 'the session has ended on the server too')
    assert.deepEqual(page.problems, [])
    await page.close()
  })

  test('a session that ends elsewhere leads to the login by itself', async () => {
    const page = await openPage(browser, tokenUrl(), { expected: EXPECTED })
    await show(page, '/')
    await page.locator('main input[type=password]').fill(token())
    await page.keyboard.press('Enter')
    await page.locator('header nav').waitFor()
    await page.context().clearCookies()
    await page.reload()
    await page.locator('main input[type=password]').waitFor()
    await page.close()
  })

  const sessionCookies = async (page) => (await page.context().cookies()).filter(({ name, value }) => name.startsWith('hinomi_session_') && value !== '')
})

describe('a page of another site', () => {
  let foreign
  let address
  before(async () => {
    foreign = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>foreign</title>'))
    const port = await freePort()
    await new Promise((done) => foreign.listen(port, '127.0.0.1', done))
    address = `http://localhost:${port}`
  })
  after(() => foreign.close())

  /** A page of the other site, in a browser that is logged in to Hinomi. */
  async function visited() {
    const context = await browser.newContext()
    const login = await context.request.post(`${tokenUrl()}/api/hinomi/v1/session`, { data: { token: token() } })
    assert.equal(login.status(), 204)
    const page = await context.newPage()
    await page.goto(address)
    return page
  }

  test('reads nothing', async () => {
    const page = await visited()
    for (const base of [url(), tokenUrl()]) {
      const said = await page.evaluate(
        (target) => fetch(target, { credentials: 'include' }).then((answer) => `status ${answer.status}`, () => 'refused'),
        `${base}/api/hinomi/v1/status`,
      )
      assert.equal(said, 'refused', base)
      const blind = await page.evaluate((target) => fetch(target, { mode: 'no-cors', credentials: 'include' }).then((answer) => answer.type, () => 'refused'), `${base}/api/hinomi/v1/status`)
      assert.notEqual(blind, 'basic', base)
    }
    await page.context().close()
  })

  test('changes nothing', async () => {
    const page = await visited()
    const asked = []
    page.on('response', (response) => response.url().startsWith(tokenUrl()) && asked.push([response.request().method(), response.status()]))
    await page.evaluate((target) => fetch(target, { method: 'DELETE', credentials: 'include' }).catch(() => 'refused'), `${tokenUrl()}/api/hinomi/v1/session`)
    await page.evaluate(
      (target) => fetch(target, { method: 'POST', mode: 'no-cors', credentials: 'include', headers: { 'content-type': 'text/plain' }, body: '{"token":"x"}' }).catch(() => 'refused'),
      `${tokenUrl()}/api/hinomi/v1/session`,
    )
    const answer = page.waitForResponse((response) => response.request().method() === 'POST' && response.request().isNavigationRequest())
    await page.evaluate((target) => {
      const form = document.createElement('form')
      form.method = 'post'
      form.action = target
      document.body.append(form)
      form.submit()
    }, `${tokenUrl()}/api/hinomi/v1/session`)
    assert.equal((await answer).status(), 403, 'a form of another site')
    assert.ok(asked.every(([, status]) => status >= 400), `all refused: ${JSON.stringify(asked)}`)
    const still = await page.context().request.get(`${tokenUrl()}/api/hinomi/v1/status`)
    assert.equal(still.status(), 200, 'the session goes on')
    await page.context().close()
  })

  test('cannot show it in a frame', async () => {
    const page = await visited()
    const framed = await page.evaluate(
      (target) =>
        new Promise((done) => {
          const frame = document.createElement('iframe')
          frame.onload = () => done(frame.contentDocument === null ? 'opaque' : 'readable')
          frame.src = target
          document.body.append(frame)
        }),
      url(),
    )
    assert.equal(framed, 'opaque')
    assert.ok(page.frames().every((frame) => !frame.url().startsWith(url())), 'the frame stays empty')
    await page.context().close()
  })
})

test('a foreign name for this machine is refused, as after DNS rebinding', async () => {
  const rebound = await openRebound()
  const page = await rebound.newPage()
  const { port } = new URL(url())
  const answer = await page.goto(`http://rebound.example:${port}/api/hinomi/v1/status`)
  assert.equal(answer.status(), 403)
  const shell = await page.goto(`http://rebound.example:${port}/`)
  assert.equal(shell.status(), 403)
  await rebound.close()
  assert.ok((await get(url(), '/status')).version)
})

/** A browser for which another name leads to this machine. */
const openRebound = () => openBrowser(['--host-resolver-rules=MAP rebound.example 127.0.0.1'])

// Charts of a workload, a container and a host: real numbers of real containers, as a person sees and walks through them.
import AxeBuilder from '@axe-core/playwright'
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { LANGUAGES, openBrowser, openPage, show, THEMES } from './lib/browser.mjs'
import { docker, remove, start } from './lib/docker.mjs'
import { dockerHost } from './lib/env.mjs'
import { startHinomi } from './lib/hinomi.mjs'
import { waitFor } from './lib/wait.mjs'

const HOST = 'page-host'
const WEB = 'numbers-web'
const CRASH = 'numbers-crash'
/** Lines are broken on purpose here. */
const EXPECTED = ['Failed to load resource', 'ERR_']
/** Colour of the first line, light. */
const INK = [11, 92, 173]

let browser
let hinomi
before(async () => {
  browser = await openBrowser()
  hinomi = await startHinomi(`docker: { host: "${dockerHost()}" }\nmetrics: { interval: 1s }`)
  await remove(WEB, CRASH)
  await start(WEB, ['-m', '64m', '--restart', 'always'], ['sh', '-c', 'while true; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; sleep 0.2; done'])
  await start(CRASH, ['--restart', 'always'], ['sh', '-c', 'sleep 3; exit 4'])
  await waitFor('samples of the containers', 60_000, async () => {
    const { data } = await prometheus(`query?query=${encodeURIComponent(`count_over_time(container_cpu_usage_seconds_total{name="${WEB}"}[1m])`)}`)
    return Number(data.result[0]?.value[1]) >= 8
  })
})
after(async () => {
  await browser.close()
  await remove(WEB, CRASH)
  await hinomi.remove()
})

async function prometheus(path) {
  const response = await fetch(`${hinomi.url}/api/v1/${path}`)
  if (!response.ok) throw new Error(`${path}: ${response.status}: ${await response.text()}`)
  return response.json()
}

const query = (page, key) => new URL(page.url()).searchParams.get(key)
const chart = (page, id) => page.locator(`article[data-chart="${id}"]`)
const drawn = (page) => page.locator('.charts[data-settled=true] article canvas').first().waitFor()
const comes = (what, look) => waitFor(what, 8_000, look)

/** Goes to a page of charts and waits until they are drawn. */
async function charts(page, path) {
  await show(page, path)
  await drawn(page)
}

/** Pixels of a colour in a chart. */
const pixels = (page, id, ink = INK) =>
  chart(page, id).locator('canvas').evaluate((canvas, ink) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
    let count = 0
    for (let at = 0; at < data.length; at += 4) if (ink.every((part, i) => Math.abs(data[at + i] - part) < 12) && data[at + 3] > 200) count += 1
    return count
  }, ink)

/** Draws a range with the pointer, from one share of the picture to another. */
async function drag(page, id, from, to) {
  const over = chart(page, id).locator('.u-over')
  await over.scrollIntoViewIfNeeded()
  const box = await over.boundingBox()
  await page.mouse.move(box.x + box.width * from, box.y + box.height / 2)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * to, box.y + box.height / 2 + 5, { steps: 6 })
  await page.mouse.up()
}

for (const [name, path, ids] of [
  ['workload', `/w/${WEB}?from=now-2m`, ['cpu', 'memory', 'oom']],
  ['container', `/instances/${WEB}?from=now-2m`, ['cpu', 'memory', 'oom', 'pids']],
  ['host', `/hosts/${HOST}?from=now-2m`, ['cpu', 'load', 'memory', 'filesystems', 'inodes', 'disks', 'descriptors']],
])
  test(`the ${name} shows what was measured`, async () => {
    const page = await openPage(browser, hinomi.url)
    await charts(page, path)
    for (const id of ids) {
      const one = chart(page, id)
      await one.locator('canvas').waitFor()
      const last = await one.locator('.legend .value').first().innerText()
      assert.match(last, /\d/, `${id}: a last value: ${last}`)
      assert.match(await one.getByRole('img').getAttribute('aria-label'), /from .* to .*: last .*, highest/, `${id}: told in words`)
    }
    for (const id of ['cpu', 'memory']) await comes(`the line of ${id}`, async () => (await pixels(page, id)) > 20)
    if (name !== 'host') assert.match(await chart(page, 'memory').locator('.limit').innerText(), /64 MiB/)
    assert.deepEqual(page.problems, [])
    await page.close()
  })

test('live: new values come by themselves, in the same picture; paused and hidden nothing is asked', { timeout: 90_000 }, async () => {
  const page = await openPage(browser, hinomi.url)
  let asked = 0
  page.on('request', (request) => (asked += request.url().includes('/api/v1/query_range') ? 1 : 0))
  await charts(page, `/instances/${WEB}?from=now-1m`)
  const canvas = await chart(page, 'memory').locator('canvas').elementHandle()
  const axis = () => chart(page, 'memory').getByRole('img').getAttribute('aria-label')
  const first = await axis()
  await comes('a later end', async () => (await axis()) !== first)
  assert.ok(await canvas.evaluate((element) => element.isConnected), 'drawn on, not drawn anew')
  const rests = async (what) => {
    await page.waitForTimeout(1_500)
    asked = 0
    await page.waitForTimeout(4_000)
    assert.equal(asked, 0, what)
  }
  await page.keyboard.press('Space')
  await rests('paused')
  await page.keyboard.press('Space')
  await comes('questions after the pause', () => asked > 0)
  const look = (state) =>
    page.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, state)
  await look('hidden')
  await rests('hidden')
  await look('visible')
  await comes('questions when somebody looks', () => asked > 0)
  assert.deepEqual(page.problems, [])
  await page.close()
})

test('few questions at once; those of a range that was left are taken back', async () => {
  const page = await openPage(browser, hinomi.url, { expected: EXPECTED })
  let open
  const gate = new Promise((done) => (open = done))
  const held = new Set()
  let most = 0
  let failed = 0
  page.on('requestfailed', (request) => (failed += request.url().includes('query_range') ? 1 : 0))
  await page.route(/query_range/, async (route) => {
    held.add(route)
    most = Math.max(most, held.size - failed)
    await gate
    await route.continue().catch(() => undefined)
  })
  await page.goto(`/hosts/${HOST}?from=now-2m`)
  await comes('the first questions', () => held.size >= 4)
  await page.waitForTimeout(500)
  assert.ok(most <= 6, `${most} at once`)
  await page.getByRole('button', { name: '6h', exact: true }).click()
  await comes('taken back', () => failed >= 4)
  open()
  await drawn(page)
  await page.close()
})

test('one crosshair for all charts', async () => {
  const page = await openPage(browser, hinomi.url)
  await charts(page, `/hosts/${HOST}?from=now-2m`)
  const times = () => page.locator('article.chart .head > span').allInnerTexts()
  let x = 0
  await comes('the same time everywhere', async () => {
    // Charts move while the first values come: a hand moves too.
    x = (x + 7) % 70
    await chart(page, 'memory').locator('.u-over').hover({ position: { x: 60 + x, y: 40 } })
    const all = await times()
    return all.length > 4 && all.every((one) => /\d\d:\d\d:\d\d/.test(one) && one === all[0])
  })
  await page.close()
})

test('a drawn range stands in the address; Escape and double click lead back', async () => {
  const page = await openPage(browser, hinomi.url)
  await charts(page, `/instances/${WEB}?from=now-2m`)
  for (const leave of [() => page.keyboard.press('Escape'), () => chart(page, 'cpu').locator('.u-over').dblclick()]) {
    await drag(page, 'cpu', 0.5, 0.9)
    await comes('the range', () => query(page, 'to') !== null)
    const length = Date.parse(query(page, 'to')) - Date.parse(query(page, 'from'))
    assert.ok(length > 30_000 && length < 70_000, `0.4 of two minutes: ${length} ms`)
    await drawn(page)
    await leave()
    await comes('the range before', () => query(page, 'from') === 'now-2m' && query(page, 'to') === null)
    await drawn(page)
  }
  assert.deepEqual(page.problems, [])
  await page.close()
})

test('c compares with a day, a week and four weeks before; the address keeps it', async () => {
  const page = await openPage(browser, hinomi.url)
  // There is no past yet: a day ago it was as it is now.
  await page.route(/query_range/, async (route) => {
    const asked = new URL(route.request().url())
    const start = Number(asked.searchParams.get('start'))
    if (start > Date.now() / 1000 - 40_000) return route.continue()
    const shift = 86_400
    for (const key of ['start', 'end']) asked.searchParams.set(key, String(Number(asked.searchParams.get(key)) + shift))
    const answer = await (await fetch(asked)).json()
    for (const one of answer.data.result) one.values = one.values.map(([at, value]) => [at - shift, String(Number(value) * 1.5)])
    return route.fulfill({ json: answer })
  })
  await charts(page, `/instances/${WEB}?from=now-2m`)
  assert.equal(await chart(page, 'memory').locator('.earlier').count(), 0)
  await page.keyboard.press('c')
  await comes('the address', () => query(page, 'c') === '1d')
  const earlier = chart(page, 'memory').locator('.earlier').first()
  await earlier.waitFor()
  assert.match(await earlier.innerText(), /1 day earlier.*\d/s)
  assert.equal(await page.getByRole('button', { name: '1d', exact: true }).getAttribute('aria-pressed'), 'true')
  await page.reload()
  await earlier.waitFor()
  for (const next of ['1w', '4w', null]) {
    await page.keyboard.press('c')
    await comes('the next', () => query(page, 'c') === next)
  }
  await earlier.waitFor({ state: 'detached' })
  await page.getByRole('button', { name: '1w', exact: true }).click()
  await comes('by the button', () => query(page, 'c') === '1w')
  assert.deepEqual(page.problems, [])
  await page.close()
})

test('what happened is marked, and leads to the timeline', async () => {
  const page = await openPage(browser, hinomi.url)
  await charts(page, `/instances/${CRASH}?from=now-5m`)
  const mark = chart(page, 'cpu').locator('.marks a').first()
  await mark.waitFor()
  assert.match(await mark.getAttribute('title'), /end, restart|level/)
  const row = new URL(await mark.getAttribute('href'), hinomi.url).searchParams.get('row')
  assert.equal(await chart(page, 'memory').locator('.marks a').count() > 0, true, 'on every chart')
  await page.locator('.happened summary').click()
  const listed = page.locator('.happened li a')
  assert.ok((await listed.count()) > 0)
  // The newest stands there, whatever comes meanwhile.
  await page.keyboard.press('Space')
  await mark.click()
  await page.waitForURL(/\/timeline\?.*row=/)
  assert.ok(row !== null)
  assert.equal(query(page, 'q'), CRASH)
  assert.deepEqual(page.problems, [])
  await page.close()
})

test('from the workload to its container, its host, and back by the table', async () => {
  const page = await openPage(browser, hinomi.url)
  await charts(page, `/w/${WEB}?from=now-2m`)
  await page.locator('dl.facts').getByRole('link', { name: WEB, exact: true }).click()
  await page.waitForURL(new RegExp(`/instances/${WEB}\\?from=now-2m`))
  await drawn(page)
  await page.getByRole('link', { name: HOST, exact: true }).click()
  await page.waitForURL(new RegExp(`/hosts/${HOST}\\?from=now-2m`))
  await drawn(page)
  const row = page.locator('section table tr', { has: page.getByRole('link', { name: WEB, exact: true }) })
  await comes('its use', async () => /\d (MiB|KiB)/.test(await row.innerText()))
  await row.locator('a').first().click()
  await page.waitForURL(new RegExp(`/instances/${WEB}`))
  assert.deepEqual(page.problems, [])
  await page.close()
})

test('a finding shows the numbers around its begin', async () => {
  const finding = await waitFor('a finding', 60_000, async () => {
    const answer = await (await fetch(`${hinomi.url}/api/hinomi/v1/findings?all=true`)).json()
    return answer.findings.find((one) => one.resource.name === CRASH)
  })
  const page = await openPage(browser, hinomi.url)
  await show(page, `/findings/${finding.id}`)
  await chart(page, 'memory').locator('canvas').waitFor()
  assert.match(await chart(page, 'memory').getByRole('img').getAttribute('aria-label'), /last/)
  assert.equal(query(page, 'from'), null, 'the address stays')
  assert.deepEqual(page.problems, [])
  await page.close()
})

describe('states', () => {
  test('a time before everything', async () => {
    const page = await openPage(browser, hinomi.url)
    await show(page, `/hosts/${HOST}?from=2026-01-01T00:00:00.000Z&to=2026-01-01T01:00:00.000Z`)
    await page.getByText('No samples in this range.').waitFor()
    await page.getByText(/In the last 30 days there/).waitFor()
    assert.equal(await page.locator('article.chart').count(), 0)
    await page.close()
  })

  test('when collecting began', async () => {
    const page = await openPage(browser, hinomi.url)
    await charts(page, `/hosts/${HOST}?from=now-6h`)
    await page.getByText(/Samples begin at/).waitFor()
    await page.close()
  })

  test('an error is told once, and goes by itself', async () => {
    const page = await openPage(browser, hinomi.url, { expected: EXPECTED })
    let broken = true
    await page.route(/query_range/, (route) =>
      broken ? route.fulfill({ status: 503, json: { status: 'error', errorType: 'timeout', error: 'the lantern is out' } }) : route.continue(),
    )
    await page.goto(`/hosts/${HOST}?from=now-2m`)
    await page.getByText('the lantern is out').waitFor()
    assert.equal(await page.getByText('the lantern is out').count(), 1)
    broken = false
    await drawn(page)
    await page.getByText('the lantern is out').waitFor({ state: 'detached' })
    await page.close()
  })

  test('a container that is gone', async () => {
    const name = 'numbers-gone'
    await remove(name)
    await start(name, [], ['sleep', '1000'])
    await waitFor('samples of it', 30_000, async () => (await prometheus(`query?query=${encodeURIComponent(`count_over_time(container_last_seen{name="${name}"}[1m]) > 3`)}`)).data.result.length > 0)
    await docker('rm', '-f', name)
    const page = await openPage(browser, hinomi.url)
    await comes('that it is gone', async () => {
      await show(page, `/instances/${name}?from=now-2m`)
      return page.getByText('There is no container of this name now').isVisible()
    })
    await chart(page, 'memory').locator('canvas').waitFor()
    await page.close()
  })
})

describe('everybody can read it', () => {
  for (const language of LANGUAGES)
    for (const theme of THEMES)
      test(`${language}, ${theme}`, async () => {
        const page = await openPage(browser, hinomi.url, { language, theme })
        for (const path of [`/w/${WEB}?from=now-2m&c=1d`, `/instances/${CRASH}?from=now-2m`, `/hosts/${HOST}?from=now-2m`]) {
          await charts(page, path)
          await chart(page, 'memory').locator('details summary').click()
          await chart(page, 'memory').locator('details table').last().waitFor()
          assert.ok((await chart(page, 'memory').locator('details table').last().locator('tbody tr').count()) > 5, 'the table has the values')
          const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).options({ resultTypes: ['violations'] }).analyze()
          assert.deepEqual(violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${path}: ${id}: ${target.join(' ')}: ${failureSummary}`)), [])
        }
        assert.deepEqual(page.problems, [])
        await page.close()
      })
})

test('on paper the charts are dark lines on white', async () => {
  const page = await openPage(browser, hinomi.url, { theme: 'dark', width: 800 })
  await charts(page, `/instances/${WEB}?from=now-2m`)
  assert.equal(await pixels(page, 'memory'), 0, 'dark on the screen, else this shows nothing')
  await page.emulateMedia({ media: 'print' })
  await comes('the line in its colour for paper', async () => (await pixels(page, 'memory')) > 20)
  assert.ok((await page.pdf({ format: 'A4' })).length > 20_000)
  await page.close()
})

test('a phone shows it without scrolling sideways', async () => {
  const page = await openPage(browser, hinomi.url, { width: 360, height: 740 })
  for (const path of [`/w/${WEB}?from=now-2m`, `/instances/${WEB}?from=now-2m&c=1w`, `/hosts/${HOST}?from=now-2m`]) {
    await charts(page, path)
    assert.ok((await page.evaluate(() => document.scrollingElement.scrollWidth - innerWidth)) <= 0, path)
  }
  await page.close()
})

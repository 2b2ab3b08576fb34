// Explore against the numbers of a real Hinomi: typing, completion, errors, charts, tables, addresses.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, describe, test } from 'node:test'
import AxeBuilder from '@axe-core/playwright'
import { LANGUAGES, openBrowser, openPage, settled, show, THEMES } from './lib/browser.mjs'
import { url } from './lib/env.mjs'
import { waitFor } from './lib/wait.mjs'

/** What is wrong on purpose is refused with 400, which the browser notes. */
const REFUSED = ['status of 400', 'status of 422']

let browser
/** A metric with several series. */
let metric
let label
before(async () => {
  browser = await openBrowser()
  metric = await waitFor('a metric with several series', 60_000, severalSeries, 500)
})
after(() => browser.close())

async function ask(path, query = {}) {
  const response = await fetch(`${url()}/api/v1${path}?${new URLSearchParams(query)}`)
  const body = await response.json()
  assert.equal(body.status, 'success', JSON.stringify(body).slice(0, 300))
  return body.data
}

/** A metric with 3 to 50 series that have had time for a few points, whose name is part of no other one. */
async function severalSeries() {
  const all = await ask('/label/__name__/values')
  const { result } = await ask('/query', { query: 'count by (__name__) ({__name__=~"..*"}) < 50 > 2' })
  const names = result.map(({ metric }) => metric.__name__ ?? '')
  for (const name of names.filter((name) => /^[a-z_]{6,}$/.test(name) && all.every((one) => one === name || !one.includes(name.slice(0, -1))))) {
    const { result: series } = await ask('/query', { query: `count_over_time(${name}[5m])` })
    const keys = Object.keys(series[0]?.metric ?? {})
    label = keys.find((key) => key.length > 2 && new Set(series.map(({ metric }) => metric[key])).size > 1)
    if (label && series.every(({ value }) => Number(value[1]) > 2)) return name
  }
  return undefined
}

let page
async function explore(query = '', options = {}) {
  page = await openPage(browser, url(), { expected: REFUSED, ...options })
  await show(page, `/explore${query}`)
  await page.locator('[data-editor=ready]').first().waitFor()
}
async function close() {
  assert.deepEqual(page.problems, [])
  await page.close()
}
const panel = (at) => page.locator(`[data-panel="${at}"]`)
const content = (at = 1) => panel(at).locator('.cm-content')
const option = (text) => page.locator('.cm-tooltip-autocomplete li', { hasText: text }).first()
const address = () => new URL(page.url()).searchParams
const encoded = (expr) => encodeURIComponent(expr)
const button = (name, at = 1) => panel(at).getByRole('button', { name, exact: true })

async function type(text, at = 1) {
  await content(at).click()
  await page.keyboard.press('Control+a')
  await page.keyboard.type(text)
}
const legend = (at = 1) => panel(at).locator('.legend li')
/** The answer to what was asked last is there. */
const answered = () => page.waitForFunction(() => document.querySelector('.query .foot .loading') === null && document.querySelector('.query .result.old') === null)

describe('a query', () => {
  test('is typed with completion, run, charted, tabled, and is there again after a reload', async () => {
    await explore()
    await type(metric.slice(0, -1))
    await option(metric).waitFor()
    await option(metric).click()
    assert.equal(await content().innerText(), metric)
    await page.keyboard.press('Shift+Enter')
    await legend().first().waitFor()
    assert.equal(address().get('g0.expr'), metric)
    assert.ok((await legend().count()) >= 2)
    await panel(1).locator('canvas').waitFor()

    await button('Table').click()
    await panel(1).locator('tbody tr').first().waitFor()
    const values = () => panel(1).locator('tbody td.value').allInnerTexts()
    await panel(1).getByRole('button', { name: 'Sort by Value' }).click()
    await page.waitForFunction(() => document.querySelector('th[aria-sort=descending]'))
    const before = await values()
    const numbers = before.map(Number)
    assert.deepEqual(numbers, [...numbers].sort((a, b) => b - a), 'the greatest first')
    const where = page.url()

    await page.reload()
    await settled(page)
    await panel(1).locator('tbody tr').first().waitFor()
    assert.equal(page.url(), where)
    assert.equal(await content().innerText(), metric)
    assert.equal((await values()).length, before.length)
    assert.equal(await page.locator('th[aria-sort=descending]').count(), 1)
    await close()
  })

  test('tells what is wrong at its place while it is typed, and no longer when it is mended', async () => {
    await explore()
    await type(`${metric} wrong`)
    await page.keyboard.press('Escape')
    const mark = panel(1).locator('.cm-wrong')
    await mark.waitFor()
    assert.equal(await mark.innerText(), 'wrong')
    const told = panel(1).locator('[data-trouble=wrong]')
    assert.match(await told.locator('pre').innerText(), /\^{5}$/)
    await type(`${metric} `)
    await told.waitFor({ state: 'detached' })
    assert.equal(await mark.count(), 0)
    await close()
  })

  test('that is wrong and run says so as well', async () => {
    await explore(`?g0.expr=${encoded(`rate(${metric})`)}`)
    await panel(1).locator('[data-trouble=wrong]').waitFor()
    assert.match(await panel(1).locator('[data-trouble=wrong]').innerText(), /range vector/)
    assert.equal(await panel(1).locator('.cm-wrong').innerText(), metric)
    await close()
  })

  test('completes functions with what they take, labels and their values', async () => {
    await explore()
    await type('histogram_q')
    await option('histogram_quantile').waitFor()
    assert.match(await option('histogram_quantile').innerText(), /\(q scalar, vector\) → vector/)
    await type(`${metric}{${label.slice(0, 2)}`)
    await option(label).waitFor()
    await type(`${metric}{${label}="`)
    const { result } = await ask('/query', { query: metric })
    await option(result[0].metric[label]).waitFor()
    await close()
  })

  test('is laid out by the server', async () => {
    await explore()
    await type(`sum   by(${label})(${metric})`)
    await page.keyboard.press('Escape')
    await button('Format').click()
    await waitFor('the laid out query', 5_000, async () => (await content().innerText()).includes(`sum by (${label})`))
    await close()
  })

  test('can be taken back', async () => {
    await explore()
    let free
    const held = new Promise((done) => (free = done))
    await page.route('**/api/v1/query_range*', async (route) => {
      await held
      await route.continue().catch(() => undefined)
    })
    await type(metric)
    await page.keyboard.press('Escape')
    await page.keyboard.press('Control+Enter')
    await button('Cancel').click()
    await button('Run').waitFor()
    assert.match(await panel(1).locator('.foot').innerText(), /Taken back/)
    free()
    await page.unroute('**/api/v1/query_range*')
    await button('Run').click()
    await legend().first().waitFor()
    await close()
  })
})

describe('what there is to say', () => {
  test('no series: the metric that may be meant', async () => {
    await explore(`?g0.expr=${encoded(metric.slice(0, -1))}`)
    const use = panel(1).getByRole('button', { name: /^Use / })
    await use.waitFor()
    await use.click()
    await legend().first().waitFor()
    await close()
  })

  test('a limit is named', async () => {
    await explore(`?g0.expr=${metric}&g0.step_input=1&from=now-7d`)
    const told = panel(1).locator('[data-trouble=limit]')
    await told.waitFor()
    assert.match(await told.innerText(), /11,000 points/)
    await close()
  })

  test('many series are cut, and it is said', async () => {
    const many = '{__name__=~"..*"}'
    await explore()
    await content().click()
    await page.keyboard.insertText(many)
    await page.keyboard.press('Shift+Enter')
    await legend().first().waitFor({ timeout: 30_000 })
    assert.equal(await legend().count(), 200)
    assert.match(await panel(1).innerText(), /200 of \d{3,} series/)
    await close()
  })

  test('a query that failed for want of a connection is run again by itself', async () => {
    await explore('', { expected: [...REFUSED, 'ERR_', 'Failed to load'] })
    await page.context().setOffline(true)
    await type(metric)
    await page.keyboard.press('Escape')
    await page.keyboard.press('Shift+Enter')
    await panel(1).locator('[data-trouble=away]').waitFor()
    await page.context().setOffline(false)
    await legend().first().waitFor()
    await close()
  })
})

describe('the chart', () => {
  test('shows one series, some, or all', async () => {
    await explore(`?g0.expr=${metric}&from=now-15m`)
    await legend().first().waitFor()
    const all = await legend().count()
    const pressed = () => panel(1).locator('.legend button[aria-pressed=true]').count()
    await legend().nth(0).locator('button').click()
    assert.equal(await pressed(), 1)
    await legend().nth(1).locator('button').click({ modifiers: ['Control'] })
    assert.equal(await pressed(), 2)
    await button('Show all').click()
    assert.equal(await pressed(), all)
    await close()
  })

  test('has a crosshair with those beside it, and a range drawn in it is the page’s', async () => {
    await explore(`?g0.expr=${metric}&g1.expr=${encoded(`count(${metric})`)}&from=now-15m`)
    await panel(2).locator('canvas').waitFor()
    const box = await panel(1).locator('.u-over').boundingBox()
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2)
    const left = (at) => panel(at).locator('.u-cursor-x').evaluate((line) => new DOMMatrix(getComputedStyle(line).transform).e)
    await waitFor('the crosshair of the other chart', 5_000, async () => Math.abs((await left(2)) - (await left(1))) < 2 && (await left(1)) > 100)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.75, box.y + box.height / 2, { steps: 5 })
    await page.mouse.up()
    await waitFor('a range in the address', 5_000, () => address().get('from')?.startsWith('20') && address().get('to') !== null)
    await page.goBack()
    assert.equal(address().get('from'), 'now-15m')
    await close()
  })

  test('50 series of 10,000 points are drawn, and the crosshair stays smooth', async () => {
    const expr = Array.from({ length: 50 }, (_, at) => `label_replace(vector(time() % ${at + 7}),"n","${at}","","")`).join(' or ')
    const to = Date.now()
    await explore()
    await page.goto(`/explore?from=${to - 9_999_000}&to=${to}&g0.step_input=1&g0.expr=${encoded(expr)}`)
    await legend().first().waitFor({ timeout: 60_000 })
    await answered()
    assert.equal(await legend().count(), 50)
    const box = await panel(1).locator('.u-over').boundingBox()
    await page.mouse.move(box.x + 5, box.y + 50)
    const frames = await page.evaluate(() => {
      window.frames_ = []
      let last = performance.now()
      const tick = (now) => (window.frames_.push(now - last), (last = now), requestAnimationFrame(tick))
      requestAnimationFrame(tick)
      return true
    })
    assert.ok(frames)
    for (let at = 0; at < 60; at++) await page.mouse.move(box.x + 5 + at * 10, box.y + 60)
    const times = (await page.evaluate(() => window.frames_)).sort((a, b) => a - b)
    const median = times[Math.floor(times.length / 2)]
    process.stdout.write(`# crosshair over 500,000 points: frame median ${median.toFixed(1)} ms of ${times.length}\n`)
    assert.ok(median < 50, `a frame takes ${median} ms`)
    await close()
  })
})

describe('addresses', () => {
  const lately = () => new Date(Date.now() - 1000).toISOString().slice(0, 19)
  test('of Prometheus’ old page', async () => {
    await explore()
    await show(page, `/graph?g0.expr=${metric}&g0.tab=0&g0.stacked=1&g0.show_exemplars=0&g0.range_input=10m&g0.end_input=${encoded(lately().replace('T', ' '))}&g0.step_input=15&g1.expr=up&g1.tab=1&g1.range_input=10m`)
    await legend().first().waitFor()
    assert.equal(new URL(page.url()).pathname, '/explore')
    assert.equal(address().get('g0.step_input'), '15')
    assert.equal(Date.parse(address().get('to')) - Date.parse(address().get('from')), 600_000)
    assert.equal(await button('Stacked').getAttribute('aria-pressed'), 'true')
    assert.equal(await button('Table', 2).getAttribute('aria-pressed'), 'true')
    assert.match(await panel(2).innerText(), /a range of its own/)
    await close()
  })

  test('of Prometheus’ new page', async () => {
    await explore()
    await show(page, `/graph?g0.expr=${metric}&g0.show_tree=0&g0.tab=graph&g0.range_input=30m&g0.res_type=fixed&g0.res_step=30&g0.display_mode=stacked&g0.show_exemplars=0`)
    await legend().first().waitFor()
    assert.deepEqual([address().get('from'), address().get('g0.step_input'), address().get('g0.stacked')], ['now-30m', '30', '1'])
    await close()
  })

  test('queries are added and removed; the way back leads to them', async () => {
    await explore(`?g0.expr=${metric}`)
    await page.getByRole('button', { name: 'Add a query' }).click()
    await content(2).waitFor()
    await type('up', 2)
    await page.keyboard.press('Escape')
    await page.keyboard.press('Shift+Enter')
    await waitFor('the second query in the address', 5_000, () => address().get('g1.expr') === 'up')
    await panel(1).getByRole('button', { name: 'Remove query 1' }).click()
    await waitFor('the only query', 5_000, () => address().get('g0.expr') === 'up' && address().get('g1.expr') === null)
    assert.equal(await content(1).innerText(), 'up')
    await page.goBack()
    await waitFor('both', 5_000, async () => (await page.locator('[data-panel]').count()) === 2)
    assert.equal(await content(1).innerText(), metric)
    await close()
  })
})

describe('beside the query', () => {
  test('the list of metrics puts one into it', async () => {
    await explore()
    await page.getByRole('button', { name: 'Metrics' }).click()
    await page.locator('dialog input').fill(metric)
    await page.locator('dialog li', { hasText: metric }).first().waitFor()
    await page.keyboard.press('Enter')
    await waitFor('the metric in the query', 5_000, async () => (await content().innerText()).trim() !== '')
    assert.equal(await content().innerText(), metric)
    await page.keyboard.press('Shift+Enter')
    await legend().first().waitFor()
    await button('History').click()
    await page.locator('dialog li', { hasText: metric }).first().waitFor()
    await close()
  })

  test('CSV and JSON of the answer', async () => {
    await explore(`?g0.expr=${metric}&g0.tab=1`)
    await panel(1).locator('tbody tr').first().waitFor()
    const [file] = await Promise.all([page.waitForEvent('download'), button('CSV').click()])
    assert.equal(file.suggestedFilename(), `${metric}.csv`)
    const csv = await readFile(await file.path(), 'utf8')
    assert.match(csv, /^time,__name__,.*value\r\n20/)
    const [json] = await Promise.all([page.waitForEvent('download'), button('JSON').click()])
    assert.equal(JSON.parse(await readFile(await json.path(), 'utf8')).resultType, 'vector')
    await close()
  })

  test('everything is reached by keys', async () => {
    await explore(`?g0.expr=${metric}`)
    await legend().first().waitFor()
    await content().click()
    await page.keyboard.press('Escape')
    await page.keyboard.press('g')
    await page.keyboard.press('o')
    await waitFor('the overview', 5_000, () => new URL(page.url()).pathname === '/')
    await page.keyboard.press('g')
    await page.keyboard.press('e')
    await content().waitFor()
    await page.keyboard.press('/')
    await waitFor('the focus in the query', 5_000, () => page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.classList.contains('cm-content') === true))
    await page.keyboard.type('Lo')
    assert.equal(await content().innerText(), 'Lo', 'keys of the page do nothing in the query')
    await close()
  })
})

describe('axe finds nothing, nothing is too wide', () => {
  for (const language of LANGUAGES)
    for (const theme of THEMES)
      test(`${language}, ${theme}`, async () => {
        await explore(`?from=now-15m&g0.expr=${metric}&g1.expr=${metric}&g1.tab=1&g2.expr=${encoded('up wrong')}&g3.expr=no_such_metric`, { language, theme })
        await legend().first().waitFor()
        await panel(2).locator('tbody tr').first().waitFor()
        await panel(3).locator('[data-trouble=wrong]').waitFor()
        await violated('page')
        await panel(4).locator('.cm-content').click()
        await page.keyboard.type(' + ra')
        await option('rate').waitFor()
        await violated('completion')
        await page.keyboard.press('Escape')
        await page.locator('.controls button', { hasText: language === 'ja' ? 'メトリクス' : 'Metrics' }).click()
        await page.locator('dialog li').first().waitFor()
        await violated('metrics')
        await page.keyboard.press('Escape')
        await page.setViewportSize({ width: 360, height: 740 })
        assert.equal(await page.evaluate(() => document.scrollingElement.scrollWidth), 360)
        await close()
      })
})

async function violated(what) {
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).options({ resultTypes: ['violations'] }).analyze()
  assert.deepEqual(violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${what}: ${id}: ${target.join(' ')}: ${failureSummary}`)), [])
}

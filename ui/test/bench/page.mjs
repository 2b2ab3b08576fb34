// Measures the page of a Hinomi with many workloads, findings and changes. HINOMI_URL; REPEAT: cold visits.
import { get } from '../lib/api.mjs'
import { openBrowser, openPage, settled, show } from '../lib/browser.mjs'
import { url } from '../lib/env.mjs'
import { median, percentile, sleep } from '../lib/wait.mjs'
import { footprint, framesDuring, longestInteraction, watchInteractions, watchTransfer } from './cost.mjs'
import { line } from './lines.mjs'

const repeat = Number(process.env.REPEAT ?? 5)
const TYPED = 'quarter-3'

/** A visit of a browser that has nothing yet: what came, and when one saw something. */
async function firstVisit() {
  const browser = await openBrowser()
  const page = await openPage(browser, url())
  const loaded = await watchTransfer(page)
  await show(page, '/')
  await page.locator('section.now li').first().waitFor()
  const shown = await page.evaluate(() => performance.now())
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime)
  // The answers themselves belong to it; the stream goes on.
  await sleep(300)
  await browser.close()
  return { kb: loaded.bytes / 1000, answers: loaded.answers, api: loaded.bytesOfApi / 1000, paint: paint / 1000, shown: shown / 1000 }
}

const visits = []
for (let turn = 0; turn < repeat; turn++) visits.push(await firstVisit())
const of = (name) => visits.map((visit) => visit[name])
const every = (name) => of(name).map((value) => value.toFixed(3)).join(', ')
line('first_visit', Math.max(...of('kb')), `${visits[0].answers} answers with their heads; ${Math.max(...of('api')).toFixed(1)} kB of it from the API`)
line('first_paint.p50', median(of('paint')), every('paint'))
line('overview_shown.p50', median(of('shown')), every('shown'))

const browser = await openBrowser()
const page = await openPage(browser, url())
await watchInteractions(page)

/** The longest of all turns; each begins at a page that has come to rest. */
async function interaction(name, path, act, ready = () => undefined) {
  await show(page, path)
  await ready()
  await sleep(300)
  await longestInteraction(page)
  await act()
  const { ms, count } = await longestInteraction(page)
  line(`interaction.${name}`, ms, `${count} events of 16 ms or more`)
}

const rowsThere = () => page.locator('main a[data-row]').nth(40).waitFor()
await interaction('filter', '/w', async () => {
  await page.locator('main [data-filter]').focus()
  await page.keyboard.type(TYPED, { delay: 60 })
  for (const _ of TYPED) await page.keyboard.press('Backspace', { delay: 30 })
}, rowsThere)
await interaction('rows', '/', async () => {
  for (let turn = 0; turn < 30; turn++) await page.keyboard.press('j')
  for (let turn = 0; turn < 30; turn++) await page.keyboard.press('k')
}, rowsThere)
await interaction('open_finding', '/', async () => {
  for (let turn = 0; turn < 5; turn++) {
    await page.locator('section.now li a[data-row]').nth(turn).click()
    await settled(page)
    await page.goBack()
    await rowsThere()
  }
}, rowsThere)
await interaction('theme', '/', async () => {
  for (let turn = 0; turn < 4; turn++) {
    await page.keyboard.press('D')
    await sleep(100)
  }
}, rowsThere)
await interaction('palette', '/', async () => {
  await page.keyboard.press('Control+k')
  await page.locator('dialog[open] [role=option]').nth(20).waitFor()
  await page.keyboard.type('service-7', { delay: 60 })
  await page.keyboard.press('Escape')
}, rowsThere)

const { changes } = await get(url(), '/timeline?since=8h&limit=10000')
const began = Date.now()
await show(page, '/timeline?from=now-8h')
await page.locator('main .board canvas').waitFor()
line('timeline.shown', (Date.now() - began) / 1000, `${changes.length} changes`)
await sleep(500)
await longestInteraction(page)
const box = await page.locator('main .board canvas').boundingBox()
const frames = await framesDuring(page, async () => {
  await page.mouse.move(box.x + box.width * 0.4, box.y + box.height / 2)
  await page.mouse.down()
  for (let step = 0; step <= 40; step++) await page.mouse.move(box.x + box.width * (0.4 + step / 80), box.y + box.height / 2)
  await page.mouse.up()
  for (const key of ['-', '+', '-', '[', '[', ']', '+', '-']) {
    await page.keyboard.press(key)
    await sleep(120)
  }
  for (let step = 0; step < 40; step++) await page.mouse.move(box.x + 300 + step * 15, box.y + 40 + step * 6)
  await page.keyboard.down('Control')
  for (let step = 0; step < 10; step++) {
    await page.mouse.wheel(0, step % 2 ? 100 : -100)
    await sleep(60)
  }
  await page.keyboard.up('Control')
})
const { ms, count } = await longestInteraction(page)
line('timeline.interaction', ms, `${count} events of 16 ms or more: drawing a range, zooming, moving, pointing`)
line('timeline.frame.p50', percentile(frames, 50), `${frames.length} frames`)
line('timeline.frame.p95', percentile(frames, 95), `longest ${Math.max(...frames).toFixed(0)} ms`)

await show(page, '/')
await rowsThere()
const { heap, nodes } = await footprint(page)
line('heap', heap, 'Overview')
line('nodes', nodes)
if (page.problems.length > 0) throw new Error(page.problems.join('\n'))
await browser.close()

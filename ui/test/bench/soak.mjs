// Keeps the Overview and the Timeline open while much happens, and measures whether they grow. HINOMI_URL; WARM_UP and
// SECONDS: the time before the first look, and the time from there to the last.
import { openBrowser, openPage, show } from '../lib/browser.mjs'
import { url } from '../lib/env.mjs'
import { median, sleep } from '../lib/wait.mjs'
import { footprint } from './cost.mjs'
import { line } from './lines.mjs'

const warmUp = Number(process.env.WARM_UP ?? 12)
const seconds = Number(process.env.SECONDS ?? 28)
/** Looks in all; a third of them is the begin, a third the end. */
const LOOKS = 12

const browser = await openBrowser()
const pages = []
// The Timeline holds what it shows: after the warm-up it is full.
for (const path of ['/', `/timeline?from=now-${warmUp}s`]) {
  const page = await openPage(browser, url())
  await page.addInitScript(() => {
    window.hinomiLong = 0
    window.hinomiUpdates = 0
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.hinomiLong = Math.max(window.hinomiLong, entry.duration)
    }).observe({ type: 'longtask' })
    new PerformanceObserver((list) => {
      window.hinomiUpdates += list.getEntries().length
      // The browser's own list has an end.
      performance.clearResourceTimings()
    }).observe({ type: 'resource' })
  })
  await show(page, path)
  await page.locator('button.connection.live').waitFor()
  pages.push(page)
}
await sleep(warmUp * 1000)
await Promise.all(pages.map((page) => page.evaluate(() => (window.hinomiLong = 0))))

const looks = []
for (let look = 0; look < LOOKS; look++) {
  looks.push(await Promise.all(pages.map(footprint)))
  await sleep((seconds * 1000) / LOOKS)
}

/** Growth from the first third to the last: the greatest of the pages. */
function growth(name) {
  const third = LOOKS / 3
  const each = pages.map((_, at) => {
    const values = looks.map((look) => look[at][name])
    const [begin, end] = [median(values.slice(0, third)), median(values.slice(-third))]
    return { grown: end - begin, words: values.map((value) => value.toFixed(name === 'heap' ? 1 : 0)).join(' ') }
  })
  return [Math.max(...each.map((one) => one.grown)), `Overview ${each[0].words}; Timeline ${each[1].words}`]
}

const greatest = (name) => Math.max(...looks.flat().map((one) => one[name]))
line('heap_growth', ...growth('heap'))
line('heap', greatest('heap'), 'greatest of both')
line('nodes_growth', ...growth('nodes'))
line('nodes', greatest('nodes'))
line('listeners_growth', ...growth('listeners'))
const sum = async (name) => (await Promise.all(pages.map((page) => page.evaluate((name) => window[name], name))))
line('updates', (await sum('hinomiUpdates')).reduce((a, b) => a + b), 'answers asked for by both pages')
line('longest_task', Math.max(...(await sum('hinomiLong'))))
const problems = pages.flatMap((page) => page.problems)
if (problems.length > 0) throw new Error(problems.join('\n'))
await browser.close()

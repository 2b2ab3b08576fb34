// Takes the README's pictures of the Overview into the folder given, once Hinomi knows what is wrong with the demo.
import { join } from 'node:path'
import { get } from './lib/api.mjs'
import { openBrowser, openPage, show } from './lib/browser.mjs'
import { url } from './lib/env.mjs'
import { waitFor } from './lib/wait.mjs'

const SIZE = { width: 1400, height: 860 }
const PICTURES = [
  { file: 'overview.png', language: 'en', theme: 'light' },
  { file: 'overview-ja-dark.png', language: 'ja', theme: 'dark' },
]
/** Workloads of the demo that are wrong, and from which level on the picture tells their story. */
const STORY = { 'demo-oom': ['notice', 'alert'], 'demo-crash': ['notice', 'alert'], 'demo-unhealthy': ['alert'], 'demo-badcmd': ['alert'], 'demo-port': ['alert'] }

const folder = process.argv[2]
if (!folder) throw new Error('usage: node test/screenshot.mjs FOLDER')

await waitFor('findings of all demo workloads', 120_000, async () => {
  const { now } = await get(url(), '/overview')
  return Object.entries(STORY).every(([name, levels]) => now.some((row) => row.name === name && levels.includes(row.level)))
}, 1_000)

const browser = await openBrowser()
for (const { file, language, theme } of PICTURES) {
  const page = await openPage(browser, url(), { language, theme, ...SIZE })
  await show(page, '/')
  await page.locator('button.connection.live').waitFor()
  await page.locator('section.now li').first().waitFor()
  await page.screenshot({ path: join(folder, file) })
  process.stdout.write(`${join(folder, file)}\n`)
  await page.close()
}
await browser.close()

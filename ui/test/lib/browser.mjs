// The browser, and a watch over what a page does that it must not do: errors, requests to elsewhere, blocked by its
// own policy.
import { chromium } from 'playwright-core'
import { chromiumPath } from './env.mjs'

const ARGS = [
  '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--force-color-profile=srgb',
]

export const openBrowser = (more = []) => chromium.launch({ executablePath: chromiumPath, args: [...ARGS, ...more] })

export const LANGUAGES = ['en', 'ja']
export const THEMES = ['light', 'dark']
const LOCALES = { en: 'en-GB', ja: 'ja-JP' }

/**
 * A page in a context of its own (no cookies, nothing remembered).
 * `page.problems` lists what must not be; `expected` are texts of problems that may be.
 */
export async function openPage(browser, base, { language = 'en', theme = 'light', width = 1400, height = 860, expected = [] } = {}) {
  const context = await browser.newContext({
    baseURL: base, viewport: { width, height }, locale: LOCALES[language], colorScheme: theme, timezoneId: 'Asia/Tokyo',
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  const page = await context.newPage()
  page.problems = []
  const note = (text) => {
    if (!expected.some((part) => text.includes(part))) page.problems.push(text)
  }
  const origin = new URL(base).origin
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) note(`request leaves the origin: ${request.url()}`)
  })
  page.on('pageerror', (error) => note(`error in the page: ${error.stack ?? error}`))
  page.on('console', (message) => {
    // Network devices of containers come and go beside the browser, which then asks again by itself.
    if (message.text().includes('net::ERR_NETWORK_CHANGED')) return
    if (message.type() === 'error' || message.type() === 'warning') note(`console: ${message.text()} (${message.location().url})`)
  })
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`)
    })
  })
  page.close = () => context.close()
  return page
}

/** Goes to a path and waits until the page shows its answer, not that it is loading. */
export async function show(page, path) {
  await page.goto(path)
  await settled(page)
}

/** The page shows an answer. */
export async function settled(page) {
  await page.waitForFunction(() => document.querySelector('main h1, main form') !== null && document.querySelector('main .loading') === null)
}

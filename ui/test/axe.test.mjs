// Accessibility rules on every view, in both themes and languages, with live faults; and a phone's width.
import AxeBuilder from '@axe-core/playwright'
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { LANGUAGES, openBrowser, openPage, THEMES } from './lib/browser.mjs'
import { tokenUrl, url } from './lib/env.mjs'
import { ensureFaults } from './lib/faults.mjs'
import { allViews, lockedView } from './lib/views.mjs'

const PHONE = { width: 360, height: 740 }

let browser
let views
before(async () => {
  browser = await openBrowser()
  await ensureFaults(url())
  views = await allViews(url())
})
after(() => browser.close())

/** What axe finds, one line each element. */
async function violations(page) {
  // Only what is wrong is worked out; there are no frames, so no page beside this one is needed.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).options({ resultTypes: ['violations'] }).analyze()
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target.join(' ')}: ${failureSummary}`))
}

test('axe finds what is there', async () => {
  const page = await openPage(browser, url())
  await views.overview(page)
  await page.evaluate(() => document.querySelector('main').insertAdjacentHTML('beforeend', '<button></button><p class="dim">pale</p>'))
  await page.evaluate(() => document.querySelector('main').lastElementChild.style.setProperty('color', '#bbb'))
  const found = await violations(page)
  assert.deepEqual(found.map((line) => line.split(':')[0]).sort(), ['button-name', 'color-contrast'])
  await page.close()
})

describe('axe finds nothing', () => {
  for (const language of LANGUAGES)
    for (const theme of THEMES)
      test(`${language}, ${theme}`, async () => {
        const found = []
        const page = await openPage(browser, url(), { language, theme })
        for (const [name, open] of Object.entries(views)) {
          await open(page)
          found.push(...(await violations(page)).map((line) => `${name}: ${line}`))
        }
        await page.close()
        const locked = await openPage(browser, tokenUrl(), { language, theme })
        await lockedView(locked)
        found.push(...(await violations(locked)).map((line) => `locked: ${line}`))
        await locked.close()
        assert.deepEqual(found, [])
      })
})

/** Elements that reach beyond the right edge, the outermost ones, unless something around them scrolls. */
const overflowing = (page) =>
  page.evaluate(() => {
    if (document.scrollingElement.scrollWidth <= innerWidth) return []
    const beyond = [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > innerWidth + 0.5)
    const named = beyond.map((element) => `${element.tagName.toLowerCase()}.${element.className?.baseVal ?? element.className} ${Math.round(element.getBoundingClientRect().right)}: ${element.textContent.trim().slice(0, 40)}`)
    return [`page is ${document.scrollingElement.scrollWidth} wide`, ...named.slice(0, 6)]
  })

describe('a phone shows everything without scrolling sideways', () => {
  for (const language of LANGUAGES)
    test(language, async () => {
      const found = []
      const page = await openPage(browser, url(), { language, ...PHONE })
      for (const [name, open] of Object.entries(views)) {
        await open(page)
        found.push(...(await overflowing(page)).map((line) => `${name}: ${line}`))
      }
      await page.close()
      assert.deepEqual(found, [])
    })
})

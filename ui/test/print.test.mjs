// On paper: light whatever the theme, without what can only be clicked, with everything readable on it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { LANGUAGES, openBrowser, openPage } from './lib/browser.mjs'
import { url } from './lib/env.mjs'
import { ensureFaults } from './lib/faults.mjs'
import { allViews } from './lib/views.mjs'

const PRINTED = ['overview', 'finding', 'timeline', 'workload', 'instance', 'host', 'explore']

let browser
let views
before(async () => {
  browser = await openBrowser()
  await ensureFaults(url())
  views = await allViews(url())
})
after(() => browser.close())

for (const language of LANGUAGES)
  test(`${PRINTED.join(', ')}: ${language}`, async () => {
    const page = await openPage(browser, url(), { language, theme: 'dark', width: 800 })
    for (const name of PRINTED) {
      await page.emulateMedia({ media: 'screen' })
      await views[name](page)
      assert.notDeepEqual(await background(page), WHITE, 'dark on the screen, else this shows nothing')
      await page.emulateMedia({ media: 'print' })
      assert.deepEqual(await background(page), WHITE, `${name}: the paper is white`)
      assert.deepEqual(await page.evaluate(darkThings), [], `${name}: nothing dark on it`)
      assert.deepEqual(await page.evaluate(clickable), [], `${name}: nothing that can only be clicked`)
      const pdf = await page.pdf({ format: 'A4' })
      assert.ok(pdf.length > 5_000, `${name}: a PDF of ${pdf.length} bytes`)
      const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0
      assert.ok(pages >= 1 && pages <= 60, `${name}: ${pages} pages`)
    }
    await page.close()
  })

const WHITE = [255, 255, 255]

/** Colour of the corner of the page, as it is painted. */
async function background(page) {
  const png = await page.screenshot({ clip: { x: 2, y: 2, width: 4, height: 4 } })
  return page.evaluate(async (bytes) => {
    const bitmap = await createImageBitmap(new Blob([new Uint8Array(bytes)], { type: 'image/png' }))
    const context = new OffscreenCanvas(1, 1).getContext('2d')
    context.drawImage(bitmap, 0, 0)
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
  }, [...png])
}

/** Areas with a dark background, and texts that are too pale for paper. */
function darkThings() {
  const light = (color) => {
    const [r, g, b, alpha = 1] = color.match(/[\d.]+/g)?.map(Number) ?? []
    return alpha === 0 ? undefined : (0.299 * r + 0.587 * g + 0.114 * b) / 255
  }
  const name = (element) => `${element.tagName.toLowerCase()}.${element.className?.baseVal ?? element.className}`
  const found = []
  for (const element of document.querySelectorAll('body, body *')) {
    if (!element.checkVisibility() || element.closest('svg')) continue
    const style = getComputedStyle(element)
    const back = light(style.backgroundColor)
    if (back !== undefined && back < 0.5 && element.textContent.trim() !== '') found.push(`${name(element)}: background ${style.backgroundColor}`)
    const hasText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim() !== '')
    if (hasText && (light(style.color) ?? 1) > 0.6) found.push(`${name(element)}: text ${style.color}`)
  }
  return found.slice(0, 10)
}

/** What is still there of navigation and controls. */
function clickable() {
  const controls = [...document.querySelectorAll('nav, button, input, select, dialog')].filter((element) => element.checkVisibility())
  return controls.map((element) => `${element.tagName.toLowerCase()} ${element.textContent.trim().slice(0, 30)}`).slice(0, 10)
}

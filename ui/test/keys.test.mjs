// Every key does what the list of keys says, none acts while one types, and the address is the whole state.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { get } from './lib/api.mjs'
import { openBrowser, openPage, settled, show } from './lib/browser.mjs'
import { url } from './lib/env.mjs'
import { ensureFaults } from './lib/faults.mjs'
import { waitFor } from './lib/wait.mjs'

let browser
let names
/** Addresses of a finding and of the workload it is about. */
let finding
let workload
before(async () => {
  browser = await openBrowser()
  names = await ensureFaults(url())
  const { now } = await get(url(), '/overview')
  const row = now.find(({ name }) => name === names.crash)
  finding = `/findings/${encodeURIComponent(row.id)}`
  workload = `/w/${row.workload_name}`
  await waitFor('two ended runs to look at', 130_000, async () => {
    const { instances } = await get(url(), `/workload?name=${row.workload_name}`)
    return instances[0].ends.length >= 2
  })
})
after(() => browser.close())

const path = (page) => new URL(page.url()).pathname
const query = (page, key) => new URL(page.url()).searchParams.get(key)
const focused = (page) => page.evaluate(() => document.activeElement?.matches('[data-row]') && document.activeElement.textContent.trim())
const theme = (page) => page.evaluate(() => document.documentElement.dataset.theme)
const dialog = (page) => page.locator('dialog[open]')
/** Presses keys one after another, `'g', 's'`. */
const press = async (page, ...keys) => {
  for (const key of keys) await page.keyboard.press(key)
}
const comes = (what, look) => waitFor(what, 5_000, look)

/** What each action of the list does: where, with which keys, and how one sees it. */
const DOES = {
  palette: async (page) => {
    await show(page, '/')
    await press(page, ':')
    await dialog(page).getByRole('combobox').waitFor()
  },
  filter: async (page) => {
    for (const where of ['/w', '/timeline']) {
      await show(page, where)
      await press(page, '/')
      await comes('the filter', () => page.evaluate(() => document.activeElement.matches('[data-filter]') && document.activeElement.value === ''))
    }
  },
  help: async (page) => {
    await show(page, '/')
    await press(page, '?')
    await dialog(page).getByRole('heading', { name: 'Keys' }).waitFor()
  },
  down: async (page) => {
    await show(page, '/')
    await press(page, 'j')
    const first = await comes('a row', () => focused(page))
    await press(page, 'j')
    await comes('the next row', async () => (await focused(page)) !== first)
  },
  up: async (page) => {
    await show(page, '/')
    await press(page, 'j')
    const first = await comes('a row', () => focused(page))
    await press(page, 'j', 'k')
    await comes('the first row again', async () => (await focused(page)) === first)
  },
  open: async (page) => {
    await show(page, '/')
    await press(page, 'j', 'Enter')
    await page.waitForURL(/\/findings\//)
    await show(page, '/w')
    await press(page, 'j', 'Enter')
    await page.waitForURL(/\/w\/./)
  },
  back: async (page) => {
    await show(page, '/w')
    await page.locator('main a[data-row]').first().click()
    await page.waitForURL(/\/w\/./)
    await settled(page)
    await page.evaluate(() => document.activeElement.blur())
    await press(page, 'Escape')
    await comes('the list', () => path(page) === '/w')
  },
  overview: async (page) => {
    await show(page, '/status')
    await press(page, 'g', 'o')
    await comes('the overview', () => path(page) === '/')
  },
  workloads: async (page) => {
    await show(page, '/')
    await press(page, 'g', 'w')
    await comes('the workloads', () => path(page) === '/w')
  },
  timeline: async (page) => {
    for (const keys of [['t'], ['g', 't']]) {
      await show(page, '/')
      await press(page, ...keys)
      await comes('the timeline', () => path(page) === '/timeline')
    }
    await show(page, workload)
    await press(page, 't')
    await comes('the timeline of the workload', () => path(page) === '/timeline' && query(page, 'q') === names.crash)
  },
  explore: async (page) => {
    await show(page, '/')
    await press(page, 'g', 'e')
    await comes('the queries', () => path(page) === '/explore')
  },
  status: async (page) => {
    await show(page, '/')
    await press(page, 'g', 's')
    await comes('the status', () => path(page) === '/status')
  },
  logs: async (page) => {
    await show(page, workload)
    await press(page, 'l')
    await comes('the log lines', () => page.evaluate(() => /Log/.test(document.activeElement.textContent) && document.activeElement !== document.body))
  },
  previous_logs: async (page) => {
    await show(page, workload)
    await press(page, 'p')
    const run = await comes('an earlier run', () => query(page, 'run'))
    await press(page, 'p')
    await comes('the run before that', () => query(page, 'run') !== run)
    await press(page, 'l')
    await comes('the current one', () => query(page, 'run') === null)
  },
  evidence: async (page) => {
    await show(page, finding)
    await press(page, 'd')
    await comes('the evidence', () => page.evaluate(() => document.activeElement !== document.body && /Evidence/.test(document.activeElement.textContent)))
  },
  owner: async (page) => {
    await show(page, finding)
    await press(page, 'o')
    await comes('its workload', () => path(page) === workload)
  },
  copy: async (page) => {
    await show(page, finding)
    await press(page, 'y')
    await page.getByText('copied', { exact: true }).waitFor()
    const text = await page.evaluate(() => navigator.clipboard.readText())
    for (const part of [names.crash, 'fatal: cannot read', page.url()]) assert.ok(text.includes(part), `the copy names ${part}: ${text}`)
  },
  compare: async (page) => {
    await show(page, workload)
    for (const compared of ['1d', '1w', '4w', null]) {
      await press(page, 'c')
      await comes('the next comparison', () => query(page, 'c') === compared)
    }
  },
  time_back: async (page) => {
    await show(page, '/timeline?from=now-1h')
    await press(page, '[')
    await comes('an earlier range', () => Date.parse(query(page, 'to')) < Date.now())
  },
  time_forward: async (page) => {
    await show(page, '/timeline?from=2026-01-01T00:00:00.000Z&to=2026-01-01T01:00:00.000Z')
    await press(page, ']')
    await comes('a later range', () => query(page, 'from') === '2026-01-01T00:30:00.000Z')
  },
  zoom_in: async (page) => {
    await show(page, '/timeline?from=2026-01-01T00:00:00.000Z&to=2026-01-01T01:00:00.000Z')
    await press(page, '+')
    await comes('half an hour', () => Date.parse(query(page, 'to')) - Date.parse(query(page, 'from')) === 1_800_000)
  },
  zoom_out: async (page) => {
    await show(page, '/timeline?from=2026-01-01T00:00:00.000Z&to=2026-01-01T01:00:00.000Z')
    await press(page, '-')
    await comes('two hours', () => Date.parse(query(page, 'to')) - Date.parse(query(page, 'from')) === 7_200_000)
  },
  pause: async (page) => {
    await show(page, '/')
    await page.locator('button.connection.live').waitFor()
    await press(page, 'Space')
    await page.locator('button.connection.paused').waitFor()
    await press(page, 'Space')
    await page.locator('button.connection.live').waitFor()
  },
  theme: async (page) => {
    await show(page, '/')
    await press(page, 'D')
    await comes('dark', async () => (await theme(page)) === 'dark')
    await page.reload()
    assert.equal(await theme(page), 'dark', 'remembered')
    await press(page, 'D')
    await comes('light', async () => (await theme(page)) === 'light')
  },
  language: async (page) => {
    await show(page, '/')
    await page.locator('button.connection.live').waitFor()
    await page.evaluate(() => {
      window.alerts = []
      new MutationObserver(() => window.alerts.push(...[...document.querySelectorAll('[role=alert]')].map((one) => one.textContent))).observe(document.body, { subtree: true, childList: true })
    })
    await press(page, 'L')
    await page.getByRole('link', { name: '概況' }).waitFor()
    await comes('what the server says, in Japanese', async () => /[ぁ-ん]/.test(await page.locator('section.now li .cause').first().innerText()))
    await page.locator('button.connection.live').waitFor()
    await press(page, 'L')
    await page.getByRole('link', { name: 'Overview' }).waitFor()
    assert.deepEqual(await page.evaluate(() => window.alerts), [], 'nothing is said to be lost')
  },
}

describe('each key of the list', () => {
  let page
  before(async () => (page = await openPage(browser, url())))
  after(() => page.close())

  test('is tested here', async () => {
    await show(page, '/')
    await press(page, '?')
    const listed = await dialog(page).locator('li').count()
    assert.equal(listed, Object.keys(DOES).length)
  })
  for (const [action, does] of Object.entries(DOES)) test(action, () => does(page))
  test('without a problem', () => assert.deepEqual(page.problems, []))
})

test('no key acts while one types', async () => {
  const page = await openPage(browser, url())
  for (const where of ['/w', '/timeline']) {
    await show(page, where)
    const field = page.locator('main [data-filter]')
    await field.focus()
    const typed = ':/?jk gogwt gs lpdoy[]+-DL'
    await page.keyboard.type(typed)
    assert.equal(await field.inputValue(), typed)
    assert.equal(path(page), where)
    assert.equal(await dialog(page).count(), 0)
    assert.equal(await theme(page), 'light')
    assert.equal(await page.locator('button.connection.paused').count(), 0)
  }
  await press(page, 'Control+k')
  await page.keyboard.type('D?tj')
  assert.equal(await dialog(page).getByRole('combobox').inputValue(), 'D?tj')
  assert.deepEqual(page.problems, [])
  await page.close()
})

test('single keys can be switched off; Ctrl-K and Escape stay', async () => {
  const page = await openPage(browser, url())
  await show(page, '/')
  await press(page, '?')
  await dialog(page).getByRole('checkbox').uncheck()
  await press(page, 'Escape')
  await dialog(page).waitFor({ state: 'detached' })
  await press(page, 't', 'D', '?', 'g', 's')
  assert.equal(path(page), '/')
  assert.equal(await theme(page), 'light')
  assert.equal(await dialog(page).count(), 0)
  await page.reload()
  await settled(page)
  await press(page, 't')
  assert.equal(path(page), '/', 'remembered')
  await press(page, 'Control+k')
  await dialog(page).getByRole('combobox').waitFor()
  await press(page, 'Escape')
  await dialog(page).waitFor({ state: 'detached' })
  await page.close()
})

test('a key can be changed, and stays so', async () => {
  const page = await openPage(browser, url())
  await show(page, '/')
  const change = async (action, key) => {
    await press(page, '?')
    await dialog(page).getByRole('button', { name: `change: ${action}` }).click()
    await press(page, key)
    await press(page, 'Escape')
    await dialog(page).waitFor({ state: 'detached' })
  }
  await change('Light or dark', 'x')
  await page.reload()
  await settled(page)
  await press(page, 'D')
  assert.equal(await theme(page), 'light', 'the old key does nothing')
  await press(page, 'x')
  assert.equal(await theme(page), 'dark')
  // What had the key gets the other one.
  await change('Light or dark', 't')
  await press(page, 'x')
  await comes('the timeline by the key that the theme had', () => path(page) === '/timeline')
  await press(page, '?')
  await dialog(page).getByRole('button', { name: 'As delivered' }).click()
  await press(page, 'Escape')
  await dialog(page).waitFor({ state: 'detached' })
  await press(page, 'D')
  assert.equal(await theme(page), 'light')
  await page.close()
})

test('the palette finds a workload and opens it; Escape gives the focus back', async () => {
  const page = await openPage(browser, url())
  await show(page, '/status')
  const link = page.getByRole('link', { name: 'Timeline', exact: true }).first()
  await link.focus()
  await press(page, 'Control+k')
  const field = dialog(page).getByRole('combobox')
  await field.waitFor()
  await press(page, 'Escape')
  await dialog(page).waitFor({ state: 'detached' })
  assert.ok(await link.evaluate((element) => element === document.activeElement), 'the focus is where it was')
  assert.equal(path(page), '/status', 'Escape closed the palette, no more')

  await press(page, 'Control+k')
  await page.keyboard.type(names.oom)
  const entry = dialog(page).getByRole('option').filter({ hasText: 'workload' }).filter({ hasText: names.oom })
  await entry.waitFor()
  while ((await entry.getAttribute('aria-selected')) !== 'true') await press(page, 'ArrowDown')
  await press(page, 'Enter')
  await comes('its page', () => path(page) === `/w/${names.oom}`)
  await page.getByRole('heading', { name: names.oom, level: 1 }).waitFor()
  assert.equal(await dialog(page).count(), 0)
  assert.deepEqual(page.problems, [])
  await page.close()
})

/** What one sees of a view's state: fields, pressed and current things, headings. */
const state = (page) =>
  page.evaluate(() => ({
    address: location.href,
    fields: [...document.querySelectorAll('main input, main select')].map((field) => (field.type === 'checkbox' ? field.checked : field.value)),
    pressed: [...document.querySelectorAll('main [aria-pressed=true], main [aria-current], main [aria-selected=true], main [aria-sort]')].map((one) => one.textContent.trim().slice(0, 40)),
    headings: [...document.querySelectorAll('main h1, main h2')].map((one) => one.textContent.trim()),
  }))

test('the address is the state: a reload shows the same', async () => {
  const page = await openPage(browser, url())
  const from = new Date(Date.now() - 1_800_000).toISOString()
  const to = new Date().toISOString()
  const addresses = [
    '/', '/?from=now-1h', '/w', `/w?q=page-&level=alert,notice&sort=name`, workload, `${workload}?from=${from}&to=${to}`, finding, '/status',
    `/timeline?from=${from}&to=${to}&q=page-&group=node&levels=1`, `/timeline?from=${from}&to=${to}&kinds=exit`,
  ]
  for (const address of addresses) {
    await show(page, address)
    const before = await state(page)
    assert.ok(before.address.endsWith(address), `${address} stays as it is: ${before.address}`)
    await page.reload()
    await settled(page)
    assert.deepEqual(await state(page), before, address)
  }
  await page.close()
})

test('what one types and chooses stands in the address', async () => {
  const page = await openPage(browser, url())
  await show(page, '/w')
  await page.locator('main [data-filter]').fill(names.port)
  await comes('the filter in the address', () => query(page, 'q') === names.port)
  await page.locator('main .chip').first().click()
  await comes('the level in the address', () => query(page, 'level'))
  const before = await state(page)
  await page.reload()
  await settled(page)
  assert.deepEqual(await state(page), before)
  await page.close()
})

test('back and forward, with the time range carried along', async () => {
  const page = await openPage(browser, url())
  await show(page, '/?from=now-2h')
  const walk = ['Workloads', 'Timeline', 'Status']
  for (const name of walk) {
    await page.locator('header nav').getByRole('link', { name, exact: true }).click()
    await settled(page)
    assert.equal(query(page, 'from'), 'now-2h', `${name} keeps the range`)
  }
  const seen = []
  for (let step = 0; step < 3; step++) {
    await page.goBack()
    await settled(page)
    seen.push(path(page))
  }
  assert.deepEqual(seen, ['/timeline', '/w', '/'])
  await page.goForward()
  await settled(page)
  assert.equal(path(page), '/w')
  await page.getByRole('heading', { name: 'Workloads', level: 1 }).waitFor()
  assert.deepEqual(page.problems, [])
  await page.close()
})

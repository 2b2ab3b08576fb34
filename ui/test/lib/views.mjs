// Every view of the page, for tests that look at all of them.
import { get } from './api.mjs'
import { settled, show } from './browser.mjs'

const TINY = () => undefined

/** All views of a Hinomi with faults; `open` leads there. Names and ids are taken from its answers. */
export async function allViews(base) {
  const { now } = await get(base, '/overview')
  const broken = now.find((row) => row.workload_name)
  if (!broken) throw new Error('nothing is broken: there is no finding to look at')
  const name = broken.workload_name.split('/').map(encodeURIComponent).join('/')
  const at = (path, then = TINY) => async (page) => {
    await show(page, path)
    await then(page)
  }
  return {
    overview: at('/'),
    workloads: at('/w'),
    workload: at(`/w/${name}`),
    instance: at(`/instances/${encodeURIComponent(broken.resource.name)}`),
    host: at(`/hosts/${encodeURIComponent(broken.resource.cluster)}`),
    timeline: at('/timeline'),
    explore: at(`/explore?g0.expr=${encodeURIComponent('vector(1)')}&g1.expr=${encodeURIComponent('vector(2)')}&g1.tab=1`),
    finding: at(`/findings/${encodeURIComponent(broken.id)}`),
    status: at('/status'),
    login: at('/login'),
    nowhere: at('/no-such-page'),
    'no such workload': at('/w/no-such-workload'),
    'no such finding': at('/findings/no-such-finding'),
    help: at('/', (page) => opened(page, '?')),
    palette: at('/', (page) => opened(page, 'Control+k')),
  }
}

async function opened(page, key) {
  await page.keyboard.press(key)
  await page.locator('dialog[open]').waitFor()
  await settled(page)
}

/** The login of a Hinomi that asks for a token. */
export async function lockedView(page) {
  await page.goto('/')
  await page.locator('main input[type=password]').waitFor()
}

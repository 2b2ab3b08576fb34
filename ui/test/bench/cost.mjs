// What a page costs the browser, over the DevTools protocol.

/** Counts what is loaded from now on, in bytes as they came over the wire, heads of answers included. */
export async function watchTransfer(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('Network.enable')
  const loaded = { bytes: 0, answers: 0, bytesOfApi: 0 }
  const urls = new Map()
  session.on('Network.requestWillBeSent', ({ requestId, request }) => urls.set(requestId, request.url))
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    loaded.bytes += encodedDataLength
    loaded.answers += 1
    if (urls.get(requestId)?.includes('/api/')) loaded.bytesOfApi += encodedDataLength
  })
  return loaded
}

/** Heap in MB, nodes and listeners, after a garbage collection. */
export async function footprint(page) {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable')
  for (let turn = 0; turn < 3; turn++) await session.send('HeapProfiler.collectGarbage')
  const { metrics } = await session.send('Performance.getMetrics')
  await session.detach()
  const of = (name) => metrics.find((metric) => metric.name === name).value
  return { heap: of('JSHeapUsedSize') / 1e6, nodes: of('Nodes'), listeners: of('JSEventListeners') }
}

/** Begins to note, in the page, how long it takes from each key, click and pointer event to the next frame. */
export const watchInteractions = (page) =>
  page.addInitScript(() => {
    window.hinomiEvents = []
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) window.hinomiEvents.push({ name: entry.name, ms: entry.duration })
    }).observe({ type: 'event', buffered: true, durationThreshold: 16 })
  })

/** The longest one since the last call, milliseconds (in steps of 8; what took less than 16 counts as 16). */
export async function longestInteraction(page) {
  // The observer hears of an event after its frame.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100))))
  const all = await page.evaluate(() => window.hinomiEvents.splice(0))
  return { ms: Math.max(16, ...all.map((one) => one.ms)), count: all.length }
}

/** Times between frames while `body` runs, milliseconds. */
export async function framesDuring(page, body) {
  await page.evaluate(() => {
    const frames = { all: [], last: performance.now(), on: true }
    window.hinomiFrames = frames
    const next = () => {
      const now = performance.now()
      frames.all.push(now - frames.last)
      frames.last = now
      if (frames.on) requestAnimationFrame(next)
    }
    requestAnimationFrame(next)
  })
  await body()
  return page.evaluate(() => {
    window.hinomiFrames.on = false
    return window.hinomiFrames.all.slice(1)
  })
}

import { afterEach, expect, test, vi } from 'vitest'
import { anyOf, labelValues, query, queryRange, quoted, series } from './prometheus'

interface Call { url: string; body: string | undefined; signal: AbortSignal; answer: (status: number, body: unknown) => void }
const calls: Call[] = []

vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
  let resolve: (response: Response) => void = () => undefined
  let reject: (why: Error) => void = () => undefined
  const promise = new Promise<Response>((done, fail) => ([resolve, reject] = [done, fail]))
  init.signal?.addEventListener('abort', () => reject(new Error('aborted')))
  calls.push({
    url, body: init.body === undefined ? undefined : String(init.body), signal: init.signal as AbortSignal,
    answer: (status, body) => resolve(new Response(JSON.stringify(body), { status })),
  })
  return promise
})
afterEach(() => void calls.splice(0))

const begun = async (): Promise<void> => void (await new Promise((done) => setTimeout(done, 0)))

test('addresses', async () => {
  const range = queryRange('up{a="b"}', { start: 1, end: 61, step: 15 })
  const values = labelValues('a/b', ['up', 'down'], { start: 3 })
  await begun()
  expect(calls.map((call) => call.url)).toEqual([
    '/api/v1/query_range?query=up%7Ba%3D%22b%22%7D&start=1&end=61&step=15',
    '/api/v1/label/a%2Fb/values?match%5B%5D=up&match%5B%5D=down&start=3',
  ])
  calls[0]?.answer(200, { status: 'success', data: { resultType: 'matrix', result: [] }, warnings: ['slow'] })
  calls[1]?.answer(200, { status: 'success', data: ['x'] })
  expect(await range).toEqual({ data: { resultType: 'matrix', result: [] }, warnings: ['slow'], infos: [] })
  expect((await values).data).toEqual(['x'])
})

test('a long query goes in the body', async () => {
  const asked = query('x'.repeat(2_000))
  await begun()
  expect(calls[0]?.url).toBe('/api/v1/query')
  expect(calls[0]?.body).toMatch(/^query=x{2000}$/)
  calls[0]?.answer(200, { data: { resultType: 'vector', result: [] } })
  await asked
})

test.each([
  [400, { status: 'error', errorType: 'bad_data', error: 'parse error' }, 'refused', 'parse error'],
  [422, { status: 'error', errorType: 'execution', error: 'too many samples' }, 'refused', 'too many samples'],
  [503, { status: 'error', errorType: 'timeout', error: 'query timed out' }, 'broken', 'query timed out'],
  [401, { error: { message: 'log in' } }, 'unauthorized', 'log in'],
  [404, 'nothing', 'not_found', '404'],
])('status %d', async (status, body, kind, message) => {
  const asked = query('up')
  await begun()
  calls[0]?.answer(status, body)
  await expect(asked).rejects.toMatchObject({ kind, message })
})

test('four are under way, the others wait; one that is taken back leaves the queue', async () => {
  const abort = new AbortController()
  const all = Array.from({ length: 8 }, (_, at) => series([`m${at}`], {}, at === 6 ? { signal: abort.signal } : {}))
  await begun()
  expect(calls.length).toBe(4)
  abort.abort()
  await expect(all[6]).rejects.toMatchObject({ kind: 'away' })
  calls[2]?.answer(200, { data: [] })
  await all[2]
  await begun()
  expect(calls.map((call) => call.url.slice(-2))).toEqual(['m0', 'm1', 'm2', 'm3', 'm4'])
  calls[0]?.answer(200, { data: [] })
  calls[1]?.answer(200, { data: [] })
  await all[1]
  await begun()
  expect(calls.map((call) => call.url.slice(-2)).slice(5)).toEqual(['m5', 'm7'])
  for (const call of calls) call.answer(200, { data: [] })
  await Promise.all(all.filter((_, at) => at !== 6))
})

test('what is taken back under way is aborted', async () => {
  const abort = new AbortController()
  const asked = query('up', undefined, { signal: abort.signal })
  await begun()
  abort.abort()
  await expect(asked).rejects.toMatchObject({ kind: 'away' })
  expect(calls[0]?.signal.aborted).toBe(true)
})

test('values in selectors', () => {
  expect(quoted('a"b\\c')).toBe('"a\\"b\\\\c"')
  expect(anyOf(['a.b', 'c|d'])).toBe('"a\\\\.b|c\\\\|d"')
})

// A webhook receiver that notes when messages arrive.
import { createServer } from 'node:http'

/** Listens on a free port of 127.0.0.1. */
export async function startReceiver() {
  const messages = []
  const server = createServer((request, response) => {
    const at = Date.now()
    const parts = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      try {
        messages.push({ at, body: JSON.parse(Buffer.concat(parts).toString()) })
      } catch {
        messages.push({ at, body: null })
      }
      response.writeHead(204).end()
    })
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${server.address().port}/hook`,
    messages,
    /** The first message about a name that `wanted` accepts. */
    first: (name, wanted = () => true) => messages.find(({ body }) => body?.resource?.name === name && wanted(body)),
    close: () => new Promise((done) => server.close(done)),
  }
}

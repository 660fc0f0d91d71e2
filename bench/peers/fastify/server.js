// The fan-out written with Fastify and undici: `node server.js PORT PLAN`.
import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import { Agent } from 'undici'

const [port, plan] = process.argv.slice(2)
const calls = JSON.parse(readFileSync(plan, 'utf8')).map(({ name, url }) => {
  const { origin, pathname } = new URL(url)
  return { name, origin, path: pathname }
})

const DEADLINE_MS = 30_000
const agent = new Agent({
  connections: null,
  pipelining: 1,
  keepAliveTimeout: 60_000,
  headersTimeout: DEADLINE_MS,
  bodyTimeout: DEADLINE_MS
})

async function call ({ name, origin, path }) {
  const { statusCode, body } = await agent.request({ origin, path, method: 'GET' })
  return { name, status: statusCode, body: await body.json() }
}

const app = Fastify({ logger: false, keepAliveTimeout: 60_000 })
app.get('/aggregate', async () => ({ results: await Promise.all(calls.map(call)) }))
app.get('/readyz', async () => ({ ready: true }))
await app.listen({ host: '127.0.0.1', port: Number(port), backlog: 4096 })

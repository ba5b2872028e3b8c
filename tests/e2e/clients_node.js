// What test_e2e_clients_node.py runs: the npm package `pg`, its path in NODE_PG, its settings in the
// standard environment variables. Prints one line of JSON.
const fs = require('fs')
const { Client, Pool } = require(process.env.NODE_PG)

const settings = { ssl: { ca: fs.readFileSync(process.env.PGSSLROOTCERT) } }
if (process.env.DIRECT) settings.sslnegotiation = 'direct'

const seen = {}

async function refused(running) {
  try {
    await running
  } catch (error) {
    return [error.code, JSON.parse(error.detail || '{}').rule]
  }
  return 'not refused'
}

async function main() {
  const client = new Client(settings)
  await client.connect()
  const patient = 'SELECT * FROM patients WHERE id = $1'
  seen.simple = (await client.query('SELECT * FROM patients WHERE id = 1')).rows[0]
  seen.extended = (await client.query(patient, [1])).rows[0]
  seen.named = []
  for (const id of [1, 2, 3]) {
    const query = { name: 'by-id', text: 'SELECT id, ssn FROM patients WHERE id = $1', values: [id] }
    seen.named.push((await client.query({ ...query, rowMode: 'array' })).rows[0])
  }
  const binary = { text: 'SELECT id, ssn FROM patients WHERE id = $1', values: [4], binary: true }
  seen.binary = (await client.query(binary)).rows[0]
  seen.several = (await client.query('SELECT 1 AS x; SELECT ssn FROM patients LIMIT 1')).map((r) => r.rows)
  seen.refusals = [
    await refused(client.query('DROP TABLE codes')),
    await refused(client.query({ text: 'TRUNCATE codes', values: [] })),
    await refused(client.query({ name: 'drop', text: 'DROP TABLE codes' })),
    await refused(client.query('SELECT 1; TRUNCATE codes')),
    await refused(client.query("SELECT id FROM patients WHERE ssn LIKE $1", ['9%'])),
  ]
  seen.alive = (await client.query('SELECT 1 AS x')).rows
  await client.query('BEGIN')
  await client.query("INSERT INTO codes VALUES ('N1', 'x')")
  seen.inside = await refused(client.query('DROP TABLE codes'))
  seen.aborted = (await refused(client.query('SELECT 1')))[0]
  await client.query('ROLLBACK')
  seen.rolledBack = (await client.query("SELECT count(*)::int AS n FROM codes WHERE dx = 'N1'")).rows
  await client.end()

  const pool = new Pool({ ...settings, max: 4 })
  const ids = Array.from({ length: 20 }, (_, n) => n + 1)
  const mixed = await Promise.allSettled(
    ids.map((id) =>
      id % 5 ? pool.query('SELECT id, ssn FROM patients WHERE id = $1', [id]) : pool.query('TRUNCATE codes'),
    ),
  )
  seen.pool = mixed.map((one) => (one.status === 'fulfilled' ? one.value.rows[0].ssn : one.reason.code))
  await pool.end()
  console.log(JSON.stringify(seen))
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
